"""A row of the table: work, what it is compared with, and what is promised."""

from __future__ import annotations

from dataclasses import dataclass

from .way import Way


@dataclass(frozen=True)
class Rival:
    """What Ringway is compared with: the fastest of some ways to do the same."""

    name: str
    ways: tuple[Way, ...]
    #: Ringway's speed over the rival's is to be at least so much; `None`: nothing is promised.
    target: float | None = None


@dataclass(frozen=True)
class Row:
    """One kind of work."""

    name: str
    about: str
    ours: Way
    rivals: tuple[Rival, ...]
    #: Bytes of a message, where messages per second or bytes per second are what counts.
    size: int = 64
    unit: str = "us"
    #: Single operations are timed in a pass of their own.
    each: bool = True
    #: So many rounds are enough, and they may take so many seconds, if the work takes long.
    most: int | None = None
    seconds: float | None = None

    def rounds(self, wanted: int) -> int:
        """How many rounds have to count, where so many are wanted."""
        return wanted if self.most is None else min(wanted, self.most)

    def value(self, nanos: float) -> float:
        """An operation's time in the row's unit."""
        match self.unit:
            case "us":
                return nanos / 1e3
            case "M/s":
                return 1e3 / nanos
            case "GB/s":
                return self.size / nanos
        raise ValueError(self.unit)
