"""Other threads run while one waits."""

import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

import pytest

import ringway


def counted_beside(work: Callable[[threading.Event], None], seconds: float) -> int:
    """How often this thread gives the lock up and has it again in that time, while another one works."""
    stop, begun = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        work(stop)

    worker = threading.Thread(target=run)
    worker.start()
    begun.wait()
    counted, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0)
        counted += 1
    stop.set()
    worker.join()
    return counted


@pytest.mark.parametrize("wait", ["adaptive", "spin", "park"])
def test_a_thread_that_waits_leaves_the_lock_to_others(wait: Literal["adaptive", "spin", "park"]) -> None:
    # One that held the lock while it waits would give it up only when it is asked to, which is after this interval.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.5)
    try:
        left, right = ringway.pair(wait=wait)
        with left, right:

            def receive(stop: threading.Event) -> None:
                while not stop.is_set():
                    with pytest.raises(ringway.TimedOut):
                        right.recv(timeout=0.05)

            def send(stop: threading.Event) -> None:
                while left.try_send(b"x" * 1000):
                    pass
                while not stop.is_set():
                    with pytest.raises(ringway.TimedOut):
                        left.send(b"x" * 1000, timeout=0.05)

            for work in (receive, send):
                # In turns, so that what else the machine does falls on both.
                beside, alone = 0, 0
                for _ in range(2):
                    beside += counted_beside(work, 0.1)
                    alone += counted_beside(lambda stop: None, 0.1)
                assert beside > alone / 10, (work.__name__, beside, alone)
    finally:
        sys.setswitchinterval(interval)


def test_short_waits_in_a_row_leave_the_lock_too() -> None:
    left, right = ringway.pair()
    with left, right:

        def echo() -> None:
            for request in right:
                right.send(request)

        echoing = threading.Thread(target=echo)
        echoing.start()

        def ask(stop: threading.Event) -> None:
            while not stop.is_set():
                left.send(b"x")
                assert left.recv(timeout=60) == b"x"

        began = time.monotonic()
        assert counted_beside(ask, 0.3) > 100
        assert time.monotonic() - began < 60
        left.close()
        echoing.join(60)
