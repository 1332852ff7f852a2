"""Ends of pipes in other processes, and what is left behind one."""

import gc
import multiprocessing
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

import ringway
from pipe_ends import OBJECTS, establish
from ringway.multiprocessing import Connection, Pipe


def echo(end: Connection) -> None:
    for item in iter(end.recv, "stop"):
        end.send(item)
    end.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_has_an_end(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    ours, child_end = Pipe()
    ours.send("before the child is there")
    child = context.Process(target=echo, args=(child_end,))
    child.start()
    child_end.close()
    assert ours.recv() == "before the child is there"
    for item in OBJECTS:
        ours.send(item)
        assert ours.recv() == item
    assert " ring>" in repr(ours)
    ours.send("stop")
    with pytest.raises(EOFError):
        ours.recv()
    child.join(20)
    assert child.exitcode == 0


def passes_on(end: Connection) -> None:
    inner = end.recv()
    inner.send("through a pipe")
    assert inner.recv() == "thanks"
    inner.close()


def test_an_end_travels_through_a_pipe_until_it_is_used() -> None:
    outer, child_end = Pipe()
    child = multiprocessing.get_context("spawn").Process(target=passes_on, args=(child_end,))
    child.start()
    child_end.close()
    inner, travels = Pipe()
    outer.send(travels)
    assert inner.recv() == "through a pipe"
    travels.close()
    inner.send("thanks")
    with pytest.raises(EOFError):
        inner.recv()
    child.join(20)
    one, other = Pipe()
    establish(one, other)
    for end in (one, other):
        with pytest.raises(ValueError, match="was used here"):
            outer.send(end)
        with pytest.raises(TypeError, match="by multiprocessing only"):
            pickle.dumps(end)


def test_a_forked_child_is_refused_an_end_that_was_used() -> None:
    one, other = Pipe()
    establish(one, other)
    selects = select.poll()
    selects.register(other.fileno(), select.POLLIN)
    pid = os.fork()
    if pid == 0:
        try:
            for call in (one.recv, one.poll, lambda: one.send(1), lambda: other.recv(), other.poll):
                try:
                    call()
                except OSError as error:
                    assert "fork before an end is used" in str(error)
                else:
                    os._exit(1)
            one.close()
            other.close()
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    # What the child closed was not the parent's, nor what it is told by.
    assert selects.poll(0) == []
    one.send("still")
    assert other.recv() == "still"


def dies(end: Connection, how: str) -> None:
    end.send(os.getpid())
    end.recv()
    if how == "amid":
        end.send_bytes(bytes(8 << 20))
    signal.pause()


@pytest.mark.parametrize("how", ["idle", "amid"])
def test_a_killed_child_is_an_end(how: str) -> None:
    ours, child_end = Pipe()
    child = multiprocessing.get_context("spawn").Process(target=dies, args=(child_end, how))
    child.start()
    child_end.close()
    pid = ours.recv()
    for _ in range(3):
        ours.send("x")
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    child.join(20)
    assert ours.poll(20)
    with pytest.raises((EOFError, OSError)) as ended:
        ours.recv()
    assert isinstance(ended.value, EOFError) or "end of file during message" in str(ended.value)
    with pytest.raises(BrokenPipeError):
        for _ in range(1000):
            ours.send(b"x")
            time.sleep(0.002)


def count() -> int:
    """How many descriptors are open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_a_pipe_that_cannot_be_made_leaves_nothing_open() -> None:
    before = count()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first = os.open("/dev/null", os.O_RDONLY)
    os.close(first)
    # The descriptors end at each place in turn, until there is room. Some behind the first free one may be in use.
    refused, made = 0, False
    while not made:
        resource.setrlimit(resource.RLIMIT_NOFILE, (first + refused, hard))
        try:
            for end in Pipe():
                end.close()
            made = True
        except (OSError, ringway.Error):
            refused += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert count() == before, f"of {refused}"
    assert refused >= 4


def test_descriptors_are_given_back() -> None:
    establish(*Pipe())
    before = count()
    for _ in range(5):
        one, other = Pipe()
        one.fileno()
        one.send(1)
        one.close()
        other.close()
        one, other = Pipe()
        one.fileno()
        establish(one, other)
        del one, other
    deadline = time.monotonic() + 10
    while count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert count() <= before

SHUTDOWN = """
import threading
from ringway.multiprocessing import Pipe
one, other = Pipe()
for n in range(4):
    one.send(n); other.recv(); other.send(n); one.recv()
blocked = threading.Thread(target=one.recv, daemon=True)
blocked.start()
unused = Pipe()
cycle = [Pipe()]
cycle.append(cycle)
print("done")
"""


def test_an_interpreter_ends_with_open_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", SHUTDOWN],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
