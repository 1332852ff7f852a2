"""By hand: round trips over shared memory, each side spinning on a byte that the other one writes behind the message.

There are several ways to write it; the fastest of each session is the limit. All rely on x86's order of stores, and on an interpreter that does one operation after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from ..kit import Kit
from ..work import RoundTrip, Work

#: Where the message and the byte behind it lie, of the lead and of the other one: on lines of their own.
PLACES = (0, 256)
SIZE = 64


class Mapped(RoundTrip):
    """By slices of the mapping itself, which copy at once; the slices are made once."""

    def __init__(self, kit: Kit, side: int) -> None:
        self.memory = kit.memory(4096)
        mine, its = PLACES[side], PLACES[1 - side]
        self.out, self.sent = slice(mine, mine + SIZE), mine + SIZE
        self.come, self.arrived = slice(its, its + SIZE), its + SIZE
        self.turn = 1

    def ask(self, messages: Iterable[bytes]) -> bytes:
        memory, out, sent, come, arrived = self.memory, self.out, self.sent, self.come, self.arrived
        turn, reply = self.turn, b""
        for message in messages:
            memory[out] = message
            memory[sent] = turn
            while memory[arrived] != turn:
                pass
            reply = memory[come]
            turn ^= 3
        self.turn = turn
        return reply

    def answer(self, count: int) -> None:
        memory, out, sent, come, arrived = self.memory, self.out, self.sent, self.come, self.arrived
        turn = self.turn
        for _ in range(count):
            while memory[arrived] != turn:
                pass
            memory[out] = memory[come]
            memory[sent] = turn
            turn ^= 3
        self.turn = turn


class Viewed(RoundTrip):
    """By memoryviews, as `SharedMemory.buf` is one: parts of it are made once, and the number is a word of a cast one."""

    def __init__(self, kit: Kit, side: int) -> None:
        whole = memoryview(kit.memory(4096))
        mine, its = PLACES[side], PLACES[1 - side]
        self.out, self.come = whole[mine : mine + SIZE], whole[its : its + SIZE].tobytes
        self.sent, self.arrived = (whole[at + SIZE : at + SIZE + 8].cast("Q") for at in (mine, its))
        self.turn = 1

    def ask(self, messages: Iterable[bytes]) -> bytes:
        out, sent, come, arrived = self.out, self.sent, self.come, self.arrived
        turn, reply, whole = self.turn, b"", slice(None)
        for message in messages:
            out[whole] = message
            sent[0] = turn
            while arrived[0] != turn:
                pass
            reply = come()
            turn ^= 3
        self.turn = turn
        return reply

    def answer(self, count: int) -> None:
        out, sent, come, arrived = self.out, self.sent, self.come, self.arrived
        turn, whole = self.turn, slice(None)
        for _ in range(count):
            while arrived[0] != turn:
                pass
            out[whole] = come()
            sent[0] = turn
            turn ^= 3
        self.turn = turn


class Packed(RoundTrip):
    """By `struct`: one call reads number and message; a message that is seen with its number was written before it."""

    def __init__(self, kit: Kit, side: int) -> None:
        self.memory = kit.memory(4096)
        self.mine, self.its = PLACES[side], PLACES[1 - side]
        self.turn = 1

    def ask(self, messages: Iterable[bytes]) -> bytes:
        memory, mine, its, body = self.memory, self.mine, self.its, self.mine + 1
        pack, unpack = struct.Struct("64s").pack_into, struct.Struct("B64s").unpack_from
        turn, reply = self.turn, b""
        for message in messages:
            pack(memory, body, message)
            memory[mine] = turn
            seen = 0
            while seen != turn:
                seen, reply = unpack(memory, its)
            turn ^= 3
        self.turn = turn
        return reply

    def answer(self, count: int) -> None:
        memory, mine, its, body = self.memory, self.mine, self.its, self.mine + 1
        pack, unpack = struct.Struct("64s").pack_into, struct.Struct("B64s").unpack_from
        turn = self.turn
        for _ in range(count):
            seen, message = 0, b""
            while seen != turn:
                seen, message = unpack(memory, its)
            pack(memory, body, message)
            memory[mine] = turn
            turn ^= 3
        self.turn = turn


def make(kit: Kit, side: int, address: str, how: str) -> Work:
    """`how`: the name of a class, in small letters."""
    ways: dict[str, Callable[[Kit, int], Work]] = {"mapped": Mapped, "viewed": Viewed, "packed": Packed}
    return ways[how](kit, side)
