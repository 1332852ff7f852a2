"""Halves of a connection in a loop that are closed by themselves."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable

import pytest

import ringway
import ringway.asyncio
from conftest import PATIENCE
from loops import each_loop, half_here, run, watched

Loops = Callable[[], asyncio.AbstractEventLoop]


def open_as(fd: int) -> tuple[socket.socket, socket.socket]:
    """Two sockets, of which the first has this number."""
    held: list[socket.socket] = []
    while True:
        pair = socket.socketpair()
        for mine, other in (pair, pair[::-1]):
            if mine.fileno() == fd:
                for one in held:
                    one.close()
                return mine, other
        held += pair
        assert len(held) < 500


async def wait_in(here: ringway.asyncio.Connection, half: str) -> None:
    """Waits for a frame, or for room."""
    if half == "receiver":
        await here.recv()
    else:
        while here.sync.try_send(bytes(1000)):
            pass
        await here.send(bytes(1000))


@each_loop
@pytest.mark.parametrize("half", ["receiver", "sender"])
def test_what_is_opened_behind_a_half_is_watched(place: str, loops: Loops, half: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with half_here(place) as (here, peer):
            waits = asyncio.create_task(wait_in(here, half))
            await asyncio.sleep(0.01)
            if half == "receiver":
                peer.send(b"x")
            while not waits.done():
                if half == "sender":
                    peer.try_recv()
                await asyncio.sleep(0)
            await waits
            [copy] = watched(here)
            closed = getattr(here.sync, half)
            fd = closed.fileno()
            closed.close()
            mine, other = open_as(fd)
            mine.setblocking(False)
            reads = asyncio.create_task(loop.sock_recv(mine, 5))
            await asyncio.sleep(0.01)
            other.send(b"heard")
            assert await asyncio.wait_for(reads, PATIENCE) == b"heard"
            # Nor does the end of the connection take that away.
            again = asyncio.create_task(loop.sock_recv(mine, 5))
            await asyncio.sleep(0.01)
            here.close()
            other.send(b"again")
            assert await asyncio.wait_for(again, PATIENCE) == b"again"
            assert watched(here) == []
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(copy)
            with pytest.raises(ringway.Closed):
                await here.recv()
            mine.close()
            other.close()

    run(loops, main())


@each_loop
@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize("half", ["receiver", "sender"])
def test_a_task_that_waits_in_a_half_hears_that_it_is_closed(place: str, loops: Loops, half: str, thread: bool) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            waits = asyncio.create_task(wait_in(here, half))
            await asyncio.sleep(0.02)
            assert not waits.done()
            close = getattr(here.sync, half).close
            if thread:
                threading.Thread(target=close, daemon=True).start()
            else:
                close()
            with pytest.raises(ringway.Closed):
                await asyncio.wait_for(waits, PATIENCE)
            # The other direction goes on.
            if half == "receiver":
                await here.send(b"still")
                assert peer.recv(PATIENCE) == b"still"
            else:
                peer.send(b"still")
                assert await here.recv() == b"still"

    run(loops, main())
