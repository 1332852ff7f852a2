"""By hand: a ring of slots in shared memory, each message made visible by itself, by a word that the writer counts up; the reader counts another one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..kit import LEAD, Kit
from ..work import OneWay, Work

SIZE = 64
SLOTS = 1024
#: Words: messages written, messages read, batches confirmed; each on lines of its own.
WRITTEN, READ, CONFIRMED = 0, 32, 64
FIRST = 4096


class Ring(OneWay):
    """Both sides know where they are, and look at the other's word only when what they have seen of it is used up."""

    def __init__(self, kit: Kit, side: int) -> None:
        self.memory = kit.memory(FIRST + SLOTS * SIZE)
        self.words = memoryview(self.memory)[:FIRST].cast("Q")
        self.places = [slice(at, at + SIZE) for at in range(FIRST, FIRST + SLOTS * SIZE, SIZE)]
        self.done = self.seen = self.batches = 0
        self.side = side

    def pour(self, messages: Iterable[bytes], count: int) -> None:
        memory, words, places, messages = self.memory, self.words, self.places, iter(messages)
        done, end = self.done, self.done + count
        while done < end:
            while self.seen + SLOTS == done:
                self.seen = words[READ]
            at = done % SLOTS
            free = min(self.seen + SLOTS - done, SLOTS - at, end - done)
            numbers = range(done + 1, done + free + 1)
            for place, done, message in zip(places[at : at + free], numbers, messages):
                memory[place] = message
                words[WRITTEN] = done
        self.done = done

    def drain(self, count: int) -> bytes:
        memory, words, places, message = self.memory, self.words, self.places, b""
        done, end = self.done, self.done + count
        while done < end:
            while self.seen == done:
                self.seen = words[WRITTEN]
            at = done % SLOTS
            there = min(self.seen - done, SLOTS - at, end - done)
            for place in islice(places, at, at + there):
                message = memory[place]
            done += there
            words[READ] = done
        self.done = done
        return message

    def confirm(self) -> None:
        self.batches += 1
        self.words[CONFIRMED] = self.batches

    def await_confirmation(self) -> None:
        assert self.side == LEAD
        self.batches += 1
        while self.words[CONFIRMED] != self.batches:
            pass


def make(kit: Kit, side: int, address: str) -> Work:
    """No parameters."""
    return Ring(kit, side)
