"""iceoryx2's package: two services of publish and subscribe, one each way; the subscriber looks again until a sample is there."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable
from typing import Any

import iceoryx2

from ..kit import Kit
from ..work import RoundTrip, Work

SIZE = 64


class Message(ctypes.Structure):
    """What a sample holds."""

    _fields_ = [("data", ctypes.c_ubyte * SIZE)]


class Exchange(RoundTrip):
    """Loan, write, send; receive, copy out. The payload is moved by `memmove` and `string_at`, without a pointer object for each sample, and the native calls
    are taken from below their Python wrappers, which look at types each time and would double the time."""

    def __init__(self, side: int, address: str) -> None:
        iceoryx2.set_log_level(iceoryx2.LogLevel.Error)
        self.node = iceoryx2.NodeBuilder.new().create(iceoryx2.ServiceType.Ipc)

        def service(number: int) -> Any:
            name = iceoryx2.ServiceName.new(f"{address}/{number}")
            builder = self.node.service_builder(name).publish_subscribe(Message)
            return builder.open_or_create()

        mine, its = service(side), service(1 - side)
        self.publisher = mine.publisher_builder().create()
        self.loan = getattr(self.publisher, "__loan_uninit")
        self.ready = getattr(iceoryx2.SampleMutUninit, "__assume_init")
        self.subscriber = its.subscriber_builder().create()
        deadline = time.monotonic() + 30
        while mine.dynamic_config.number_of_subscribers == 0 or its.dynamic_config.number_of_publishers == 0:
            if time.monotonic() > deadline:
                raise TimeoutError("the other side does not come")
            time.sleep(0.001)
        self.services = mine, its

    def ask(self, messages: Iterable[bytes]) -> bytes:
        loan, receive, reply = self.loan, self.subscriber.receive, b""
        move, string_at, ready = ctypes.memmove, ctypes.string_at, self.ready
        for message in messages:
            sample = loan()
            move(sample.payload_ptr, message, SIZE)
            ready(sample).send()
            while (come := receive()) is None:
                pass
            reply = string_at(come.payload_ptr, SIZE)
            # That releases it, sooner than its `delete`.
            del come
        return reply

    def answer(self, count: int) -> None:
        loan, receive, ready = self.loan, self.subscriber.receive, self.ready
        move = ctypes.memmove
        for _ in range(count):
            while (come := receive()) is None:
                pass
            sample = loan()
            move(sample.payload_ptr, come.payload_ptr, SIZE)
            del come
            ready(sample).send()


def make(kit: Kit, side: int, address: str) -> Work:
    """No parameters."""
    return Exchange(side, address)
