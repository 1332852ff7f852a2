"""An array of 1 MiB, written in full by the lead and read in full by the other one, which answers with its sum: by Ringway, by hand, and through a `Pipe`."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kit import LEAD, Kit
from ..work import RoundTrip, Work
from .ours import meet

SIZE = 1 << 20
WORDS = SIZE // 8
PACK = struct.Struct("<q")


class Array(RoundTrip):
    """A message is the number that every word of the array has; its reply is the sum of all."""

    make = staticmethod(lambda turn: turn + 1)

    def expected(self, message: int) -> int:
        return message * WORDS

    @abstractmethod
    def ask(self, messages: Iterable[int]) -> int: ...


class Ours(Array):
    """Filled in the ring, and looked at in the ring: the peer is trusted, as by hand."""

    def __init__(self, side: int, address: str, wait: str) -> None:
        sizes = {"capacity": 4 * SIZE, "peer_capacity": 4 * SIZE} if side == LEAD else {}
        self.connection = meet(side, address, wait=wait, trust_peer=True, prefault=True, **sizes)

    def ask(self, messages: Iterable[int]) -> int:
        reserve, recv, reply, array = self.connection.reserve, self.connection.recv, b"", np.frombuffer
        for message in messages:
            with reserve(SIZE) as memory:
                array(memory, np.int64)[:] = message
            reply = recv()
        return int(PACK.unpack(reply)[0])

    def answer(self, count: int) -> None:
        view, send, array, pack = self.connection.recv_view, self.connection.send, np.frombuffer, PACK.pack
        for _ in range(count):
            with view() as memory:
                total = array(memory, np.int64).sum()
            send(pack(total))


class ByHand(Array):
    """One array in shared memory, and a word for each side, at which the other one looks again and again."""

    def __init__(self, kit: Kit, side: int) -> None:
        memory = kit.memory(4096 + SIZE)
        self.words = memoryview(memory)[:4096].cast("q")
        self.array: NDArray[np.int64] = np.frombuffer(memory, np.int64, WORDS, 4096)
        self.turn = 0

    def ask(self, messages: Iterable[int]) -> int:
        words, array, turn = self.words, self.array, self.turn
        for message in messages:
            array[:] = message
            turn += 1
            words[0] = turn
            while words[32] != turn:
                pass
        self.turn = turn
        return words[40]

    def answer(self, count: int) -> None:
        words, array, turn = self.words, self.array, self.turn
        for _ in range(count):
            turn += 1
            while words[0] != turn:
                pass
            words[40] = int(array.sum())
            words[32] = turn
        self.turn = turn


class Piped(Array):
    """Sent as an object, as arrays are sent through a `Pipe`."""

    def __init__(self, kit: Kit, side: int) -> None:
        self.pipe: Connection[Any, Any] = Connection(kit.sockets[side])
        # It lends its memory, which its stubs say from Python 3.12 on only.
        self.array: Any = np.zeros(WORDS, np.int64)

    def ask(self, messages: Iterable[int]) -> int:
        send, recv, array, reply = self.pipe.send, self.pipe.recv_bytes, self.array, b""
        for message in messages:
            array[:] = message
            send(array)
            reply = recv()
        return int(PACK.unpack(reply)[0])

    def answer(self, count: int) -> None:
        recv, send, pack = self.pipe.recv, self.pipe.send_bytes, PACK.pack
        for _ in range(count):
            send(pack(recv().sum()))


class PipedBytes(Piped):
    """Sent as its bytes, and received into an array that is there: the best that a `Pipe` can do."""

    def ask(self, messages: Iterable[int]) -> int:
        send, recv, array, reply = self.pipe.send_bytes, self.pipe.recv_bytes, self.array, b""
        for message in messages:
            array[:] = message
            send(array)
            reply = recv()
        return int(PACK.unpack(reply)[0])

    def answer(self, count: int) -> None:
        recv, send, array, pack = self.pipe.recv_bytes_into, self.pipe.send_bytes, self.array, PACK.pack
        for _ in range(count):
            recv(array)
            send(pack(array.sum()))


def make(kit: Kit, side: int, address: str, how: str) -> Work:
    """`how`: ours, hand, pipe or pipe-bytes."""
    match how:
        case "ours":
            return Ours(side, address, "spin")
        case "hand":
            return ByHand(kit, side)
        case "pipe":
            return Piped(kit, side)
        case "pipe-bytes":
            return PipedBytes(kit, side)
    raise ValueError(how)
