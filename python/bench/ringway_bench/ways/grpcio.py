"""grpcio: unary calls over a Unix socket. The messages are bytes as they are: nothing is serialised."""

from __future__ import annotations

import queue
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from ..kit import LEAD, Kit
from ..work import RoundTrip, Work

METHOD = "/bench.Echo/Echo"


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers each call with its request, and counts it."""

    def __init__(self, served: queue.SimpleQueue[None]) -> None:
        self.served = served

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.echo)

    def echo(self, request: bytes, _: Any) -> bytes:
        self.served.put(None)
        return request


class Calls(RoundTrip):
    """The lead calls; the other one is a server, whose work is done in threads of its own."""

    def __init__(self, side: int, address: str) -> None:
        if side == LEAD:
            self.channel = grpc.insecure_channel(f"unix:{address}")
            self.call = self.channel.unary_unary(METHOD)
            grpc.channel_ready_future(self.channel).result(timeout=30)
        else:
            self.served: queue.SimpleQueue[None] = queue.SimpleQueue()
            self.server = grpc.server(ThreadPoolExecutor(1), handlers=(Handler(self.served),))
            self.server.add_insecure_port(f"unix:{address}")
            self.server.start()

    def ask(self, messages: Iterable[bytes]) -> bytes:
        call, reply = self.call, b""
        for message in messages:
            reply = call(message)
        return reply

    def answer(self, count: int) -> None:
        for _ in range(count):
            self.served.get()


def make(kit: Kit, side: int, address: str) -> Work:
    """No parameters."""
    return Calls(side, address)
