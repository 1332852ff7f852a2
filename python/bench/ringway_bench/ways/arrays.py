"""Arrays of 1 MiB one after the other, each written in full by one side and summed by the other: by Ringway, by hand, and through a `Pipe`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kit import Kit
from ..work import Maker, OneWay, Work, Wrong
from .ours import meet

SIZE = 1 << 20
WORDS = SIZE // 8


class Arrays(OneWay):
    """Every word of an array is its number; a message is only asked for."""

    make: Maker = staticmethod(lambda _: None)

    def __init__(self) -> None:
        self.number = 0

    def check(self, total: Any) -> None:
        """Whether it is the sum of the next array."""
        self.number += 1
        if total != self.number * WORDS:
            raise Wrong(f"{total} is the sum of array {self.number}")


class Ours(Arrays):
    """Filled in the ring, and looked at in the ring: the peer is trusted, as by hand."""

    def __init__(self, side: int, address: str) -> None:
        super().__init__()
        capacity = 4 * SIZE
        self.connection = meet(side, address, wait="spin", trust_peer=True, prefault=True, capacity=capacity, peer_capacity=capacity, alignment=64)

    def pour(self, messages: Iterable[None], count: int) -> None:
        reserve, array = self.connection.reserve, np.frombuffer
        for number in range(self.number + 1, self.number + 1 + count):
            with reserve(SIZE) as memory:
                array(memory, np.int64)[:] = number
        self.number += count

    def drain(self, count: int) -> None:
        view, array, check = self.connection.recv_view, np.frombuffer, self.check
        for _ in range(count):
            with view() as memory:
                check(array(memory, np.int64).sum())

    def confirm(self) -> None:
        self.connection.send(b"all")

    def await_confirmation(self) -> None:
        self.connection.recv()


class ByHand(Arrays):
    """Some arrays in shared memory, and a word for each side, at which the other one looks again and again."""

    def __init__(self, kit: Kit, slots: int) -> None:
        super().__init__()
        memory = kit.memory(4096 + slots * SIZE)
        self.words = memoryview(memory)[:4096].cast("q")
        self.arrays: list[NDArray[np.int64]] = [np.frombuffer(memory, np.int64, WORDS, 4096 + slot * SIZE) for slot in range(slots)]
        self.batches = 0

    def _turns(self, count: int) -> Iterable[tuple[int, NDArray[np.int64]]]:
        first = self.number
        places = islice(cycle(self.arrays), first % len(self.arrays), None)
        return zip(range(first + 1, first + 1 + count), places)

    def pour(self, messages: Iterable[None], count: int) -> None:
        words, slots = self.words, len(self.arrays)
        for number, array in self._turns(count):
            while words[32] + slots < number:
                pass
            array[:] = number
            words[0] = number
        self.number += count

    def drain(self, count: int) -> None:
        words, check = self.words, self.check
        for number, array in self._turns(count):
            while words[0] < number:
                pass
            check(array.sum())
            words[32] = number

    def confirm(self) -> None:
        self.batches += 1
        self.words[64] = self.batches

    def await_confirmation(self) -> None:
        self.batches += 1
        while self.words[64] != self.batches:
            pass


class Piped(Arrays):
    """Sent as objects, as arrays are sent through a `Pipe`."""

    def __init__(self, kit: Kit, side: int) -> None:
        super().__init__()
        self.pipe: Connection[Any, Any] = Connection(kit.sockets[side])
        # It lends its memory, which its stubs say from Python 3.12 on only.
        self.array: Any = np.zeros(WORDS, np.int64)

    def pour(self, messages: Iterable[None], count: int) -> None:
        send, array = self.pipe.send, self.array
        for number in range(self.number + 1, self.number + 1 + count):
            array[:] = number
            send(array)
        self.number += count

    def drain(self, count: int) -> None:
        recv, check = self.pipe.recv, self.check
        for _ in range(count):
            check(recv().sum())

    def confirm(self) -> None:
        self.pipe.send_bytes(b"all")

    def await_confirmation(self) -> None:
        self.pipe.recv_bytes()


class PipedBytes(Piped):
    """Sent as their bytes, and received into an array that is there: the best that a `Pipe` can do."""

    def pour(self, messages: Iterable[None], count: int) -> None:
        send, array = self.pipe.send_bytes, self.array
        for number in range(self.number + 1, self.number + 1 + count):
            array[:] = number
            send(array)
        self.number += count

    def drain(self, count: int) -> None:
        recv, array, check = self.pipe.recv_bytes_into, self.array, self.check
        for _ in range(count):
            recv(array)
            check(array.sum())


def make(kit: Kit, side: int, address: str, how: str, slots: str = "2") -> Work:
    """`how`: ours, hand with so many slots, pipe or pipe-bytes."""
    match how:
        case "ours":
            return Ours(side, address)
        case "hand":
            return ByHand(kit, int(slots))
        case "pipe":
            return Piped(kit, side)
        case "pipe-bytes":
            return PipedBytes(kit, side)
    raise ValueError(how)
