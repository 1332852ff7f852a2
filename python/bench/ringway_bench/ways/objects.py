"""Picklable objects through a `Pipe`: that of `multiprocessing`, and Ringway's in its place."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any

from ringway.multiprocessing import Pipe

from ..kit import LEAD, Kit
from ..work import Maker, RoundTrip, Work


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


def make(kit: Kit, side: int, address: str, whose: str, size: str) -> Work:
    """`whose`: pipe, or how Ringway waits; `size`: bytes, or small."""
    maker = small if size == "small" else of(int(size))
    if whose == "pipe":
        pipe: Connection[Any, Any] = Connection(kit.sockets[side])
        return Exchange(pipe, maker)
    return Exchange(ours(kit, side, wait=whose), maker)
