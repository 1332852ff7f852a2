"""Calls of a pipe that signals end, and several threads at its ends."""

import os
import selectors
import signal
import threading
import time

import pytest

from conftest import strike_when_asleep
from pipe_ends import Pair, establish, in_thread
from ringway.multiprocessing import Pipe, wait


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
