"""The clocks: elapsed time and processor time of one pass, and percentiles of single operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of single operations, in nanoseconds. They include one reading of the clock and the call of a function."""

    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, nanos: list[int]) -> Percentiles | None:
        """Sorts `nanos` and picks; `None` where there is nothing to pick from."""
        if not nanos:
            return None
        nanos.sort()
        last = len(nanos) - 1
        p50, p99, p999 = (float(nanos[last * part // 1000]) for part in (500, 990, 999))
        return cls(p50, p99, p999)


@dataclass(frozen=True)
class Sample:
    """What one process measured in one pass, as one line of JSON has it: the same as a process of `ringway bench` says."""

    nanos: float = 0.0
    cpu_nanos: float = 0.0
    percentiles: Percentiles | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that is printed."""
        picked = self.percentiles
        return {
            "nanos": self.nanos,
            "cpu_nanos": self.cpu_nanos,
            "percentiles": picked and {"p50": picked.p50, "p99": picked.p99, "p999": picked.p999},
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Sample:
        """What such an object says. Others may say more."""
        picked = told["percentiles"]
        percentiles = picked and Percentiles(picked["p50"], picked["p99"], picked["p999"])
        return cls(told["nanos"], told["cpu_nanos"], percentiles)


class Meter:
    """Runs from the start to the end of a timed part."""

    def __init__(self) -> None:
        self._cpu = time.process_time_ns()
        self._started = time.perf_counter_ns()

    def stop(self, each: list[int] | None = None) -> Sample:
        """Ends now; `each` are the times of single operations, where they were taken."""
        nanos = time.perf_counter_ns() - self._started
        cpu = time.process_time_ns() - self._cpu
        return Sample(float(nanos), float(cpu), Percentiles.of(each or []))


def median(values: Sequence[float]) -> float:
    """The median; NaN for nothing."""
    return statistics.median(values) if values else float("nan")
