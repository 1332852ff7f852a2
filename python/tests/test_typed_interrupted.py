"""What has been received of messages is not lost by a signal's handler that raises, behind whatever call a batch or an array of them makes: the next call has it. Of a batch that is sent it is told how much was."""

import itertools
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from typed_pair import typed

import ringway
from ringway.typed import Connection, array, lane, message, u32

#: Messages that are sent, in frames of one and of several.
COUNT = 10


@message
class Number:
    value: u32


@message(kind=1)
class First:
    value: u32


@message(kind=2)
class Second:
    value: u32


class Interrupted(BaseException):
    """As ``KeyboardInterrupt`` is: nobody takes it for a message that its class refuses."""


class Handler:
    """Raises once, where a signal's handler could: when a function begins that receives, or behind a call that it has made, whose result is lost then."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return") and "/ringway/typed/" in frame.f_code.co_filename:
            self.seen += 1
            if self.seen == self.at:
                raise Interrupted

    def during(self, call: Callable[[], list[int]]) -> list[int]:
        sys.setprofile(self)
        try:
            return call()
        except Interrupted:
            return []
        finally:
            sys.setprofile(None)


End = Connection[Any, Any]


def batch(server: End) -> list[int]:
    return [number.value for number in server.recv_batch(timeout=20)]


def rows(server: End) -> list[int]:
    return [int(row["value"]) for row in server.recv_array(timeout=20)]


def send(client: End) -> None:
    """Each of the numbers once, in order."""
    pytest.importorskip("numpy")
    client.send_batch([Number(value) for value in range(COUNT // 2)])
    several = array(Number, COUNT - COUNT // 2)
    several["value"] = range(COUNT // 2, COUNT)
    client.send_array(several, together=True)


@pytest.mark.parametrize("receive", [batch, rows])
def test_a_receive_that_is_interrupted_anywhere_loses_nothing(place: str, receive: Callable[[End], list[int]]) -> None:
    with typed(place, Number, Number) as (client, server):
        send(client)
        warm: list[int] = []
        while len(warm) < COUNT:
            warm += receive(server)
        for at in itertools.count(1):
            send(client)
            handler = Handler(at)
            found: list[int] = []
            while len(found) < COUNT:
                found += handler.during(lambda: receive(server))
            assert found == list(range(COUNT)), at
            if handler.seen < at:
                assert at > 20, "there is more to interrupt"
                return


def test_what_an_interrupted_receive_has_kept_comes_by_every_call(place: str) -> None:
    calls: list[Callable[[End], list[int]]] = [
        batch,
        rows,
        lambda server: [server.recv(timeout=20).value],
        lambda server: [number.value for number in [server.try_recv()] if number is not None],
    ]
    with typed(place, Number, Number) as (client, server):
        for receive in calls:
            send(client)

            def handle(frame: FrameType, event: str, _: Any) -> None:
                # What the call has received was never seen by anybody.
                if event == "c_return" and frame.f_code.co_name == "receive":
                    raise Interrupted

            sys.setprofile(handle)
            try:
                with pytest.raises(Interrupted):
                    server.recv_batch(timeout=20)
            finally:
                sys.setprofile(None)
            assert not server.arm()
            found: list[int] = []
            while len(found) < COUNT:
                found += receive(server)
            assert found == list(range(COUNT))
            assert server.arm()


def test_threads_are_given_each_message_once(place: str) -> None:
    interval = sys.getswitchinterval()
    with typed(place, Number, Number) as (client, server):
        found: list[list[int]] = [[], [], []]

        def receive(mine: list[int], by: Callable[[End], list[int]]) -> None:
            try:
                while True:
                    mine.extend(by(server))
            except ringway.Closed:
                pass

        ways: list[Callable[[End], list[int]]] = [batch, rows, lambda server: [server.recv(timeout=20).value]]
        threads = [threading.Thread(target=receive, args=(mine, by)) for mine, by in zip(found, ways, strict=True)]
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for value in range(2000):
                client.send(Number(value))
            client.sender.close()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert sorted(itertools.chain(*found)) == list(range(2000))


def test_no_thread_is_given_a_message_that_is_not_whole(place: str) -> None:
    size, count = 8 << 20, 8
    options: Any = {"capacity": 4 * size, "peer_capacity": 4 * size}
    interval = sys.getswitchinterval()
    with typed(place, None, None, **options) as (client, server):
        found: list[list[Any]] = [[], []]
        ended = threading.Event()

        def receive() -> None:
            try:
                while True:
                    found[0] += server.recv_batch(timeout=20)
            except ringway.Closed:
                ended.set()

        def look() -> None:
            # A long message is copied without the interpreter's lock: meanwhile this thread looks at what is kept.
            while not ended.is_set():
                if server.receiver.frames:
                    with suppress(ringway.Closed):
                        kept = server.try_recv()
                        found[1] += [] if kept is None else [bytes(memoryview(kept))]

        threads = [threading.Thread(target=receive), threading.Thread(target=look)]
        sys.setswitchinterval(1e-5)
        try:
            for thread in threads:
                thread.start()
            for _ in range(count):
                client.send(b"\x5a" * size, 20)
            client.sender.close()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert [message.count(b"\x5a") for message in itertools.chain(*found)] == [size] * count


def test_a_batch_of_several_messages_that_is_interrupted_says_how_many_were_sent(place: str) -> None:
    raised_once: list[bool] = []

    def interrupt(_: int, frame: FrameType | None) -> None:
        """Raises once, while the second kind is sent or waits for room."""
        if raised_once or frame is None or not frame.f_code.co_filename.endswith("/ringway/typed/halves.py") or frame.f_locals.get("done") != [3]:
            return
        raised_once.append(True)
        raise Interrupted

    both = lane(First, Second)
    messages: list[First | Second] = [First(value) for value in range(3)] + [Second(value) for value in range(3, 1000)]
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with typed(place, both, both, capacity=4096) as (client, server):
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            try:
                with pytest.raises(Interrupted) as raised:
                    client.send_batch(messages, timeout=60)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            got: list[First | Second] = []
            while (found := server.try_recv()) is not None:
                got.append(found)
            sent: int = raised.value.sent  # type: ignore[attr-defined]
            assert sent >= 3 and got == messages[:sent]
    finally:
        signal.signal(signal.SIGALRM, before)
