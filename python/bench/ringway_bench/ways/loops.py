"""Round trips in event loops: Ringway's, by hand with `add_reader` on an eventfd, and asyncio's streams over a Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import ringway.asyncio

from ..kit import Kit
from ..work import RoundTrip, Work
from .ours import meet
from .spin import PLACES, SIZE


class InLoop(RoundTrip):
    """A round trip is two awaits of one task, in a loop that each process keeps for all of them."""

    def __init__(self, loop: str) -> None:
        if loop == "uvloop":
            import uvloop

            self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        else:
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)

    @abstractmethod
    async def asking(self, messages: Iterable[bytes]) -> bytes:
        """As `ask`."""

    @abstractmethod
    async def answering(self, count: int) -> None:
        """As `answer`."""

    def ask(self, messages: Iterable[bytes]) -> bytes:
        return self.loop.run_until_complete(self.asking(messages))

    def answer(self, count: int) -> None:
        self.loop.run_until_complete(self.answering(count))

    def ask_timed(self, messages: Iterable[bytes], times: list[int]) -> bytes:
        return self.loop.run_until_complete(self._asking_timed(messages, times))

    async def _asking_timed(self, messages: Iterable[bytes], times: list[int]) -> bytes:
        clock, asking, append, reply = time.perf_counter_ns, self.asking, times.append, b""
        for message in messages:
            one = (message,)
            started = clock()
            reply = await asking(one)
            append(clock() - started)
        return reply


class Ours(InLoop):
    """`ringway.asyncio`."""

    def __init__(self, side: int, address: str, wait: str, loop: str) -> None:
        super().__init__(loop)
        self.connection = ringway.asyncio.Connection(meet(side, address, wait=wait))

    async def asking(self, messages: Iterable[bytes]) -> bytes:
        send, recv, reply = self.connection.send, self.connection.recv, b""
        for message in messages:
            await send(message)
            reply = await recv()
        return reply

    async def answering(self, count: int) -> None:
        send, recv = self.connection.send, self.connection.recv
        for _ in range(count):
            await send(await recv())


class Bell(InLoop):
    """By hand: the message lies in shared memory, and a reader of the eventfd completes a future."""

    def __init__(self, kit: Kit, side: int, loop: str) -> None:
        super().__init__(loop)
        self.memory = kit.memory(4096)
        mine, its = PLACES[side], PLACES[1 - side]
        self.out, self.come = slice(mine, mine + SIZE), slice(its, its + SIZE)
        self.bell, self.peer = kit.bells[side], kit.bells[1 - side]
        self.waiter: asyncio.Future[None] | None = None
        self.rung = False
        self.loop.add_reader(self.bell, self._rang)

    def _rang(self) -> None:
        os.eventfd_read(self.bell)
        waiter = self.waiter
        if waiter is None:
            self.rung = True
        else:
            self.waiter = None
            waiter.set_result(None)

    async def recv(self) -> bytes:
        """The next message."""
        if self.rung:
            self.rung = False
        else:
            waiter = self.waiter = self.loop.create_future()
            await waiter
        return self.memory[self.come]

    async def send(self, message: bytes) -> None:
        """Writes it and rings."""
        self.memory[self.out] = message
        os.eventfd_write(self.peer, 1)

    async def asking(self, messages: Iterable[bytes]) -> bytes:
        send, recv, reply = self.send, self.recv, b""
        for message in messages:
            await send(message)
            reply = await recv()
        return reply

    async def answering(self, count: int) -> None:
        send, recv = self.send, self.recv
        for _ in range(count):
            await send(await recv())


class Streams(InLoop):
    """asyncio's `StreamReader` and `StreamWriter`: messages of a length that both know, written and read exactly."""

    def __init__(self, kit: Kit, side: int, loop: str) -> None:
        super().__init__(loop)
        end = socket.socket(fileno=kit.sockets[side])

        async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            return await asyncio.open_unix_connection(sock=end)

        self.reader, self.writer = self.loop.run_until_complete(opened())

    async def asking(self, messages: Iterable[bytes]) -> bytes:
        write, drain, read, reply = self.writer.write, self.writer.drain, self.reader.readexactly, b""
        for message in messages:
            write(message)
            await drain()
            reply = await read(SIZE)
        return reply

    async def answering(self, count: int) -> None:
        write, drain, read = self.writer.write, self.writer.drain, self.reader.readexactly
        for _ in range(count):
            write(await read(SIZE))
            await drain()


def make(kit: Kit, side: int, address: str, how: str, loop: str = "asyncio") -> Work:
    """`how`: how Ringway waits, or bell or streams; `loop`: asyncio or uvloop."""
    match how:
        case "bell":
            return Bell(kit, side, loop)
        case "streams":
            return Streams(kit, side, loop)
    return Ours(side, address, how, loop)
