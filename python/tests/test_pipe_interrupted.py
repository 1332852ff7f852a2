"""What comes between while a pipe begins: handlers that raise, behind any call that one of its calls makes, after which the next call goes on where that one was; and other threads."""

import itertools
import select
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from ringway.multiprocessing import Connection, Pipe, wait

#: Seconds until what does not come never does.
LONG = 30


#: Enough for both ends to come to their rings, with one call in vain.
TURNS = 4


class Interrupted(Exception):
    pass


@contextmanager
def watched() -> Generator[None, None, None]:
    """Ends a call that waits for what does not come."""

    def ring(*_: object) -> None:
        raise AssertionError("a call waits for ever")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONG)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Handler:
    """Raises once, where a signal's handler could: when a function of the package begins, or behind a call that it has made, whose result is lost then."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return") and "/ringway/" in frame.f_code.co_filename and frame.f_code.co_name != "__del__":
            self.seen += 1
            if self.seen == self.at:
                raise Interrupted

    def during(self, call: Callable[[], Any]) -> Any:
        """What the call returns; `Interrupted`, which is no answer of a pipe's, where it was."""
        sys.setprofile(self)
        try:
            return call()
        except Interrupted:
            return Interrupted
        finally:
            sys.setprofile(None)


def received(handler: Handler, end: Connection) -> Iterator[Any]:
    while True:
        # Asked again, who was interrupted answers.
        there = handler.during(lambda: end.poll(0))
        if there is Interrupted:
            continue
        if not there:
            return
        got = handler.during(end.recv)
        if got is not Interrupted:
            yield got


def exchange(ends: list[Connection], whose: int, at: int, selected: bool) -> tuple[bool, bool]:
    """Messages both ways, with a handler in the calls of one end. Whether it raised, and whether both ends have come to their rings, and have closed their sockets."""
    sockets = [end._early for end in ends]  # pyright: ignore[reportPrivateUsage]
    handlers = [Handler(at if end == whose else 0) for end in (0, 1)]
    if selected:
        ends[whose].fileno()
    for turn in range(TURNS):
        for one, other in ((0, 1), (1, 0)):
            handlers[one].during(lambda: ends[one].send((one, turn)))  # noqa: B023: called at once
            for got in received(handlers[other], ends[other]):
                # Whole, whatever was lost on its way to the program.
                assert got[0] == one and 0 <= got[1] <= turn, got
    for one, other in ((0, 1), (1, 0)):
        ends[one].send("last")
        got = None
        while got != "last":
            assert ends[other].poll(LONG), "the message does not come"
            got = ends[other].recv()
    closed = all(early is not None and early.fileno() < 0 for early in sockets)
    return handlers[whose].seen >= at, closed and all(map(has_come, ends))


def has_come(end: Connection) -> bool:
    """Whether it sends and receives through its ring."""
    return end._in is not None and end._out is not None  # pyright: ignore[reportPrivateUsage]


def aside(call: Callable[[], Any]) -> None:
    """Has another thread call it, and waits for that."""
    calls = threading.Thread(target=call)
    calls.start()
    calls.join()


def goes_on_through_the_ring(one: Any, other: Any) -> None:
    """Who selects is told of what comes from here on, and of nothing before."""
    assert select.select([one], [], [], 0)[0] == []
    other.send("through the ring")
    assert select.select([one], [], [], LONG)[0] == [one]
    assert one.recv() == "through the ring"


@pytest.mark.parametrize("whose", [0, 1])
@pytest.mark.parametrize("selected", [False, True])
def test_an_end_that_is_interrupted_anywhere_while_it_begins_goes_on(whose: int, selected: bool) -> None:
    for at in itertools.count(1):
        with watched():
            ends = list(Pipe(capacity=4096))
            try:
                raised, ring = exchange(ends, whose, at, selected)
                assert ring, at
            finally:
                for end in ends:
                    end.close()
        if not raised:
            assert at > 100, "there is more to interrupt"
            return


class Stepped:
    """A handshake whose last step ends when somebody else has asked for its descriptor."""

    def __init__(self, handshake: Any) -> None:
        self._handshake = handshake
        self.made = threading.Event()
        self._asked = threading.Event()

    def step(self) -> Any:
        made = self._handshake.step()
        if made:
            self.made.set()
            assert self._asked.wait(LONG)
        return made

    def fileno(self) -> int:
        descriptor: int = self._handshake.fileno()
        if self.made.is_set():
            self._asked.set()
        return descriptor


def test_a_receive_waits_for_the_thread_that_takes_the_handshake_to_its_end() -> None:
    with watched():
        other, one = Pipe()
        with one, other:
            dials, answers = one._early, other._early  # pyright: ignore[reportPrivateUsage]
            assert dials is not None and answers is not None and dials.dials
            dials.advance()
            answers.advance()
            stepped: Any = Stepped(dials._handshake)  # pyright: ignore[reportPrivateUsage]
            dials._handshake = stepped  # pyright: ignore[reportPrivateUsage]
            dials.advance()
            assert answers.advance()
            other.send("through the ring")
            sends = threading.Thread(target=one.send, args=("beside",))
            sends.start()
            assert stepped.made.wait(LONG)
            assert one.recv() == "through the ring"
            sends.join()
            assert other.recv() == "beside"


def come_to_the_ring(sends: Connection, receives: Connection) -> int:
    """Numbers go through the socket until the next one goes through the ring, and all before the last of them are received: what comes next is the word that the ring is there. Returns the last."""
    early = receives._early  # pyright: ignore[reportPrivateUsage]
    assert early is not None
    sent = 0
    while sends._out is None:  # pyright: ignore[reportPrivateUsage]
        sends.send(sent)
        sent += 1
        early.advance()
    last = sent - 1
    assert [receives.recv() for _ in range(last)] == list(range(last))
    return last


def test_a_handler_that_receives_in_the_midst_of_a_receive_is_refused() -> None:
    for polls, handled_by in itertools.product([False, True], ["poll", "recv"]):
        with watched():
            other, one = Pipe()
            with one, other:
                last = come_to_the_ring(other, one)
                told: list[str] = []

                def handle(frame: FrameType, event: str, _: Any) -> None:
                    if not told and event == "call" and frame.f_code.co_name == "recv" and "_early" in frame.f_code.co_filename:  # noqa: B023: called at once
                        told.append("")  # noqa: B023
                        with pytest.raises(RuntimeError) as refused:
                            one.poll(0) if handled_by == "poll" else one.recv()  # noqa: B023
                        told[0] = str(refused.value)  # noqa: B023

                sys.setprofile(handle)
                try:
                    assert one.poll(LONG) if polls else one.recv() == last
                finally:
                    sys.setprofile(None)
                assert "interrupted" in told[0]
                if polls:
                    assert one.recv() == last


def test_who_selects_behind_an_interrupted_receive_is_told() -> None:
    with watched():
        one, other = Pipe(duplex=False)
        with one, other:
            early = one._early  # pyright: ignore[reportPrivateUsage]
            assert early is not None
            last = come_to_the_ring(other, one)

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # The socket has just been closed, and nothing else was done.
                if event == "c_return" and frame.f_code.co_name == "_real_close":
                    raise Interrupted

            sys.setprofile(handle)
            try:
                with pytest.raises(Interrupted):
                    one.recv()
            finally:
                sys.setprofile(None)
            assert early.fileno() < 0 and one._in is None  # pyright: ignore[reportPrivateUsage]
            assert select.select([one], [], [], LONG)[0] == [one]
            assert one.recv() == last
            goes_on_through_the_ring(one, other)


def test_who_selects_while_another_thread_opens_the_ring_is_told() -> None:
    with watched():
        one, other = Pipe(duplex=False)
        with one, other:
            last = come_to_the_ring(other, one)
            got: list[Any] = []

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # Where another thread may have its turn: all is there, and nothing is kept yet.
                if event == "return" and frame.f_code.co_qualname == "Selected.__init__" and not got:
                    aside(lambda: got.append(one.recv()))

            sys.setprofile(handle)
            try:
                one.fileno()
            finally:
                sys.setprofile(None)
            assert got == [last]
            goes_on_through_the_ring(one, other)


def test_who_selects_while_another_thread_gives_the_socket_up_is_told() -> None:
    with watched():
        one, other = Pipe(duplex=False)
        with one, other:
            last = come_to_the_ring(other, one)
            got: list[Any] = []

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # It is to watch a socket that another thread closes.
                if event == "call" and frame.f_code.co_qualname == "Selected.__init__" and not got:
                    aside(lambda: got.append(one.recv()))

            sys.setprofile(handle)
            try:
                one.fileno()
            finally:
                sys.setprofile(None)
            assert got == [last]
            goes_on_through_the_ring(one, other)


def test_threads_that_receive_and_look_where_one_selects_lose_nothing() -> None:
    """Each tells who selects what it has found, and another one's turn may come in the middle of that."""
    for comes in (True, False):
        with watched():
            one, other = Pipe(duplex=False)
            with one, other:
                last = come_to_the_ring(other, one)
                assert one.recv() == last
                one.fileno()
                other.send("first")
                other.send("second")
                assert one.recv() == "first"
                looked: list[bool] = []
                thirds = ["third"] if comes else []

                def send(frame: FrameType, event: str, called: Any) -> None:
                    # It was not there, and is told of where that is asked for.
                    if thirds and event == "c_return" and called.__name__ == "_glimpse":  # noqa: B023: called at once
                        other.send(thirds.pop())  # noqa: B023

                def look() -> None:
                    sys.setprofile(send)  # noqa: B023
                    looked.append(one.poll(0))  # noqa: B023
                    sys.setprofile(None)
                    for third in thirds:  # noqa: B023
                        other.send(third)  # noqa: B023

                def handle(frame: FrameType, event: str, called: Any) -> None:
                    if event == "c_return" and called.__name__ == "getpid" and not looked:  # noqa: B023
                        aside(look)  # noqa: B023

                sys.setprofile(handle)
                try:
                    assert one.recv() == "second"
                finally:
                    sys.setprofile(None)
                assert looked == [False]
                there = select.select([one], [], [], 0)[0]
                assert there == ([one] if comes else [])
                assert not comes or one.recv() == "third"
                other.send("last")
                assert select.select([one], [], [], LONG)[0] == [one]
                assert one.recv() == "last"


@pytest.mark.parametrize("looks", ["sleep", "_armed"])
def test_who_looks_while_another_thread_gives_the_socket_up_finds_nothing_there(looks: str) -> None:
    with watched():
        one, other = Pipe(duplex=False)
        with one, other:
            last = come_to_the_ring(other, one) if looks == "sleep" else None
            got: list[Any] = []

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # It is about to ask for the socket.
                asks = event == "call" and frame.f_code.co_name == "line" and frame.f_back is not None and frame.f_back.f_code.co_name == looks
                if asks and not got:
                    got.append(last if looks == "sleep" else come_to_the_ring(other, one))
                    aside(lambda: got.append(one.recv()))

            sys.setprofile(handle)
            try:
                found = one.poll(0) if looks == "sleep" else wait([one], 0)
            finally:
                sys.setprofile(None)
            assert not found and got[0] == got[1]
            other.send("through the ring")
            assert wait([one], LONG) == [one]
            assert one.recv() == "through the ring"


def test_who_looks_while_another_thread_closes_the_end_is_told_of_that() -> None:
    with watched():
        one, other = Pipe(duplex=False)
        with other:

            def handle(frame: FrameType, event: str, _: Any) -> None:
                if event == "call" and frame.f_code.co_name == "line":
                    aside(one.close)

            sys.setprofile(handle)
            try:
                with pytest.raises(OSError, match="handle is closed"):
                    one.poll(0)
            finally:
                sys.setprofile(None)


@pytest.mark.parametrize("duplex", [False, True])
@pytest.mark.parametrize("switched", [False, True])
def test_who_sleeps_while_another_thread_opens_the_ring_is_woken(duplex: bool, switched: bool) -> None:
    with watched():
        one, other = Pipe(duplex)
        with one, other:
            last = come_to_the_ring(other, one)
            if duplex and switched:
                one.send("the socket is needed no more")
            got: list[Any] = []

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # It goes to sleep, and the word that the ring is there is another thread's.
                if event == "call" and frame.f_code.co_name == "readable" and not got:
                    got.append(last)
                    aside(lambda: got.append(one.recv()))
                    other.send("through the ring")

            sys.setprofile(handle)
            try:
                assert one.poll(LONG / 3)
            finally:
                sys.setprofile(None)
            assert got == [last, last]
            assert one.recv() == "through the ring"
