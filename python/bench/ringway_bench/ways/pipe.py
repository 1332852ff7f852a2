"""`multiprocessing.Pipe`: the bytes or objects that its connections move."""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any

from ..kit import Kit
from ..work import OneWay, RoundTrip, Work


class Exchange(RoundTrip):
    """`send_bytes` and `recv_bytes`."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self.pipe = pipe

    def ask(self, messages: Iterable[bytes]) -> bytes:
        send, recv, reply = self.pipe.send_bytes, self.pipe.recv_bytes, b""
        for message in messages:
            send(message)
            reply = recv()
        return reply

    def answer(self, count: int) -> None:
        send, recv = self.pipe.send_bytes, self.pipe.recv_bytes
        for _ in range(count):
            send(recv())


class Stream(OneWay):
    """A call for each message, on both sides."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self.pipe = pipe

    def pour(self, messages: Iterable[bytes], count: int) -> None:
        send = self.pipe.send_bytes
        for message in messages:
            send(message)

    def drain(self, count: int) -> bytes:
        recv, message = self.pipe.recv_bytes, b""
        for _ in range(count):
            message = recv()
        return message

    def confirm(self) -> None:
        self.pipe.send_bytes(b"all")

    def await_confirmation(self) -> None:
        self.pipe.recv_bytes()


def make(kit: Kit, side: int, address: str, shape: str) -> Work:
    """`shape`: exchange or stream."""
    # What `Pipe()` makes: the two ends of a pair of sockets.
    pipe: Connection[Any, Any] = Connection(kit.sockets[side])
    return Exchange(pipe) if shape == "exchange" else Stream(pipe)
