"""The cases that ``ringway chaos`` torments: frames both ways without end, until the other side is killed.

What both sides count is in a file of each, written around every call: it outlives whoever is killed.
"""

import os
import sys
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import ringway


class Counts:
    """Frames that were about to be sent, that were sent, and that were taken."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        self.tried = self.sent = self.taken = 0
        for line in range(3):
            self._tell(line, 0)

    def _tell(self, line: int, number: int) -> None:
        os.pwrite(self._file, b"%020d\n" % number, line * 21)

    def will_send(self, count: int) -> None:
        self.tried += count
        self._tell(0, self.tried)

    def has_sent(self, count: int) -> None:
        self.sent += count
        self._tell(1, self.sent)

    def takes(self, found: bytes) -> None:
        """A frame that is the next one, whole."""
        if found != frame(self.taken):
            number = int.from_bytes(found[:8], "little")
            print(f"a frame of {len(found)} bytes, number {number}, where number {self.taken} was due")
            sys.exit("a frame is lost, twice there, or broken")
        self.taken += 1
        self._tell(2, self.taken)


def burst(number: int) -> int:
    """How many frames it has."""
    return 1 + number * 7 % 24


@cache
def pattern(length: int) -> bytes:
    """So many bytes, of all values."""
    return bytes((at * 7 + length) % 251 for at in range(length))


def frame(number: int) -> bytes:
    """Its number, and bytes of all values."""
    length = 5008 if number % 50 == 49 else 8 + number * 37 % 300
    return number.to_bytes(8, "little") + pattern(length)[8:]


def endless(connection: Any, counts: Counts) -> None:
    step(b"met")
    sender, receiver = connection.split()
    print(exchange(sender, receiver, counts))
    try:
        print(sender.check())
    except ringway.Error as error:
        print(type(error).__name__)
    sender.close()
    receiver.close()


def exchange(sender: Any, receiver: Any, counts: Counts) -> str:
    """What the receiving half is told at the end."""
    for number in count():
        until: float = counts.taken + burst(number)
        try:
            send(sender, number, counts)
        except ringway.PeerDied:
            until = float("inf")
        try:
            while counts.taken < until:
                if number % 2 == 0 or until == float("inf"):
                    counts.takes(receiver.recv(30.0))
                    continue
                for found in receiver.recv_batch(int(until) - counts.taken, 30.0):
                    counts.takes(found)
        except ringway.Error as error:
            return type(error).__name__
    return "there are no numbers left"


def send(sender: Any, number: int, counts: Counts) -> None:
    """A burst: one by one, in place, or together."""
    frames = [frame(counts.tried + at) for at in range(burst(number))]
    if number % 3 == 2:
        counts.will_send(len(frames))
        counts.has_sent(sender.send_batch(frames, 30.0))
        return
    for each in frames:
        counts.will_send(1)
        if number % 3 == 0:
            sender.send(each, 30.0)
        else:
            with sender.reserve(len(each), 30.0) as room:
                room[:] = each
        counts.has_sent(1)


def held() -> tuple[int, int]:
    """Descriptors that are open, and mappings of the library."""
    return len(os.listdir("/proc/self/fd")), Path("/proc/self/maps").read_text().count("memfd:ringway")


def step(label: bytes) -> None:
    """A labelled step of ours."""
    if line := os.environ.get("RINGWAY_CHAOS"):
        fd = int(line.split(":")[0])
        os.write(fd, label)
        os.read(fd, 1)
