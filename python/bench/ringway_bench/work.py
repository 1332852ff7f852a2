"""What a benchmark does, told once for all ways: `RoundTrip` and `OneWay` drive a way, check what it moved and read the clock."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Protocol

from .meter import Meter, Sample

#: Not timed; every message is distinct and checked.
CHECK = "Check"
#: Timed as a whole.
BATCH = "Batch"
#: Every operation is timed by itself. Round trips only; a stream treats it as a batch.
EACH = "Each"


class Wrong(Exception):
    """What arrived is not what was sent."""


class Work(Protocol):
    """One side of a benchmark, as its process drives it."""

    def lead(self, count: int, how: str) -> Sample:
        """The leading side of `count` operations: it reads the clock."""

    def follow(self, count: int, how: str) -> Sample:
        """The other side of the same."""


#: Makes message number so-and-so.
Maker = Callable[[int], Any]


def octets(size: int) -> Maker:
    """Messages of so many bytes, all distinct."""
    return lambda turn: random.Random(turn).randbytes(size)


def warm_up(count: int) -> int:
    """How many of a pass come before its clocks run: three at least. The first ones of a few large messages take memory that the kernel has to get from its host again, where that takes back what is free for some seconds."""
    return max(3, min(64, count // 2) + count // 8)


def _expect(received: Any, sent: Any) -> None:
    same = received == sent
    # Of arrays, each element says.
    if not (same if isinstance(same, bool) else same.all()):
        raise Wrong(f"{str(received)[:80]!r} arrived where {str(sent)[:80]!r} was sent")


class RoundTrip(ABC):
    """Message out, the same message back, one at a time."""

    make: Maker = staticmethod(octets(64))

    @abstractmethod
    def ask(self, messages: Iterable[Any]) -> Any:
        """Sends each and awaits its reply. The last reply."""

    @abstractmethod
    def answer(self, count: int) -> None:
        """Receives and sends back so many."""

    def ask_timed(self, messages: Iterable[Any], times: list[int]) -> Any:
        """The same as `ask`, one by one."""
        clock, ask, append, reply = time.perf_counter_ns, self.ask, times.append, None
        for message in messages:
            one = (message,)
            started = clock()
            reply = ask(one)
            append(clock() - started)
        return reply

    def expected(self, message: Any) -> Any:
        """The reply to a message."""
        return message

    def lead(self, count: int, how: str) -> Sample:
        if how == CHECK:
            for turn in range(count):
                message = self.make(turn)
                _expect(self.ask((message,)), self.expected(message))
            return Sample()
        message = self.make(0)
        self.ask(repeat(message, warm_up(count)))
        times: list[int] = []
        meter = Meter()
        if how == EACH:
            reply = self.ask_timed(repeat(message, count), times)
        else:
            reply = self.ask(repeat(message, count))
        sample = meter.stop(times)
        _expect(reply, self.expected(message))
        return sample

    def follow(self, count: int, how: str) -> Sample:
        if how == CHECK:
            self.answer(count)
            return Sample()
        self.answer(warm_up(count))
        meter = Meter()
        self.answer(count)
        return meter.stop()


class OneWay(ABC):
    """Messages one after the other, and one back when all have arrived."""

    make: Maker = staticmethod(octets(64))

    @abstractmethod
    def pour(self, messages: Iterable[Any], count: int) -> None:
        """Sends each, `count` in all."""

    @abstractmethod
    def drain(self, count: int) -> Any:
        """Receives so many. The last one, as it has to be like."""

    @abstractmethod
    def confirm(self) -> None:
        """Tells the other side that all has arrived."""

    @abstractmethod
    def await_confirmation(self) -> None:
        """Waits for that."""

    def lead(self, count: int, how: str) -> Sample:
        if how == CHECK:
            self._send(map(self.make, range(count)), count)
            return Sample()
        message = self.make(0)
        self._send(repeat(message, warm_up(count)), warm_up(count))
        meter = Meter()
        self._send(repeat(message, count), count)
        return meter.stop()

    def follow(self, count: int, how: str) -> Sample:
        if how == CHECK:
            for turn in range(count):
                _expect(self.drain(1), self.make(turn))
            self.confirm()
            return Sample()
        self._receive(warm_up(count))
        meter = Meter()
        last = self._receive(count)
        sample = meter.stop()
        _expect(last, self.make(0))
        return sample

    def _send(self, messages: Iterator[Any], count: int) -> None:
        self.pour(messages, count)
        self.await_confirmation()

    def _receive(self, count: int) -> Any:
        last = self.drain(count)
        self.confirm()
        return last
