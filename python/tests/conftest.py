"""What tests share: a place of their own to listen at, and a connected pair."""

import functools
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import pytest

import ringway
import ringway.asyncio
from pipe_ends import Pair, establish
from ringway.multiprocessing import Pipe

# Seconds until a process that does not end counts as one that never will.
PATIENCE = float(os.environ.get("RINGWAY_TEST_PATIENCE", "60"))

# Seconds for a handshake that is to succeed: either side may be without a processor for longer than the second that there is otherwise.
HANDSHAKE = 20.0

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


@pytest.fixture(params=["socket", "ring", "later"])
def ends(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two ends, which are established, or may become so at any moment."""
    one, other = Pipe()
    if request.param == "ring":
        establish(one, other)
    elif request.param == "socket":
        # One side does not shake hands.
        early = other._early  # pyright: ignore[reportPrivateUsage]
        assert early is not None
        os.close(early._line)  # pyright: ignore[reportPrivateUsage]
        early._line = -1  # pyright: ignore[reportPrivateUsage]
    with one, other:
        yield one, other


@contextmanager
def running(command: list[str], descriptors: Sequence[int] = ()) -> Generator[subprocess.Popen[str], None, None]:
    """A process that does not outlive the test, and has these descriptors too."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, pass_fds=descriptors
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def sleeps(stat: str) -> bool:
    """Whether a thread waits for something, by its file in /proc."""
    # Read without Python's buffers: whoever waits for the interpreter's lock has it while this thread is in the kernel.
    fd = os.open(stat, os.O_RDONLY)
    try:
        told = os.read(fd, 4096)
    finally:
        os.close(fd)
    return told.rpartition(b") ")[2].startswith(b"S")


def strike_when_asleep(number: int) -> threading.Thread:
    """Sends this process a signal once the calling thread sleeps, each time that one looks: it is in the wait that it is about to begin, and not on its way there without a processor."""
    stat = f"/proc/self/task/{threading.get_native_id()}/stat"

    def strike() -> None:
        looks = 0
        while looks < 5:
            time.sleep(0.01)
            looks = looks + 1 if sleeps(stat) else 0
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    return thread


def wait_until_asleep(pid: int) -> None:
    """Waits until a process that has said what it is about to wait for does wait."""
    deadline = time.monotonic() + PATIENCE
    looks = 0
    while looks < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
        looks = looks + 1 if sleeps(f"/proc/{pid}/stat") else 0
    assert looks == 5, "it does not come to sleep"


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the handshakes of examples the time that they need on a busy machine: for who reads them, what they say of none is the shortest."""
    for module, names in ((ringway, ("listen", "listen_on", "inherit", "connect", "connect_as_told", "observe", "resume")), (ringway.asyncio, ("listen", "connect", "resume"))):
        for name in names:
            call = functools.partial(getattr(module, name), handshake_timeout=HANDSHAKE)
            monkeypatch.setattr(module, name, call)


def run_client(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs an example that connects. Its handshake has a second, as nothing else is said there: where one of the two had no processor for longer, it is run again."""
    left = 5
    while True:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        left -= 1
        if not left or done.returncode == 0 or "ringway.connect(" not in done.stderr:
            return done


def connect_soon(place: str) -> ringway.Connection:
    """Connects to another process as soon as that listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ringway.connect(place, handshake_timeout=HANDSHAKE)
        except ringway.NotFound:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
