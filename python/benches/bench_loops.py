"""Round trips of 64 bytes between two processes in event loops, side by side in one run: `python benches/bench_loops.py [seconds] [asyncio|uvloop]`.

parked: ringway.asyncio with wait="park", against an eventfd with add_reader by hand (which carries no bytes).
busy: ringway.asyncio, against asyncio's streams over a Unix socket.
"""

import asyncio
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ringway.asyncio

BYTES = bytes(64)
Turn = Callable[[], Awaitable[None]]


class Flag:
    """An eventfd in a loop, by hand."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.ours, self.theirs = ours, theirs
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[None] | None = None
        self.loop.add_reader(ours, self.rang)

    def rang(self) -> None:
        os.eventfd_read(self.ours)
        assert self.waiter is not None
        self.waiter.set_result(None)

    async def recv(self) -> None:
        self.waiter = self.loop.create_future()
        await self.waiter

    def send(self) -> None:
        os.eventfd_write(self.theirs, 1)


async def client_turns(
    place: str, flags: tuple[int, int], measure: Callable[[dict[str, Turn]], Awaitable[None]]
) -> None:
    """Each way to go round, in this process; `measure` runs them."""
    reader, writer = await asyncio.open_unix_connection(place + ".unix")
    busy = await ringway.asyncio.connect(place + ".busy")
    park = await ringway.asyncio.connect(place + ".park", wait="park")
    flag = Flag(*flags)

    async def by_ring(connection: ringway.asyncio.Connection) -> None:
        await connection.send(BYTES)
        await connection.recv()

    async def by_stream() -> None:
        writer.write(BYTES)
        await reader.readexactly(64)

    async def by_flag() -> None:
        waiting = flag.recv()
        flag.send()
        await waiting

    await measure({"park": lambda: by_ring(park), "eventfd": by_flag, "busy": lambda: by_ring(busy), "streams": by_stream})
    writer.close()
    busy.close()
    park.close()


def serve(place: str, flags: tuple[int, int], loops: str) -> None:
    async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(64))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def echo(listener: ringway.asyncio.Listener) -> None:
        async with await listener.accept() as connection:
            async for frame in connection:
                await connection.send(frame)

    async def flagged() -> None:
        flag = Flag(*flags)
        while True:
            await flag.recv()
            flag.send()

    async def main() -> None:
        server = await asyncio.start_unix_server(streams, place + ".unix")
        with ringway.asyncio.listen(place + ".busy") as busy, ringway.asyncio.listen(place + ".park", wait="park") as park:
            beside = asyncio.create_task(flagged())
            await asyncio.gather(echo(busy), echo(park))
        beside.cancel()
        server.close()

    run(loops, main())


def run(loops: str, main: Any) -> None:
    if loops == "uvloop":
        import uvloop

        factory: Any = uvloop.new_event_loop
    else:
        factory = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    loops = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
    rounds = 20

    async def measure(ways: dict[str, Turn]) -> None:
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn in ways.values():
            for _ in range(50):
                await turn()
        for _ in range(rounds):
            for name, turn in ways.items():
                until = time.perf_counter() + seconds / rounds / len(ways)
                count, began = 0, time.perf_counter()
                while (now := time.perf_counter()) < until:
                    for _ in range(20):
                        await turn()
                    count += 20
                took[name].append((now - began) / count * 1e6)
        for name, each in took.items():
            print(f"{loops:8} {name:8} median of {rounds} rounds {statistics.median(each):8.1f} us, best {min(each):8.1f}")

        def pairs(one: str, other: str) -> float:
            return statistics.median(a / b for a, b in zip(took[one], took[other], strict=True))

        print(f"{loops:8} parked against eventfd: {pairs('park', 'eventfd'):.2f} (at most 1.15 is wanted)")
        print(f"{loops:8} busy against streams: {pairs('streams', 'busy'):.1f} times as fast (2 is wanted)")

    with tempfile.TemporaryDirectory() as directory:
        place = directory + "/place"
        one, other = os.eventfd(0), os.eventfd(0)
        server = multiprocessing.get_context("fork").Process(target=serve, args=(place, (other, one), loops))
        server.start()
        while not os.path.exists(place + ".park"):
            time.sleep(0.01)
        run(loops, client_turns(place, (one, other), measure))
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
