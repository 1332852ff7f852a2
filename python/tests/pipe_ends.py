"""What tests of pipes share."""

import array
import threading
from collections.abc import Callable
from typing import Any

from ringway.multiprocessing import Connection

Pair = tuple[Connection, Connection]

OBJECTS: list[Any] = [
    None,
    0,
    "text",
    b"",
    b"bytes",
    b"x" * 300_000,
    bytearray(b"y" * 5_000_000),
    {"nested": [b"z" * 200_000, bytearray(b"w" * 70_000), ("t", 1.5)]},
    list(range(100_000)),
    array.array("d", [1.0, 2.0]),
]


def establish(one: Connection, other: Connection) -> None:
    """Messages until both have their rings."""
    for n in range(4):
        one.send(n)
        assert other.recv() == n
        other.send(n)
        assert one.recv() == n
    assert " ring>" in repr(one) and " ring>" in repr(other)


def in_thread(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread
