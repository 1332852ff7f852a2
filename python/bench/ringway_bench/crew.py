"""Two processes at work: they take orders on standard input and answer on standard output, in lines of JSON."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

from .kit import FOLLOW, LEAD, Kit
from .meter import Percentiles, Sample
from .way import Way
from .work import BATCH, CHECK

#: For so long a pair may be silent, in seconds.
PATIENCE = 60.0
#: What the other side is named in orders to a process of `ringway bench`.
SIDES = ("Lead", "Follow")


class Failure(Exception):
    """Why a row could not be measured."""


class Missing(Failure):
    """It takes something that is not here."""


@dataclass(frozen=True)
class Batch:
    """What a pair measured in one pass of so many operations."""

    count: int
    lead: Sample
    cpu_nanos: float

    @property
    def nanos(self) -> float:
        """Nanoseconds per operation."""
        return self.lead.nanos / self.count

    @property
    def cpu_percent(self) -> float:
        """Processor time of both in percent of one processor."""
        return 100.0 * self.cpu_nanos / self.lead.nanos

    @property
    def percentiles(self) -> Percentiles | None:
        """Those of single operations, if they were timed."""
        return self.lead.percentiles


class Crew:
    """A pair that has shown that it gets everything across."""

    def __init__(self, way: Way, cpus: tuple[int, int], program: str | None) -> None:
        if way.needs is not None and importlib.util.find_spec(way.needs) is None:
            raise Missing(f"no module {way.needs!r} is installed")
        if way.rust is not None and program is None:
            raise Missing("no release build of the command was given (--ringway PATH)")
        self.way = way
        self.count = way.first
        self._directory = tempfile.mkdtemp(prefix="ringway-bench-")
        self._members: list[subprocess.Popen[bytes]] = []
        kit = Kit.make()
        try:
            for side in (LEAD, FOLLOW):
                self._members.append(self._start(side, cpus[side], kit, program))
        finally:
            kit.close()
        self._answers()
        self.run(CHECK, way.checked)

    def _start(self, side: int, cpu: int, kit: Kit, program: str | None) -> subprocess.Popen[bytes]:
        place = os.path.join(self._directory, "meet")
        spec: dict[str, Any] = {"side": SIDES[side], "cpu": cpu, "descriptors": kit.numbers(), "address": place}
        if self.way.rust is None:
            command = [sys.executable, "-P", "-m", "ringway_bench.member"]
            spec["way"] = self.way.name
        else:
            assert program is not None
            command = [program, "bench-peer"]
            spec["task"] = self.way.rust
        return subprocess.Popen(
            [*command, json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=kit.numbers(),
        )

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends both."""
        # The end of its orders ends a process, which then removes what it has made. One that hangs is killed.
        for member in self._members:
            if member.stdin is not None:
                member.stdin.close()
        for member in self._members:
            try:
                member.wait(1.0)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
            if member.stdout is not None:
                member.stdout.close()
        self._members = []
        shutil.rmtree(self._directory, ignore_errors=True)

    def size_batches(self, seconds: float, how: str) -> None:
        """Finds how many operations take about so long."""
        for _ in range(8):
            nanos = max(self.run(how, self.count).lead.nanos, 1.0)
            factor = min(seconds * 1e9 / nanos, 64.0)
            self.count = max(1, min(int(self.count * factor), 1 << 28))
            if factor < 2.0:
                return

    def batch(self, how: str = BATCH) -> Batch:
        """One batch."""
        return self.run(how, self.count)

    def run(self, how: str, count: int) -> Batch:
        """Runs `count` operations."""
        order = json.dumps({"Run": {"count": count, "pass": how}}).encode() + b"\n"
        for member in reversed(self._members):
            assert member.stdin is not None
            try:
                member.stdin.write(order)
                member.stdin.flush()
            except OSError as error:
                raise Failure(f"a peer has gone: {error}") from error
        lead, follow = self._answers()
        return Batch(count, lead, lead.cpu_nanos + follow.cpu_nanos)

    def _answers(self) -> tuple[Sample, Sample]:
        """One answer of each. Either may fail first, and then the other never answers."""
        deadline = time.monotonic() + PATIENCE
        found: dict[int, Sample] = {}
        while len(found) < 2:
            streams = ((self._members[side].stdout, side) for side in (LEAD, FOLLOW) if side not in found)
            waiting = {stream: side for stream, side in streams if stream is not None}
            ready, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise Failure(f"no answer within {PATIENCE:.0f} s: the pair hangs")
            for stream in ready:
                line = stream.readline()
                if not line:
                    status = self._members[waiting[stream]].wait()
                    raise Failure(f"a peer ended early, with {status}")
                found[waiting[stream]] = Sample.from_json(json.loads(line))
        return found[LEAD], found[FOLLOW]
