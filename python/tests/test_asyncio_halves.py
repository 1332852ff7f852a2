"""Halves of a connection in a loop that are closed by themselves."""

import asyncio
import os
import socket
from collections.abc import Callable

import pytest

import ringway
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


@each_loop
@pytest.mark.parametrize("half", ["receiver", "sender"])
def test_what_is_opened_behind_a_half_is_watched(place: str, loops: Loops, half: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with half_here(place) as (here, peer):
            if half == "receiver":
                waits: asyncio.Task[object] = asyncio.create_task(here.recv())
                await asyncio.sleep(0.01)
                peer.send(b"x")
            else:
                while here.sync.try_send(bytes(1000)):
                    pass
                waits = asyncio.create_task(here.send(bytes(1000)))
                await asyncio.sleep(0.01)
                while not waits.done():
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
