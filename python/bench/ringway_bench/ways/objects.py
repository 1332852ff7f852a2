"""Picklable objects through a `Pipe`: that of `multiprocessing`, and Ringway's in its place."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

from ringway.multiprocessing import Pipe

from ..kit import AREA, LEAD, Kit
from ..work import Maker, RoundTrip, Work, octets


def array(size: int) -> Maker:
    """An array of NumPy of so many bytes."""
    import numpy

    return lambda turn: numpy.full(size // 8, turn + 0.5)


def small(turn: int) -> Any:
    """A dictionary as programs have them, of some tens of bytes."""
    return {"id": turn, "name": "a message", "price": turn + 0.25, "tags": ["some", "more"]}


def of(size: int) -> Maker:
    """A dictionary with so many bytes in it."""
    return lambda turn: {"id": turn, "data": random.Random(turn).randbytes(size)}


class Exchange(RoundTrip):
    """`send` and `recv`."""

    def __init__(self, pipe: Any, make: Maker) -> None:
        self.pipe = pipe
        self.make = make

    def ask(self, messages: Iterable[Any]) -> Any:
        send, recv, reply = self.pipe.send, self.pipe.recv, None
        for message in messages:
            send(message)
            reply = recv()
        return reply

    def answer(self, count: int) -> None:
        send, recv = self.pipe.send, self.pipe.recv
        for _ in range(count):
            send(recv())


class Copied(RoundTrip):
    """What any way costs that copies a message into shared memory and out of it again: the bytes alone, in one piece, by the mapping's slices, and a spin on the byte behind them."""

    def __init__(self, kit: Kit, side: int, size: int) -> None:
        self.memory = kit.memory(AREA)
        mine, its = AREA // 2 * side, AREA // 2 * (1 - side)
        self.out, self.sent = slice(mine, mine + size), mine + size
        self.come, self.arrived = slice(its, its + size), its + size
        self.turn = 1
        self.make = octets(size)

    def ask(self, messages: Iterable[bytes]) -> bytes:
        memory, reply = self.memory, b""
        for message in messages:
            memory[self.out] = message
            memory[self.sent] = self.turn
            while memory[self.arrived] != self.turn:
                pass
            reply = memory[self.come]
            self.turn ^= 3
        return reply

    def answer(self, count: int) -> None:
        memory = self.memory
        for _ in range(count):
            while memory[self.arrived] != self.turn:
                pass
            memory[self.out] = memory[self.come]
            memory[self.sent] = self.turn
            self.turn ^= 3


def ours(kit: Kit, side: int, **options: Any) -> Any:
    """One end of Ringway's: the lead makes both, and sends the other one its own."""
    # Descriptors are handed over between processes that know each other by this.
    multiprocessing.current_process().authkey = b"ringway-bench"
    between: Connection[Any, Any] = Connection(kit.sockets[side])
    if side == LEAD:
        mine, its = Pipe(**options)
        between.send(its)
        between.recv()
        return mine
    mine = between.recv()
    between.send(None)
    return mine


MAKERS: dict[str, Callable[[int], Maker]] = {"in": of, "bytes": octets, "array": array}


def make(kit: Kit, side: int, address: str, whose: str, what: str, size: str) -> Work:
    """`whose`: pipe, copied, or how Ringway waits; `what`: small, bytes, an array, or bytes in a dictionary, of that size."""
    if whose == "copied":
        return Copied(kit, side, int(size))
    maker = small if what == "small" else MAKERS[what](int(size))
    if whose == "pipe":
        pipe: Connection[Any, Any] = Connection(kit.sockets[side])
        return Exchange(pipe, maker)
    return Exchange(ours(kit, side, wait=whose), maker)
