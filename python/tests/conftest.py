"""What tests share: a name of their own, and a connected pair."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ringway

_numbers = itertools.count()


@pytest.fixture
def place(tmp_path: Path) -> str:
    """A path to listen at, short enough for a socket."""
    return f"/tmp/ringway-py-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def pair(place: str) -> Iterator[tuple[ringway.Connection, ringway.Connection]]:
    """A server's connection and its client's."""
    with make_pair(place) as both:
        yield both


class make_pair:
    """A pair with options; closes both."""

    def __init__(self, place: str, **options: Any) -> None:
        self.place, self.options = place, options

    def __enter__(self) -> tuple[ringway.Connection, ringway.Connection]:
        import threading

        with ringway.listen(self.place, **self.options) as listener:
            made: list[ringway.Connection] = []
            client = threading.Thread(
                target=lambda: made.append(ringway.connect(self.place, **self.options))
            )
            client.start()
            server = listener.accept(timeout=20)
            client.join()
        self.both = (server, made[0])
        return self.both

    def __exit__(self, *_: object) -> None:
        for connection in self.both:
            connection.close()
