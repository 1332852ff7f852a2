"""What tests share: a place of their own to listen at, and a connected pair."""

import itertools
import os
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

import ringway

# Seconds until a process that does not end counts as one that never will.
PATIENCE = float(os.environ.get("RINGWAY_TEST_PATIENCE", "60"))

_numbers = itertools.count()


@pytest.fixture
def place() -> Iterator[str]:
    """A path to listen at, short enough for a socket."""
    path = f"/tmp/ringway-py-{os.getpid()}-{next(_numbers)}"
    yield path
    if os.path.exists(path):
        os.unlink(path)


@pytest.fixture
def pair() -> Iterator[tuple[ringway.Connection, ringway.Connection]]:
    """Two ends of a connection."""
    left, right = ringway.pair()
    with left, right:
        yield left, right


@pytest.fixture
def trusting() -> Iterator[tuple[ringway.Connection, ringway.Connection]]:
    """Two ends that trust each other."""
    left, right = ringway.pair(trust_peer=True)
    with left, right:
        yield left, right


@contextmanager
def running(command: list[str]) -> Generator[subprocess.Popen[str], None, None]:
    """A process that does not outlive the test."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def connect_soon(place: str) -> ringway.Connection:
    """Connects to another process as soon as that listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ringway.connect(place, handshake_timeout=20)
        except ringway.NotFound:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
