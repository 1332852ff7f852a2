"""Other threads run while one waits."""

import threading
import time
from typing import Literal

import pytest

import ringway
from conftest import PATIENCE


def work() -> int:
    """Something that takes the interpreter's lock again and again."""
    done = 0
    for _ in range(50):
        time.sleep(0.001)
        done += sum(range(1000))
    return done


@pytest.mark.parametrize("wait", ["adaptive", "spin", "park"])
def test_a_thread_that_waits_leaves_the_lock_to_others(
    wait: Literal["adaptive", "spin", "park"],
) -> None:
    left, right = ringway.pair(wait=wait)
    with left, right:
        ended: list[str] = []
        begins = threading.Event()

        def waiting(name: str) -> None:
            try:
                begins.set()
                if name == "receives":
                    right.recv(timeout=PATIENCE)
                else:
                    left.send(b"x" * 1000, timeout=PATIENCE)
                ended.append(name)
            except ringway.TimedOut:
                ended.append(f"{name}, and nobody else could do anything until it timed out")

        # What ends each wait is done by this thread, behind some work: it needs the lock for both.
        receiving = threading.Thread(target=waiting, args=["receives"])
        receiving.start()
        assert begins.wait(60)
        work()
        left.send(b"x")
        receiving.join()
        assert ended == ["receives"]
        while left.try_send(b"x" * 1000):
            pass
        begins.clear()
        sending = threading.Thread(target=waiting, args=["sends"])
        sending.start()
        assert begins.wait(60)
        work()
        while sending.is_alive():
            right.try_recv()
        assert ended == ["receives", "sends"]


def test_a_thread_that_hardly_waits_leaves_the_lock_too() -> None:
    left, right = ringway.pair()
    with left, right:

        def echo() -> None:
            for request in right:
                right.send(request)

        echoing = threading.Thread(target=echo)
        echoing.start()
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                left.send(b"x")
                assert left.recv(timeout=60) == b"x"

        asking = threading.Thread(target=ask)
        asking.start()
        work()
        stop.set()
        asking.join(60)
        left.close()
        echoing.join(60)
        assert not (asking.is_alive() or echoing.is_alive())
