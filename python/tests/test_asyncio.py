"""Connections in event loops."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import ringway
import ringway.asyncio
from conftest import HANDSHAKE
from loops import connected, each_loop, half_here, registered, run, turns, watched

Loops = Callable[[], asyncio.AbstractEventLoop]


@each_loop
@pytest.mark.parametrize("wait", ["adaptive", "park"])
def test_frames_go_both_ways(place: str, loops: Loops, wait: str) -> None:
    async def echo(server: ringway.asyncio.Connection) -> None:
        async for frame in server:
            await server.send(frame)

    async def main() -> None:
        server, client = await connected(place, wait=wait)
        async with server, client:
            answering = asyncio.create_task(echo(server))
            for n in range(500):
                await client.send(str(n).encode())
                assert await client.recv() == str(n).encode()
            await client.send(b"k", kind=7)
            assert await client.recv() == b"k"
            client.close()
            await answering

    run(loops, main())


@each_loop
def test_every_way_to_receive_and_send(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            assert await here.send_batch([b"a", bytearray(b"b")], kind=2) == 2
            assert peer.recv_batch_kinds() == [(2, b"a"), (2, b"b")]
            peer.send(b"into")
            target = bytearray(8)
            assert (await here.recv_into(target), bytes(target[:4])) == (4, b"into")
            peer.send(b"too long for it")
            with pytest.raises(ringway.Truncated):
                await here.recv_into(bytearray(3))
            assert await here.recv() == b"too long for it"
            peer.send(b"kind", kind=9)
            assert await here.recv_kind() == (9, b"kind")
            peer.send_batch([b"1", b"2", b"3"])
            assert await here.recv_batch(2) == [b"1", b"2"]
            assert await here.recv_batch() == [b"3"]
            # And each of them waits.
            ways: list[tuple[Callable[[], Coroutine[Any, Any, object]], object]] = [
                (here.recv, b"x"),
                (here.recv_batch, [b"x"]),
                (here.recv_kind, (0, b"x")),
                (lambda: here.recv_into(target), 1),
            ]
            for take, want in ways:
                waiting = asyncio.create_task(take())
                await asyncio.sleep(0.01)
                assert not waiting.done()
                peer.send(b"x")
                assert await waiting == want
            with pytest.raises(ringway.TooLarge):
                await here.send(bytes(1 << 20))
            with pytest.raises(TypeError):
                await here.send("text")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    run(loops, main())


@each_loop
def test_a_full_ring_makes_senders_wait_in_turn(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place, capacity=4096) as (here, peer):
            async def sends(name: int) -> None:
                for n in range(20):
                    await here.send(f"{name} {n} ".encode() + bytes(500))

            tasks = [asyncio.create_task(sends(name)) for name in range(3)]
            batch = asyncio.create_task(here.send_batch([b"batch" + bytes(600)] * 30))
            got: list[bytes] = []
            while len(got) < 90:
                await asyncio.sleep(0)
                while (frame := peer.try_recv()) is not None:
                    got.append(frame)
            await asyncio.gather(*tasks)
            assert await batch == 30
            for name in range(3):
                mine = [frame for frame in got if frame.startswith(b"%d " % name)]
                assert [int(frame.split()[1]) for frame in mine] == list(range(20))
            assert not here._turns  # pyright: ignore[reportPrivateUsage]

    run(loops, main())


@each_loop
def test_one_receives_while_another_sends_and_two_receivers_are_told(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place, capacity=4096) as (here, peer):
            receiving = asyncio.create_task(here.recv())
            sending = asyncio.create_task(here.send_batch([bytes(1000)] * 10))
            await turns(3)
            with pytest.raises(RuntimeError, match="another task receives from this connection already"):
                await here.recv()
            with pytest.raises(RuntimeError, match="another task"):
                await here.recv_batch()
            peer.send(b"x")
            assert await receiving == b"x"
            while not sending.done():
                peer.try_recv()
                await asyncio.sleep(0)
            assert await sending == 10
            peer.send(b"y")
            assert await here.recv() == b"y"

    run(loops, main())


@each_loop
def test_the_loop_keeps_its_pace(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place, capacity=1 << 20) as (here, peer):
            peer.send_batch([b"x"] * 5000)
            rounds = 0

            async def neighbour() -> None:
                nonlocal rounds
                while True:
                    rounds += 1
                    await asyncio.sleep(0)

            beside = asyncio.create_task(neighbour())
            await asyncio.sleep(0)
            rounds = 0
            for _ in range(5000):
                await here.recv()
            assert rounds >= 5000 // 64
            rounds = 0
            for _ in range(5000):
                await here.send(b"x")
                peer.recv()
            assert rounds >= 5000 // 64
            beside.cancel()

    run(loops, main())


@each_loop
def test_an_orderly_end_and_what_was_before_it(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            waiting = asyncio.create_task(here.recv())
            await asyncio.sleep(0.01)
            peer.send_batch([b"1", b"2", b"3"])
            peer.close()
            assert await waiting == b"1"
            assert [frame async for frame in here] == [b"2", b"3"]
            with pytest.raises(ringway.Closed) as closed:
                await here.recv()
            assert isinstance(closed.value, EOFError)
            with pytest.raises(ringway.Closed):
                for _ in range(3):
                    await here.send(b"x")
        with pytest.raises(ringway.Closed, match="closed here"):
            await here.recv()
        with pytest.raises(ringway.Closed, match="closed here"):
            await anext(aiter(here))

    run(loops, main())


@each_loop
def test_an_end_wakes_whoever_waits(place: str, loops: Loops) -> None:
    async def main() -> None:
        for end in ("peer", "here"):
            async with half_here(place, capacity=4096) as (here, peer):
                receiving = asyncio.create_task(here.recv())
                sending = asyncio.create_task(here.send_batch([bytes(1000)] * 10))
                await asyncio.sleep(0.01)
                (peer if end == "peer" else here).close()
                tasks: list[asyncio.Task[Any]] = [receiving, sending]
                for task in tasks:
                    with pytest.raises(ringway.Closed):
                        await asyncio.wait_for(task, 10)

    run(loops, main())


CHILD = """
import sys, ringway
connection = ringway.connect(sys.argv[1], capacity=4096, peer_capacity=4096, handshake_timeout=20)
connection.send(b"here")
sys.stdin.read()
"""


@each_loop
def test_a_killed_peer_is_heard_of_at_once(place: str, loops: Loops) -> None:
    took: list[float] = []

    async def main() -> None:
        async with ringway.asyncio.listen(place, handshake_timeout=HANDSHAKE) as listener:
            child = subprocess.Popen([sys.executable, "-c", CHILD, place], stdin=subprocess.PIPE)
            try:
                server = await listener.accept()
                assert await server.recv() == b"here"
                receiving = asyncio.create_task(server.recv())
                sending = asyncio.create_task(server.send_batch([bytes(1000)] * 10))
                await asyncio.sleep(0.05)
                assert not receiving.done() and not sending.done()
                os.kill(child.pid, signal.SIGKILL)
                killed = time.monotonic()
                tasks: list[asyncio.Task[Any]] = [receiving, sending]
                for task in tasks:
                    with pytest.raises(ringway.PeerDied):
                        await asyncio.wait_for(task, 30)
                took.append(time.monotonic() - killed)
                server.close()
            finally:
                child.kill()
                child.wait()
                assert child.stdin is not None
                child.stdin.close()

    # No timer of ours is that long; a machine may be, but not each time.
    while not took or took[-1] >= 5:
        assert len(took) < 3, took
        run(loops, main())


@each_loop
def test_connecting_holds_up_nobody(place: str, loops: Loops) -> None:
    async def main() -> None:
        with pytest.raises(ringway.NotFound):
            await ringway.asyncio.connect(place)
        with ringway.listen(place) as deaf:
            # Nobody accepts: the handshake waits, and the loop goes on. Where this thread had no processor, it is seen another time.
            ticks, rounds = 0, 0
            while ticks < 5:
                assert rounds < 10, f"{ticks} ticks of the loop"
                connecting = asyncio.create_task(ringway.asyncio.connect(place, handshake_timeout=0.3))
                ticks, rounds = 0, rounds + 1
                while not connecting.done():
                    await asyncio.sleep(0.01)
                    ticks += 1
                with pytest.raises(ringway.TimedOut, match="is it calling accept"):
                    await connecting
            connecting = asyncio.create_task(ringway.asyncio.connect(place, handshake_timeout=60))
            await turns(5)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            # Both are gone, and count as nothing.
            assert deaf.try_accept() is None
        with pytest.raises(ValueError, match="never sleeps"):
            await ringway.asyncio.connect(place, wait="spin")
        with pytest.raises(ValueError, match="never sleeps"):
            ringway.asyncio.listen(place, wait="spin")
        assert not os.path.exists(place)

    run(loops, main())


@each_loop
def test_many_connect_at_once_and_are_served(place: str, loops: Loops) -> None:
    async def serve(connection: ringway.asyncio.Connection) -> None:
        async with connection:
            async for frame in connection:
                await connection.send(frame[::-1])

    async def client(n: int) -> None:
        async with await ringway.asyncio.connect(place, capacity=4096, handshake_timeout=HANDSHAKE) as connection:
            for m in range(5):
                await connection.send(b"%d %d" % (n, m))
                assert await connection.recv() == (b"%d %d" % (n, m))[::-1]

    async def main() -> None:
        async with ringway.asyncio.listen(place, capacity=4096, handshake_timeout=HANDSHAKE) as listener:
            async def accepting() -> None:
                async for connection in listener:
                    serving.append(asyncio.create_task(serve(connection)))

            serving: list[asyncio.Task[None]] = []
            accepts = asyncio.create_task(accepting())
            await asyncio.gather(*(client(n) for n in range(40)))
            with pytest.raises(RuntimeError, match="another task accepts"):
                await listener.accept()
            accepts.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accepts
            await asyncio.gather(*serving)
            assert len(serving) == 40

    run(loops, main())


@each_loop
def test_another_loop_after_the_first(place: str, loops: Loops) -> None:
    made: list[ringway.asyncio.Connection] = []

    async def first() -> None:
        made.extend(await connected(place))
        waiting = asyncio.create_task(made[0].recv())
        await asyncio.sleep(0.01)
        waiting.cancel()

    async def then(n: int) -> None:
        server, client = made
        waiting = asyncio.create_task(server.recv())
        await asyncio.sleep(0.01)
        await client.send(b"%d" % n)
        assert await waiting == b"%d" % n

    run(loops, first())
    for n in range(2):
        run(loops, then(n))
    # Loops that are not closed, one after the other.
    one, other = loops(), loops()
    for n in range(2):
        for loop in (one, other):
            loop.run_until_complete(then(n))
    fds = watched(*made)
    assert fds
    for connection in made:
        connection.close()
    for loop in (one, other):
        assert registered(loop, *fds) == []
        loop.close()


@each_loop
def test_a_loop_that_runs_elsewhere_is_not_left_without_a_word(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            waiting = asyncio.create_task(here.recv())
            await asyncio.sleep(0.01)
            refused: list[BaseException] = []

            def elsewhere() -> None:
                try:
                    asyncio.run(here.recv())
                except RuntimeError as error:
                    refused.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert len(refused) == 1
            peer.send(b"x")
            assert await waiting == b"x"

    run(loops, main())


@each_loop
def test_a_loop_that_is_closed_with_live_connections(place: str, loops: Loops) -> None:
    loop = loops()
    server, client = loop.run_until_complete(connected(place))
    waiting = loop.create_task(server.recv())
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    client.sync.send(b"for the next loop")

    async def main() -> bytes:
        return await server.recv()

    assert run(loops, main()) == b"for the next loop"
    del waiting, server
    client.close()


@each_loop
def test_connections_that_nobody_closes_leave_no_reader(place: str, loops: Loops) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for thread in (False, True):
            server, client = await connected(place)
            waiting = asyncio.create_task(server.recv())
            await asyncio.sleep(0.01)
            [fd] = watched(server)
            await client.send(b"x")
            assert await waiting == b"x"
            holder = [server]
            del server, waiting
            if thread:
                dropping = threading.Thread(target=holder.clear)
                dropping.start()
                dropping.join()
            else:
                holder.clear()
            await asyncio.sleep(0.01)
            assert registered(loop, fd) == []
            with pytest.raises(ringway.Closed):
                await client.recv()
            client.close()

    run(loops, main())


@each_loop
def test_what_rings_while_nobody_waits_does_not_keep_the_loop_awake(place: str, loops: Loops) -> None:
    async def main() -> None:
        async with half_here(place) as (here, peer):
            waiting = asyncio.create_task(here.recv())
            await asyncio.sleep(0.01)
            waiting.cancel()
            peer.send(b"x")
            await asyncio.sleep(0.01)
            # One that is kept awake uses it all each time; a processor that a host took away may count as used.
            used = [1.0]
            while used[-1] >= 0.1 and len(used) <= 5:
                before = time.process_time()
                await asyncio.sleep(0.3)
                used.append(time.process_time() - before)
            assert used[-1] < 0.1
            assert await here.recv() == b"x"

    run(loops, main())


CHILD_OF_A_FORK = """
import asyncio, os, sys, time
import ringway, ringway.asyncio
from ringway import pair
import uvloop
factory = asyncio.new_event_loop if sys.argv[1] == "asyncio" else uvloop.new_event_loop

async def before():
    one, other = pair()
    here = ringway.asyncio.Connection(one)
    await here.send(b"x")
    waiting = asyncio.create_task(here.recv())
    await asyncio.sleep(0.01)
    waiting.cancel()
    return here, other

async def in_child(here):
    loop = asyncio.get_running_loop()
    for call in (here.recv, here.recv_batch, lambda: here.send(b"y")):
        try:
            await call()
        except ringway.Forked:
            pass
        else:
            os._exit(1)
    assert not loop.remove_reader(here._in._fd) and here._in._fd >= 0
    for _ in range(5):
        before = time.process_time()
        await asyncio.sleep(0.2)
        if (used := time.process_time() - before) < 0.1:
            break
    assert used < 0.1
    here.close()

with asyncio.Runner(loop_factory=factory) as runner:
    here, other = runner.run(before())
    if os.fork() == 0:
        with asyncio.Runner(loop_factory=factory) as inner:
            inner.run(in_child(here))
        os._exit(0)
    assert os.wait()[1] == 0
    other.send(b"the parent's reader is there still")

    async def after():
        print((await here.recv()).decode())
        waiting = asyncio.create_task(here.recv())
        await asyncio.sleep(0.01)
        other.send(b"and wakes")
        print((await waiting).decode(), flush=True)

    runner.run(after())
    here.close()
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_forked_child_registers_nothing(loop: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD_OF_A_FORK, loop], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("the parent's reader is there still\nand wakes\n", "")
