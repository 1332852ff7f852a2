"""Ringway: connections that block, or never sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

import ringway

from ..kit import LEAD, Kit
from ..work import OneWay, RoundTrip, Work

T = TypeVar("T")


def meet(side: int, address: str, **options: Any) -> ringway.Connection:
    """A connection of the two: the lead listens."""
    # A handshake may find the other side without a processor for longer than the second that it has otherwise.
    options.setdefault("handshake_timeout", 30)
    if side == LEAD:
        with ringway.listen(address, **options) as listener:
            accepted: ringway.Connection = listener.accept(timeout=30)
        return accepted
    connected: ringway.Connection = until_there(lambda: ringway.connect(address, **options))
    return connected


def until_there(connect: Callable[[], T]) -> T:
    """Connects as soon as somebody listens."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return connect()
        except (ringway.NotFound, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)


class Exchange(RoundTrip):
    """`send` and `recv`."""

    def __init__(self, connection: ringway.Connection) -> None:
        self.connection = connection

    def ask(self, messages: Iterable[bytes]) -> bytes:
        send, recv, reply = self.connection.sender.send, self.connection.receiver.recv, b""
        for message in messages:
            send(message)
            reply = recv()
        return reply

    def answer(self, count: int) -> None:
        send, recv = self.connection.sender.send, self.connection.receiver.recv
        for _ in range(count):
            send(recv())


class Stream(OneWay):
    """A call of `send` for each message, and one step of the iteration for each that is received."""

    def __init__(self, connection: ringway.Connection) -> None:
        self.connection = connection

    def pour(self, messages: Iterable[bytes], count: int) -> None:
        send = self.connection.sender.send
        for message in messages:
            send(message)

    def drain(self, count: int) -> bytes:
        message = b""
        for message in islice(self.connection.receiver, count):
            pass
        return message

    def confirm(self) -> None:
        self.connection.send(b"all")

    def await_confirmation(self) -> None:
        self.connection.recv()


def make(kit: Kit, side: int, address: str, shape: str, wait: str) -> Work:
    """`shape`: exchange or stream; `wait`: as Ringway has it."""
    connection = meet(side, address, wait=wait)
    return Exchange(connection) if shape == "exchange" else Stream(connection)
