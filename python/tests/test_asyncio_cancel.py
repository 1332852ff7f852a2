"""Calls that are cancelled wherever they wait: nothing is lost, and nothing stays registered."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import ringway
import ringway.asyncio
from conftest import HANDSHAKE
from loops import each_loop, half_here, registered, run, turns, watched

Loops = Callable[[], asyncio.AbstractEventLoop]

#: More turns than any of the calls takes.
STEPS = 8


@each_loop
@pytest.mark.parametrize("way", ["recv", "recv_batch", "recv_into", "anext"])
def test_a_frame_is_received_or_stays(place: str, loops: Loops, way: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with half_here(place) as (here, peer):
            target = bytearray(16)

            async def take() -> list[bytes]:
                if way == "recv":
                    return [await here.recv()]
                if way == "anext":
                    return [await anext(aiter(here))]
                if way == "recv_batch":
                    return await here.recv_batch(2)
                return [bytes(target[: await here.recv_into(target)])]

            sent, cancelled = 0, 0
            got: list[bytes] = []
            # The peer sends before the turn `send`, and the call is cancelled behind the turn `cancel`.
            for send in range(STEPS):
                for cancel in range(STEPS):
                    task = asyncio.create_task(take())
                    for step in range(max(send, cancel) + 1):
                        if step == send:
                            peer.send(b"%d" % sent)
                            sent += 1
                        if step == cancel:
                            task.cancel()
                        await asyncio.sleep(0)
                    try:
                        got.extend(await task)
                    except asyncio.CancelledError:
                        cancelled += 1
            while len(got) < sent:
                got.extend(await asyncio.wait_for(take(), 10))
            assert got == [b"%d" % n for n in range(sent)]
            assert 0 < cancelled < STEPS * STEPS
            waits = asyncio.create_task(take())
            await asyncio.sleep(0.01)
            waits.cancel()
            fds = watched(here)
            assert fds
        assert registered(loop, *fds) == []

    run(loops, main())


@each_loop
def test_a_send_that_is_cancelled_has_sent_nothing(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place, capacity=4096) as (here, peer):
            cancelled = 0
            done: list[int] = []
            got: list[bytes] = []

            def drain() -> None:
                while (frame := peer.try_recv()) is not None:
                    got.append(frame[:8].rstrip())

            number = 0
            for drained in range(STEPS):
                for cancel in range(STEPS):
                    task = None
                    # One that waits, if room is there for all before it.
                    while task is None or task.done():
                        if task is not None:
                            await task
                            done.append(number)
                            number += 1
                        task = asyncio.create_task(here.send(b"%-8d" % number + bytes(900)))
                        await turns(3)
                    for step in range(max(drained, cancel) + 1):
                        if step == drained:
                            drain()
                        if step == cancel:
                            task.cancel()
                        await asyncio.sleep(0)
                    try:
                        await task
                        done.append(number)
                    except asyncio.CancelledError:
                        cancelled += 1
                    number += 1
            drain()
            assert got == [b"%d" % n for n in done]
            assert cancelled > 0 and here._turns is None  # pyright: ignore[reportPrivateUsage]

    run(loops, main())


@each_loop
def test_a_batch_that_is_cancelled_says_how_much_was_sent(place: str, loops: Loops) -> None:
    async def main() -> None:
        for steps in range(1, STEPS):
            async with half_here(place, capacity=4096) as (here, peer):
                task = asyncio.create_task(here.send_batch([bytes([n]) * 900 for n in range(20)]))
                got = 0
                for _ in range(steps):
                    await asyncio.sleep(0)
                    got += peer.try_recv() is not None
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as raised:
                    await task
                while peer.try_recv() is not None:
                    got += 1
                assert raised.value.sent == got  # type: ignore[attr-defined]
        # One that waits for its turn.
        async with half_here(place, capacity=4096) as (here, peer):
            tasks = [asyncio.create_task(here.send_batch([bytes(900)] * 20)) for _ in range(2)]
            await turns(3)
            for task in reversed(tasks):
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as raised:
                    await task
                assert (raised.value.sent > 0) == (task is tasks[0])  # type: ignore[attr-defined]

    run(loops, main())


@each_loop
def test_waiting_senders_that_are_cancelled_let_the_next_go(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place, capacity=4096) as (here, peer):
            full = asyncio.create_task(here.send_batch([bytes(900)] * 10))
            tasks = [asyncio.create_task(here.send(b"%d" % n)) for n in range(6)]
            await turns(3)
            unwanted: list[asyncio.Task[Any]] = [tasks[0], tasks[3], full, tasks[5]]
            for task in unwanted:
                task.cancel()
                await turns(2)
            got: list[bytes] = []
            while len(got) < 3:
                await asyncio.sleep(0)
                frame = peer.try_recv()
                if frame is not None and len(frame) < 900:
                    got.append(frame)
            assert got == [b"1", b"2", b"4"]
            every: list[asyncio.Task[Any]] = [*tasks, full]
            await asyncio.wait(every)
            assert here._turns is None  # pyright: ignore[reportPrivateUsage]

    run(loops, main())


@each_loop
def test_connecting_and_accepting_that_are_cancelled_anywhere(place: str, loops: Loops) -> None:
    async def main() -> None:
        made = 0
        async with ringway.asyncio.listen(place, capacity=4096, handshake_timeout=HANDSHAKE) as listener:
            for cancel_connect in range(0, 4 * STEPS, 2):
                for cancel_accept in range(0, 4 * STEPS, 4):
                    accepting = asyncio.create_task(listener.accept())
                    connecting = asyncio.create_task(ringway.asyncio.connect(place, capacity=4096))
                    for step in range(4 * STEPS):
                        if step == cancel_connect:
                            connecting.cancel()
                        if step == cancel_accept:
                            accepting.cancel()
                        await asyncio.sleep(0)
                    ends = await asyncio.gather(connecting, accepting, return_exceptions=True)
                    for end in ends:
                        if isinstance(end, ringway.asyncio.Connection):
                            made += 1
                            end.close()
                        else:
                            assert isinstance(end, (asyncio.CancelledError, ringway.Error)), end
            # Whoever connects now is accepted; what was begun before may come first, and is over.
            accepted: list[ringway.asyncio.Connection] = []

            async def accepts() -> None:
                async for connection in listener:
                    accepted.append(connection)

            accepting_all = asyncio.create_task(accepts())
            client = await ringway.asyncio.connect(place, handshake_timeout=HANDSHAKE)
            await client.send(b"x")
            while not any([await hears(server) for server in accepted]):
                await asyncio.sleep(0)
            for server in accepted:
                server.close()
            with pytest.raises(ringway.Closed):
                await client.recv()
            client.close()
        # It ends with the listener.
        await accepting_all
        assert made > 0

    run(loops, main())


async def hears(server: ringway.asyncio.Connection) -> bool:
    try:
        return server.sync.try_recv() == b"x"
    except ringway.Error:
        return False
