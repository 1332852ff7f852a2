"""Pipes in the place of those of multiprocessing: what theirs promise, and what only ours do."""

import array
import multiprocessing
import multiprocessing.connection
import os
import pickle
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from pipe_ends import OBJECTS, Pair, establish, in_thread
from ringway.multiprocessing import BufferTooShort, Pipe, wait


def test_objects_of_every_kind_and_size(ends: Pair) -> None:
    one, other = ends
    for left, right in ((one, other), (other, one)):
        sending = in_thread(lambda: [*map(left.send, [item for item in OBJECTS for _ in range(2)])])
        for item in OBJECTS:
            for _ in range(2):
                got = right.recv()
                assert type(got) is type(item) and got == item
        sending.join()


def test_bytes_and_objects_are_interchangeable(ends: Pair) -> None:
    one, other = ends
    long = b"long" * 100_000
    for item in (b"short", [1, 2], long, [long]):
        sending = in_thread(lambda: one.send(item))
        assert pickle.loads(other.recv_bytes()) == item
        sending.join()
    one.send_bytes(pickle.dumps({"a": 1}))
    assert other.recv() == {"a": 1}


def test_large_messages_and_back_pressure(ends: Pair) -> None:
    one, other = ends
    large = os.urandom(64 << 20)
    sending = in_thread(lambda: [*map(one.send_bytes, (large, b"behind"))])
    time.sleep(0.05)
    assert sending.is_alive()
    assert other.recv_bytes() == large
    assert other.recv_bytes() == b"behind"
    sending.join()


def test_parts_of_buffers(ends: Pair) -> None:
    one, other = ends
    one.send_bytes(memoryview(b"abcdef")[1:], 1, 3)
    assert other.recv_bytes() == b"cde"
    one.send_bytes(array.array("i", [1, 2]), 4)
    assert other.recv_bytes() == array.array("i", [2]).tobytes()
    grid = memoryview(b"abcdef").cast("B", (2, 3))
    one.send_bytes(grid)
    assert other.recv_bytes() == b"abcdef"
    for wrong in ((-1, None), (7, None), (0, 7), (0, -1)):
        with pytest.raises(ValueError):
            one.send_bytes(b"abcdef", *wrong)
    # Nothing of what is refused is kept.
    for gaps in (memoryview(b"abcdef")[::2], memoryview(array.array("i", [1, 2, 3]))[::2]):
        with pytest.raises(BufferError, match="not contiguous"):
            one.send_bytes(gaps)
    one.send_bytes(b"into")
    target = bytearray(8)
    assert (other.recv_bytes_into(target, 2), bytes(target)) == (4, b"\0\0into\0\0")
    one.send_bytes(b"stays")
    with pytest.raises(TypeError, match="can be written to"):
        other.recv_bytes_into(bytes(8))
    assert other.recv_bytes() == b"stays"
    one.send_bytes(b"too long")
    with pytest.raises(BufferTooShort) as short:
        other.recv_bytes_into(bytearray(3))
    assert short.value.args == (b"too long",)
    for offset in (-1, 9):
        with pytest.raises(ValueError):
            other.recv_bytes_into(target, offset)
    with pytest.raises(ValueError):
        other.recv_bytes(-1)
    one.send_bytes(b"four")
    assert other.recv_bytes(4) == b"four"
    one.send_bytes(b"fives")
    with pytest.raises(OSError, match="bad message length"):
        other.recv_bytes(4)
    assert not other.readable


def test_an_end_behind_what_was_sent(ends: Pair) -> None:
    one, other = ends
    one.send("last")
    one.close()
    assert other.poll(5) and other.recv() == "last"
    assert other.poll(5) and other.poll()
    for _ in range(2):
        with pytest.raises(EOFError):
            other.recv()
    with pytest.raises(BrokenPipeError):
        for _ in range(3):
            other.send("nobody")
    assert one.closed and not other.closed
    for call in (one.recv, one.poll, one.fileno, lambda: one.send(1)):
        with pytest.raises(OSError, match="handle is closed"):
            call()
    one.close()


def test_a_send_to_an_end_that_closed_is_refused_at_once() -> None:
    one, other = Pipe()
    establish(one, other)
    one.send(1)
    other.close()
    with pytest.raises(BrokenPipeError) as broken:
        one.send(2)
    assert broken.value.errno == 32


def test_a_pipe_of_one_way(ends: Pair) -> None:
    reader, writer = Pipe(duplex=False)
    assert (reader.readable, reader.writable) == (True, False)
    assert (writer.readable, writer.writable) == (False, True)
    for n in range(20):
        writer.send(n)
        assert reader.recv() == n
    assert " ring>" in repr(reader) and " ring>" in repr(writer)
    for call in (writer.recv, writer.recv_bytes, writer.poll):
        with pytest.raises(OSError, match="write-only"):
            call()
    for call in (lambda: reader.send(1), lambda: reader.send_bytes(b"")):
        with pytest.raises(OSError, match="read-only"):
            call()
    writer.close()
    with pytest.raises(EOFError):
        reader.recv()


def test_polling(ends: Pair) -> None:
    one, other = ends
    began = time.monotonic()
    assert not one.poll() and not one.poll(-1) and not one.poll(0.05)
    assert time.monotonic() - began >= 0.05
    later = threading.Timer(0.05, lambda: other.send("x"))
    later.start()
    assert one.poll(None) and one.poll() and one.recv() == "x" and not one.poll()
    later.join()


def test_selectors_see_what_can_be_received(ends: Pair) -> None:
    one, other = ends
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        fd = one.fileno()
        for n in range(20):
            assert selector.select(0) == []
            other.send(n)
            other.send_bytes(b"second")
            for want in (n, b"second"):
                assert selector.select(20) != [], n
                got = one.recv() if want == n else one.recv_bytes()
                assert got == want
            # Its own way to the ring, too.
            one.send(n)
            assert other.recv() == n
        assert one.fileno() == fd
        other.close()
        assert selector.select(20) != []
        with pytest.raises(EOFError):
            one.recv()

THEIRS: Callable[..., list[Any]] = multiprocessing.connection.wait


@pytest.mark.parametrize("sees", ["poll", "wait", "wait again"])
def test_a_selector_sees_what_another_call_has_seen(sees: str) -> None:
    one, other = Pipe()
    with one, other, selectors.DefaultSelector() as selector:
        establish(one, other)
        selector.register(one, selectors.EVENT_READ)
        assert not one.poll(0.01)
        for n in range(20):
            sending = threading.Timer(0.01, lambda: other.send(n))
            sending.start()
            if sees == "poll":
                assert one.poll(20)
            else:
                assert wait([one], 20) == [one]
                assert sees == "wait" or wait([one], 20) == [one]
            sending.join()
            assert selector.select(20) != [], n
            assert THEIRS([one], 20) == [one]
            assert one.recv() == n
            assert selector.select(0) == []


@pytest.mark.parametrize("waits", [wait, multiprocessing.connection.wait], ids=["ours", "theirs"])
def test_waiting_for_several(ends: Pair, waits: Callable[..., list[Any]]) -> None:
    one, other = ends
    theirs, away = multiprocessing.Pipe()
    left, right = socket.socketpair()
    with theirs, away, left, right:
        objects = [one, theirs, left, right.fileno()]
        began = time.monotonic()
        assert waits(objects, 0.05) == [] and time.monotonic() - began >= 0.05
        assert waits(objects, -1) == [] == waits([], 0)
        for n in range(6):
            later = threading.Timer(0.02, lambda: other.send(n))
            later.start()
            assert waits(objects, 20) == [one]
            assert one.recv() == n
            later.join()
            one.send(n)
            assert other.recv() == n
        away.send(1)
        right.send(b"x")
        other.send("too")
        assert waits(objects, 20) == [one, theirs, left]
        other.close()
        one.recv()
        assert one in waits(objects, 20)


def test_options_are_checked_when_a_pipe_is_made() -> None:
    with pytest.raises(TypeError, match='has no option "capcity"'):
        Pipe(capcity=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="wait"):
        Pipe(wait="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
