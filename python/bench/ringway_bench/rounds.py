"""Rounds: each rival, ours, and that rival again. A round counts for a rival only if its two measurements agree, and if whoever never sleeps had its processors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from .crew import Batch, Crew, Failure, Missing
from .meter import Percentiles, median
from .row import Rival, Row
from .way import Way
from .work import BATCH, EACH

#: Two processes that never sleep have at least so much of two processors, in percent of one, or somebody else has them too.
UNDISTURBED = 180.0


@dataclass(frozen=True)
class Effort:
    """How much effort a row is worth."""

    #: Rounds that have to count, for each rival.
    rounds: int
    #: The row ends after so many seconds, however many rounds counted.
    seconds: float
    #: Length of a batch, in seconds.
    batch: float
    #: Length of the pass that times single operations, in seconds.
    each: float
    #: New processes so often: where memory lies, and how two loops fall into step, stays as long as they live.
    sessions: int


@dataclass
class Tally:
    """What the rounds of a row came to, beside one rival."""

    rival: Rival
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    their_cpu: list[float] = field(default_factory=list)
    discarded: int = 0
    #: The way that did best, of each session.
    ways: list[str] = field(default_factory=list)
    percentiles: Percentiles | None = None
    failure: str | None = None
    #: It failed for want of something that is not installed.
    missing: bool = False

    def count(self, before: Batch, batch: Batch, after: Batch) -> None:
        """A round that counts."""
        theirs = (before.nanos + after.nanos) / 2
        self.ours.append(batch.nanos)
        self.theirs.append(theirs)
        self.speed.append(theirs / batch.nanos)
        self.cpu.append(batch.cpu_percent)
        self.their_cpu.append((before.cpu_percent + after.cpu_percent) / 2)

    @property
    def rounds(self) -> int:
        """Rounds that counted."""
        return len(self.ours)

    @property
    def ratio(self) -> float:
        """Our speed over the rival's: the median of the rounds' own, because only what ran side by side can be compared."""
        return median(self.speed)


@dataclass
class Outcome:
    """A row as it was measured."""

    row: Row
    tallies: list[Tally]
    percentiles: Percentiles | None = None
    failure: str | None = None


def undisturbed(crew: Crew, batch: Batch) -> bool:
    """Whether the pair had its processors."""
    return not crew.way.spins or batch.cpu_percent >= UNDISTURBED


class Measurement:
    """One row, from its first process to its last."""

    def __init__(self, row: Row, effort: Effort, cpus: tuple[int, int], program: str | None) -> None:
        self.row, self.effort, self.cpus, self.program = row, effort, cpus, program
        self.outcome = Outcome(row, [Tally(rival) for rival in row.rivals])
        # What takes long gets more time, unless next to none is given.
        more = row.seconds if row.seconds is not None and effort.rounds > 1 else effort.seconds
        self.end = time.monotonic() + max(more, effort.seconds)

    def run(self) -> Outcome:
        """Measures. What fails is said in the outcome."""
        sessions = self.effort.sessions
        for session in range(sessions):
            wanted = self.row.rounds(self.effort.rounds) * (session + 1) // sessions
            try:
                self._session(wanted, (sessions - session))
            except (Failure, OSError) as error:
                self.outcome.failure = str(error)
                break
        return self.outcome

    def _open(self) -> Iterator[Tally]:
        return (tally for tally in self.outcome.tallies if tally.failure is None)

    def _start(self, way: Way, stack: ExitStack) -> Crew:
        crew = stack.enter_context(Crew(way, self.cpus, self.program))
        crew.size_batches(self.effort.batch, BATCH)
        return crew

    def _best(self, tally: Tally, stack: ExitStack) -> Crew:
        """The fastest of a rival's ways, each tried twice, by turns."""
        crews = [self._start(way, stack) for way in tally.rival.ways]
        if len(crews) > 1:
            sums = [0.0] * len(crews)
            for index in (*range(len(crews)), *range(len(crews))):
                sums[index] += crews[index].batch().nanos
            best = crews[sums.index(min(sums))]
            for crew in crews:
                if crew is not best:
                    crew.close()
            crews = [best]
        tally.ways.append(crews[0].way.name)
        return crews[0]

    def _session(self, wanted: int, left: int) -> None:
        share = time.monotonic() + (self.end - time.monotonic()) / left
        with ExitStack() as stack:
            ours = self._start(self.row.ours, stack)
            rivals: list[tuple[Tally, Crew]] = []
            for tally in self._open():
                try:
                    rivals.append((tally, self._best(tally, stack)))
                except (Failure, OSError) as error:
                    tally.failure, tally.missing = str(error), isinstance(error, Missing)
            first = True
            while first or time.monotonic() < share and any(tally.rounds < wanted for tally, _ in rivals):
                for tally, crew in rivals:
                    if first or tally.rounds < wanted:
                        self._round(tally, crew, ours)
                first = False
            if self.row.each and self.outcome.percentiles is None:
                self.outcome.percentiles = self._percentiles(ours)
                for tally, crew in rivals:
                    tally.percentiles = self._percentiles(crew)

    def _round(self, tally: Tally, crew: Crew, ours: Crew) -> None:
        before, batch, after = crew.batch(), ours.batch(), crew.batch()
        first, last = before.nanos, after.nanos
        agree = max(first, last) <= crew.way.agreement * min(first, last)
        alone = undisturbed(crew, before) and undisturbed(crew, after) and undisturbed(ours, batch)
        if agree and alone:
            tally.count(before, batch, after)
        else:
            tally.discarded += 1

    def _percentiles(self, crew: Crew) -> Percentiles | None:
        count = crew.count
        crew.size_batches(self.effort.each, EACH)
        found = crew.batch(EACH).percentiles
        crew.count = count
        return found
