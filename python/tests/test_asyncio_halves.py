"""Halves of a connection in a loop that are closed by themselves."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy
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


# As long as those that fill the ring, so that neither has room.
CALLS, LAST = b"c" * 1000, b"l" * 1000


@each_loop
@pytest.mark.parametrize("half", ["receiver", "sender"])
def test_a_task_that_waits_is_woken_behind_a_call_that_has_waited_too(place: str, loops: Loops, half: str) -> None:
    async def main() -> None:
        # The call is to sleep, by which the half is awake behind it.
        async with half_here(place, wait="park") as (here, peer):
            if half == "sender":
                while here.sync.try_send(bytes(1000)):
                    pass
            waits = asyncio.create_task(here.recv() if half == "receiver" else here.send(LAST))
            await asyncio.sleep(0.02)
            assert not waits.done()

            drained: list[bytes] = []

            def peers() -> None:
                time.sleep(0.05)
                if half == "receiver":
                    peer.send(b"to the call")
                else:
                    drained.extend(drain(peer))

            thread = threading.Thread(target=peers)
            thread.start()
            if half == "receiver":
                assert here.sync.recv(PATIENCE) == b"to the call"
            else:
                here.sync.send(CALLS, PATIENCE)
            thread.join()
            if half == "receiver":
                # Another one, before the loop has looked: it hears of the first one's ring.
                with pytest.raises(ringway.TimedOut):
                    here.sync.recv(0.05)
                await asyncio.sleep(0.02)
                assert not waits.done()
                # Nor does arming by hand, which finds this one, take the task's sleep away.
                peer.send(b"by hand")
                assert not here.sync.receiver.arm() and here.sync.try_recv() == b"by hand"
                peer.send(b"to the task")
                assert await asyncio.wait_for(waits, PATIENCE) == b"to the task"
            else:
                assert not here.sync.sender.arm(10)
                await asyncio.wait_for(waits, PATIENCE)
                drained += drain(peer)
                assert drained[-2:] == [CALLS, LAST]

    run(loops, main())


def drain(peer: ringway.Connection) -> list[bytes]:
    """What is there."""
    found: list[bytes] = []
    while (frame := peer.try_recv()) is not None:
        found.append(frame)
    return found


@each_loop
def test_what_can_never_be_received_is_refused_before_a_frame_is_there(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            for buffer, why in ((b"constant", "not writable"), (memoryview(bytearray(8))[::2], "not C-contiguous")):
                with pytest.raises(BufferError, match=why):
                    await asyncio.wait_for(here.recv_into(buffer), PATIENCE)
            with pytest.raises(TypeError):
                await asyncio.wait_for(here.recv_into(5), PATIENCE)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="max is 0: it must be at least 1"):
                await asyncio.wait_for(here.recv_batch(0), PATIENCE)
            dates: Any = numpy.zeros(2, "M8[s]")  # of which a memoryview would say that it has no format
            peer.send(bytes(16))
            assert await here.recv_into(dates) == 16
            peer.send(b"fits")
            assert await here.recv_into(memoryview(bytearray(8)).cast("B", (2, 4))) == 4

    run(loops, main())


def test_messages_are_no_matter_of_a_loop(place: str) -> None:
    @ringway.message
    class Tick:
        price: ringway.f64

    for call in (ringway.asyncio.listen, ringway.asyncio.connect):
        with pytest.raises(TypeError, match=r"sends: a connection in a loop carries bytes; say sends=ringway\.typed\.schema"):
            made = call(place, sends=Tick)  # type: ignore[arg-type]
            asyncio.run(made)  # type: ignore[arg-type]
    assert not os.path.exists(place)
    with ringway.listen(place, sends=Tick, expects=()) as listener:
        with pytest.raises(TypeError, match="a typed one is its `untyped`"):
            ringway.asyncio.Listener(listener)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="a typed one is its `untyped`"):
            ringway.asyncio.Connection(listener)  # type: ignore[arg-type]
