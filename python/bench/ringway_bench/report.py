"""The table, or lines of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from .meter import Percentiles, median
from .rounds import Outcome, Tally
from .row import Row

HEADING = (
    f"{'work':<17}{'beside':<17}{'ours':>9} {'':<5}{'theirs':>9}{'ratio':>8}  {'target':<8}{'':<11}"
    f"{'p50 us':>8}{'p99':>8}{'p99.9':>8}{'n':>4}{'bad':>4}{'cpu %':>7}{'theirs':>7}"
)


class Verdict:
    """One line: a row beside one rival."""

    def __init__(self, row: Row, tally: Tally, ours: Percentiles | None, wanted: int) -> None:
        self.row, self.tally, self.ours = row, tally, ours
        self.complete = tally.rounds >= wanted
        self.wanted = wanted

    @property
    def met(self) -> bool | None:
        """Whether the target is met; `None` where that cannot be said."""
        target, ratio = self.tally.rival.target, self.tally.ratio
        return None if target is None or math.isnan(ratio) else ratio >= target

    @property
    def word(self) -> str:
        """The verdict, in a word."""
        if not self.tally.rounds:
            return "unmeasured"
        return {True: "met", False: "MISS", None: ""}[self.met]

    def note(self) -> str | None:
        """What is to be said besides."""
        tally = self.tally
        if tally.failure is not None:
            return f"{'not measured' if tally.missing else 'failed'}: {tally.failure}"
        if self.complete:
            return None
        why = f"in {tally.discarded} more the rival moved by too much within the round, or others had the processors" if tally.discarded else "then the time was up"
        return f"gave up: {tally.rounds} of {self.wanted} rounds counted, {why}: the machine is busy, try again"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        row, tally = self.row, self.tally

        def number(value: float) -> float | None:
            return None if math.isnan(value) else round(value, 4)

        def percentiles(of: Percentiles | None) -> dict[str, float] | None:
            return None if of is None else {"p50_ns": of.p50, "p99_ns": of.p99, "p999_ns": of.p999}

        return {
            "work": row.name,
            "beside": tally.rival.name,
            "ways": tally.ways,
            "size": row.size,
            "unit": row.unit,
            "ours": number(row.value(median(tally.ours))),
            "theirs": number(row.value(median(tally.theirs))),
            "ratio": number(tally.ratio),
            "target": tally.rival.target and round(tally.rival.target, 4),
            "met": self.met,
            "complete": self.complete,
            "rounds": tally.rounds,
            "discarded": tally.discarded,
            "cpu_percent": number(median(tally.cpu)),
            "their_cpu_percent": number(median(tally.their_cpu)),
            "percentiles": percentiles(self.ours),
            "their_percentiles": percentiles(tally.percentiles),
            "note": self.note(),
        }

    def lines(self) -> Iterator[str]:
        """One line of the table, and what is to be said besides."""
        row, tally = self.row, self.tally
        target = "-" if tally.rival.target is None else f">= {tally.rival.target:.3g}x"
        ratio = "-" if math.isnan(tally.ratio) else f"{tally.ratio:.3g}x"
        yield (
            f"{row.name:<17}{tally.rival.name:<17}{significant(row.value(median(tally.ours))):>9} {row.unit:<5}"
            f"{significant(row.value(median(tally.theirs))):>9}{ratio:>8}  {target:<8} {self.word:<10}"
            f"{columns(self.ours)}{tally.rounds:>4}{tally.discarded:>4}{whole(median(tally.cpu)):>7}{whole(median(tally.their_cpu)):>7}"
        )
        if tally.percentiles is not None:
            yield f"{'':<17}{'':<60}{'theirs':<9}{columns(tally.percentiles)}"
        note = self.note()
        if note is not None:
            yield f"{'':<17}{note}"


def verdicts(outcome: Outcome, wanted: int) -> list[Verdict]:
    """A row's lines. Where all of it failed, so did each."""
    for tally in outcome.tallies:
        tally.failure = tally.failure or outcome.failure
    wanted = outcome.row.rounds(wanted)
    return [Verdict(outcome.row, tally, outcome.percentiles, wanted) for tally in outcome.tallies]


def show(verdict: Verdict, as_json: bool) -> None:
    """Prints it, now."""
    lines = [json.dumps(verdict.to_json())] if as_json else verdict.lines()
    for line in lines:
        print(line, flush=True)


def columns(of: Percentiles | None) -> str:
    """Percentiles in microseconds."""
    if of is None:
        return f"{'-':>8}{'-':>8}{'-':>8}"
    return "".join(f"{significant(nanos / 1e3):>8}" for nanos in (of.p50, of.p99, of.p999))


def whole(value: float) -> str:
    """No decimals."""
    return "-" if math.isnan(value) else f"{value:.0f}"


def significant(value: float) -> str:
    """Three digits or more."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
