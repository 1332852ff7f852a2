"""What is sent through a pipe arrives as it was: plain objects, pickled ones, and bytes that nobody unpickles."""

import functools
import os
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipe_ends import OBJECTS, Pair, establish, in_thread
from ringway.multiprocessing import Connection, Pipe

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
