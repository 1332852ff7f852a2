"""pyzmq: a pair of PAIR sockets over a Unix socket."""

from __future__ import annotations

from collections.abc import Iterable

import zmq

from ..kit import LEAD, Kit
from ..work import RoundTrip, Work


class Exchange(RoundTrip):
    """`send` and `recv`, which copy: with 64 bytes that is the faster way."""

    def __init__(self, side: int, address: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.PAIR)
        if side == LEAD:
            self.socket.bind(f"ipc://{address}")
        else:
            self.socket.connect(f"ipc://{address}")

    def ask(self, messages: Iterable[bytes]) -> bytes:
        send, recv, reply = self.socket.send, self.socket.recv, b""
        for message in messages:
            send(message)
            reply = recv()
        return reply

    def answer(self, count: int) -> None:
        send, recv = self.socket.send, self.socket.recv
        for _ in range(count):
            send(recv())


def make(kit: Kit, side: int, address: str) -> Work:
    """No parameters."""
    return Exchange(side, address)
