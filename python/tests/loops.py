"""What tests of event loops share: a run under each loop, and pairs of a connection in the loop and one beside it."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

import ringway
import ringway.asyncio
from conftest import HANDSHAKE

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}

each_loop = pytest.mark.parametrize("loops", LOOPS.values(), ids=LOOPS)


def run(factory: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Any]) -> Any:
    """Runs it with debug checks and a limit; complaints of the loop fail the test."""
    complaints: list[dict[str, Any]] = []

    async def guarded() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        return await asyncio.wait_for(main, 60)

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(guarded())
    gc.collect()
    assert not complaints, complaints
    return result


async def connected(place: str, **options: Any) -> tuple[ringway.asyncio.Connection, ringway.asyncio.Connection]:
    """Server and client, both in the loop."""
    options.setdefault("handshake_timeout", HANDSHAKE)
    with ringway.asyncio.listen(place, **options) as listener:
        client, server = await asyncio.gather(
            ringway.asyncio.connect(place, **options), listener.accept()
        )
    return server, client


@contextlib.asynccontextmanager
async def half_here(place: str, **options: Any) -> AsyncGenerator[tuple[ringway.asyncio.Connection, ringway.Connection]]:
    """One in the loop, and its peer beside it, as if in another process."""
    options.setdefault("peer_capacity", options.get("capacity", 256 << 10))
    here, there = await connected(place, **options)
    # It is not used in the loop: the wrapper has registered nothing.
    peer = there.sync
    try:
        async with here:
            yield here, peer
    finally:
        peer.close()


def watched(*connections: ringway.asyncio.Connection) -> list[int]:
    """What is registered of them, of each half: copies of their descriptors."""
    halves = [half for one in connections for half in (one._in, one._out)]  # pyright: ignore[reportPrivateUsage]
    return [half._fd for half in halves if half._fd >= 0]  # pyright: ignore[reportPrivateUsage]


def registered(loop: asyncio.AbstractEventLoop, *fds: int) -> list[int]:
    """Those that have a reader, which they lose."""
    return [fd for fd in fds if loop.remove_reader(fd)]


async def turns(count: int) -> None:
    """Lets the loop go round so many times."""
    for _ in range(count):
        await asyncio.sleep(0)
