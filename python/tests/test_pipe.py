"""Pipes in the place of those of multiprocessing: what theirs promise, and what only ours do."""

import array
import functools
import gc
import multiprocessing
import multiprocessing.connection
import os
import pickle
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import strike_when_asleep
from ringway.multiprocessing import BufferTooShort, Connection, Pipe, wait

Pair = tuple[Connection, Connection]


def establish(one: Connection, other: Connection) -> None:
    """Messages until both have their rings."""
    for n in range(4):
        one.send(n)
        assert other.recv() == n
        other.send(n)
        assert one.recv() == n
    assert " ring>" in repr(one) and " ring>" in repr(other)


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


def in_thread(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


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


ran: list[str] = []


def runs(*_: object) -> str:
    ran.append("it ran")
    return "made"


class Runs:
    """Runs something where it is unpickled."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce_ex__(self, protocol: Any) -> Any:
        return runs, (pickle.PickleBuffer(bytearray(self.size)),)


def test_receiving_bytes_runs_no_pickle(ends: Pair) -> None:
    one, other = ends
    into = bytearray(1 << 20)
    takes: list[Callable[[], object]] = [other.recv_bytes, lambda: other.recv_bytes_into(into)]
    for take in takes:
        for size in (10, 200_000):
            one.send(Runs(size))
            take()
        one.send_bytes(b"behind")
        assert other.recv_bytes() == b"behind"
    assert not ran
    one.send(Runs(200_000))
    assert other.recv() == "made" and ran == ["it ran"]
    ran.clear()


def test_a_message_of_no_kind_is_refused_and_not_run() -> None:
    one, other = Pipe()
    establish(one, other)
    sender = one._out  # pyright: ignore[reportPrivateUsage]
    assert sender is not None
    runs_if_loaded = pickle.dumps(Runs(10), 5)
    into = bytearray(1 << 10)
    takes: list[Callable[[], object]] = [other.recv_bytes, lambda: other.recv_bytes_into(into), other.recv]
    with one, other:
        for kind in (0, 5, 99, 0xFF, 0x1FF, 0x7FFF):
            for take in takes:
                sender.send(runs_if_loaded, kind=kind)
                with pytest.raises(OSError, match="bad message"):
                    take()
        one.send_bytes(b"behind")
        assert other.recv_bytes() == b"behind"
    assert not ran


class _Text(str):
    """Text of a class of its own."""


def test_the_bytes_of_an_object_are_its_pickle(ends: Pair) -> None:
    one, other = ends
    # Headers of long bytes, as they stand in a pickle, in bytes and text where none is meant.
    header = b"B" + (70_000).to_bytes(4, "little")
    twice = b"t" * 70_000
    made: list[Any] = [
        *OBJECTS,
        [twice, twice, [twice]],
        ["x" * 65_531 + "B" + chr(0x11170), twice, header * 20_000, twice],
        [header[-n:] * 13_108 for n in range(1, 6)],
        [[bytes([n]) * 65_536, n, "text" * 20_000] for n in range(30)],
        [header, *(header + bytes(size) for size in range(65_500, 65_540))],
        [*range(40_000), b"x" * 65_536, *range(40_000), bytearray(70_000)],
        [pickle.PickleBuffer(bytearray(70_000)), pickle.PickleBuffer(bytes(70_000)), _Text("y" * 70_000)],
        {"deep": [[[b"z" * 65_535, (b"z" * 65_536,)]]]},
        [bytes(65_536 + n % 3) for n in range(1_100)],
    ]
    for item in made:
        want = bytes(ForkingPickler.dumps(item, 5))
        sending = in_thread(lambda: [*map(one.send, (item, item))])
        assert other.recv_bytes() == want
        got = other.recv()
        # What is pickled by itself there, is not here.
        same = item if "PickleBuffer" not in repr(item) else pickle.loads(want)
        assert type(got) is type(item) and got == same
        sending.join()


def test_plain_objects_are_what_they_were() -> None:
    one, other = Pipe()
    establish(one, other)
    inner, constant = [1], ("c", 1)
    deep: Any = None
    for _ in range(100):
        deep = [deep]
    same: list[Any] = [inner, inner]
    within: Any = (inner,)
    around: list[Any] = []
    around.append(around)
    made: list[Any] = [
        *(0, -1, 2**63 - 1, -(2**63), 2**63, 2**200, True, False, None, 0.0, -0.0, 1e308, float("inf")),
        *("", "a", "\0", "\xff", "\u1234", "\U0001f600", "\ud800", "x" * 20_000, b"", b"\0", bytearray(b"no"), b"x" * 20_000),
        *([], (), {}, [[]], {"a": {}}, {(1, 2): [3]}, {1: 1, True: 2}, {0.5: None, None: b"none", b"b": "b"}),
        *(set[int](), {1, 2}, frozenset({1}), 1j, range(3), slice(1), Ellipsis, _Text("t"), {"t": _Text("t")}),
        *(deep, same, [within, within], [constant, constant], [[constant], constant]),
        [{"name": "x", "names": ["x", "name"]} for _ in range(50)],
        [list(range(n)) for n in range(300)],
        {str(n): n for n in range(1000)},
        {"key": "value" * 10, "k": ["some", "text", "some text"], "": ["", "\u00e4\u00f6"]},
    ]
    for item in made:
        one.send(item)
        got = other.recv()
        assert type(got) is type(item) and got == item and repr(got) == repr(item)
        one.send([item])
        [got] = pickle.loads(other.recv_bytes())
        assert type(got) is type(item) and got == item and repr(got) == repr(item)
    # What refers to one object still does.
    one.send(same)
    first, second = other.recv()
    assert first is second
    one.send([within, within])
    (first,), (second,) = other.recv()
    assert first is second
    one.send({"in": inner, "and": {"in": (inner,)}})
    got = other.recv()
    assert got["in"] is got["and"]["in"][0]
    one.send(around)
    got = other.recv()
    assert got[0] is got
    one.close()
    other.close()


_atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.binary(max_size=40)
_values: st.SearchStrategy[Any] = st.recursive(
    _atoms,
    lambda inner: st.lists(inner, max_size=6)
    | st.tuples(inner, inner)
    | st.dictionaries(_atoms, inner, max_size=6)
    | inner.map(lambda one: [one, one]),
    max_leaves=40,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_values, min_size=1, max_size=4))
def test_any_plain_objects_arrive_as_by_pickle(values: list[Any]) -> None:
    one, other = _established()
    for value in values:
        one.send(value)
        got = other.recv()
        # Of what is not equal to itself, too.
        assert repr(got) == repr(value) == repr(pickle.loads(pickle.dumps(value)))


@functools.cache
def _established() -> Pair:
    one, other = Pipe()
    establish(one, other)
    return one, other


def test_what_is_no_plain_object_is_refused() -> None:
    from ringway import _ringway

    load = _ringway._pipe_load  # pyright: ignore[reportPrivateUsage]
    plain = 4
    assert load(plain, b"l" + bytes([2, 0, 0, 0]) + b"NT") == [None, True]
    for wrong in (b"", b"?", b"NN", b"i", b"i1234567", b"s", b"s\1\0\0\0", b"l\xff\xff\xff\xff", b"d\1\0\0\0N", b"t\2\0\0\0N"):
        with pytest.raises(OSError, match="bad message"):
            load(plain, wrong)
    with pytest.raises(OSError, match="bad message"):
        load(plain, b"l\1\0\0\0" * 100 + b"N")
    with pytest.raises(UnicodeDecodeError):
        load(plain, b"s\1\0\0\0\xff")
    with pytest.raises(TypeError, match="unhashable"):
        load(plain, b"d\1\0\0\0l\0\0\0\0N")


def test_an_object_keeps_what_it_is_the_same_as(ends: Pair) -> None:
    one, other = ends
    long, array = b"l" * 100_000, bytearray(b"a" * 100_000)
    sending = in_thread(lambda: one.send([long, array, (long, array), long]))
    first, second, (third, fourth), fifth = other.recv()
    sending.join()
    assert first is third is fifth and second is fourth
    assert first == long and second == array and type(first) is bytes and type(second) is bytearray


def test_buffers_beside_a_pickle_arrive_as_they_were(ends: Pair) -> None:
    one, other = ends
    writable, constant = bytearray(os.urandom(1 << 20)), os.urandom(1 << 20)
    sending = in_thread(
        lambda: one.send([pickle.PickleBuffer(writable), pickle.PickleBuffer(constant), b"small"])
    )
    first, second, small = other.recv()
    sending.join()
    assert (first, bytes(second), small) == (writable, constant, b"small")
    # The one can be written to, the other not.
    with memoryview(first) as view:
        assert not view.readonly
    with memoryview(second) as view:
        assert view.readonly
    # More than fit beside one pickle, small ones too.
    sizes = [200_000, 10, 70_000] + [130_000] * 1000 + [100_000, 5000, 150_000]
    many = [pickle.PickleBuffer(bytearray(size)) for size in sizes]
    sending = in_thread(lambda: one.send(many))
    assert [len(buffer) for buffer in other.recv()] == sizes
    sending.join()


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
    one.send_bytes(b"into")
    target = bytearray(8)
    assert (other.recv_bytes_into(target, 2), bytes(target)) == (4, b"\0\0into\0\0")
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


class Interrupted(Exception):
    pass


def alarm(seconds: float) -> None:
    def ring(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def test_calls_that_a_signal_ends_lose_nothing(ends: Pair) -> None:
    one, other = ends
    large = os.urandom(32 << 20)
    with pytest.raises(Interrupted):
        alarm(0.05)
        one.recv()
    # Nobody receives: a send stops amid its message, which the other side passes over, or gets whole.
    with pytest.raises(Interrupted):
        alarm(0.1)
        one.send_bytes(large)
    sending = in_thread(lambda: [*map(one.send_bytes, (b"next", large))])
    got = other.recv_bytes()
    if got == large:
        got = other.recv_bytes()
    assert got == b"next"
    assert other.recv_bytes() == large
    sending.join()
    # A receive stops amid a message, and the next call has all of it.
    for pause in (0.0005, 0.001, 0.002, 0.005):
        for _ in range(5):
            sending = in_thread(lambda: [*map(one.send_bytes, (large, b"end"))])
            try:
                try:
                    alarm(pause)
                    got = other.recv_bytes()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                got = other.recv_bytes()
            # One that the handler found on its way to the program is lost, as whatever a function was about to return: such a round shows nothing.
            whole = got == large
            assert whole or got == b"end"
            assert not whole or other.recv_bytes() == b"end"
            sending.join()
            if whole:
                break
        else:
            pytest.fail("messages are lost")


def test_a_message_that_a_handler_kept_back_is_there_for_who_looks() -> None:
    one, other = Pipe()
    with one, other, selectors.DefaultSelector() as selector:
        establish(one, other)
        large = os.urandom(1 << 20)
        kept_back, receives = 0, False

        def ring(*_: object) -> None:
            if receives:
                raise Interrupted

        before = signal.signal(signal.SIGALRM, ring)
        for turn in range(400):
            looked, sent = threading.Event(), threading.Event()

            def send(looked: threading.Event = looked, sent: threading.Event = sent) -> None:
                one.send_bytes(large)
                sent.set()
                assert looked.wait(60)
                one.send_bytes(b"end")

            sending = in_thread(send)
            seen, receives = True, True
            try:
                # At any moment of a receive, most of all when it has just come.
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + turn % 40 * 0.00001)
                got = other.recv_bytes()
                receives = False
            except Interrupted:
                receives = False
                seen, all_there = False, False
                # What is not sent yet cannot be seen: a last look is behind that.
                deadline = time.monotonic() + 60
                while not seen and not all_there:
                    assert time.monotonic() < deadline
                    all_there = sent.is_set()
                    if turn % 2:
                        seen = other.poll(0.1) and wait([other], 0.1) == [other]
                    else:
                        selector.register(other, selectors.EVENT_READ)
                        seen = selector.select(0.1) != []
                        selector.unregister(other)
                looked.set()
                got = other.recv_bytes()
                # One that the handler found on its way to the program is lost, as whatever a function was about to return.
                kept_back += got == large
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                looked.set()
            assert got == b"end" or seen and (got, other.recv_bytes()) == (large, b"end"), seen
            sending.join()
        signal.signal(signal.SIGALRM, before)
        assert kept_back > 0


def test_a_handler_that_uses_the_end_it_interrupts_is_told(ends: Pair) -> None:
    one, other = ends
    told: list[str] = []

    def handler(*_: object) -> None:
        for call in (one.recv, one.recv_bytes):
            with pytest.raises(RuntimeError, match="interrupted by what receives") as refused:
                call()
            told.append(str(refused.value))
        one.send("from the handler")
        other.send("go on")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        strike_when_asleep(signal.SIGALRM)
        assert one.recv() == "go on"
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(told) == 2 and other.recv() == "from the handler"


def test_threads_send_and_receive_whole_messages(ends: Pair) -> None:
    one, other = ends
    items = [bytes([n]) * (n * 20_000) for n in range(10)]
    got: list[bytes] = []

    def sends() -> None:
        for item in items:
            one.send_bytes(item)

    def receives() -> None:
        for _ in range(20):
            got.append(other.recv_bytes())

    threads = [in_thread(sends) for _ in range(4)] + [in_thread(receives) for _ in range(2)]
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(items * 4)


def test_descriptors_are_given_back() -> None:
    def count() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

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


def test_options_are_checked_when_a_pipe_is_made() -> None:
    with pytest.raises(TypeError, match='has no option "capcity"'):
        Pipe(capcity=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(ValueError, match="wait"):
        Pipe(wait="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class _Registered:
    """Pickled by what is registered for it, as `registered` says."""


class _Nested:
    """Sends through another pipe while it is pickled; or fails."""

    def __init__(self, pipe: Connection | None) -> None:
        self.pipe = pipe

    def __reduce__(self) -> Any:
        if self.pipe is None:
            raise KeyError("as a test")
        self.pipe.send({"within": [1, 2]})
        return (list, ((3, 4),))


class _Counted:
    """Counts how often it is pickled."""

    times = 0

    def __reduce__(self) -> Any:
        _Counted.times += 1
        return (int, (_Counted.times,))


def test_an_object_is_pickled_once_whichever_way_it_goes() -> None:
    one, other = Pipe()
    _Counted.times = 0
    for turn in range(1, 12):
        one.send([_Counted(), b"x" * 70_000])
        assert other.recv() == [turn, b"x" * 70_000]
        other.send(turn)
        assert one.recv() == turn
    assert _Counted.times == 11 and " ring>" in repr(one)
    one.close()
    other.close()


def test_picklers_are_used_again_and_never_mixed_up() -> None:
    left, right = Pipe()
    inner, outer = Pipe()
    shared = [1, 2]
    for turn in range(3):
        # What was pickled before is not referred to.
        left.send({"turn": turn, "twice": [shared, shared]})
        with pytest.raises(KeyError, match="as a test"):
            left.send([_Nested(None)])
        left.send([_Nested(inner), "behind"])
        assert right.recv() == {"turn": turn, "twice": [[1, 2], [1, 2]]}
        assert right.recv() == [[3, 4], "behind"]
        assert outer.recv() == {"within": [1, 2]}

        def reduce(_: _Registered, word: str = str(turn)) -> Any:
            return (str, (word,))

        ForkingPickler.register(_Registered, reduce)
        left.send([_Registered()])
        assert right.recv() == [str(turn)]
    for end in (left, right, inner, outer):
        end.close()
