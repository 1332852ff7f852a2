"""Ringway in event loops: asyncio's own, uvloop, and whatever else has ``add_reader``. No threads.

>>> import asyncio, tempfile, ringway.asyncio
>>> async def main(path):
...     async with ringway.asyncio.listen(path) as listener:
...         client, server = await asyncio.gather(ringway.asyncio.connect(path), listener.accept())
...     async with client, server:
...         await client.send(b"hello")
...         print(await server.recv())
...         await client.send_batch([b"1", b"2"])
...         client.close()
...         print([frame async for frame in server])
>>> with tempfile.TemporaryDirectory() as directory:
...     asyncio.run(main(directory + "/place"))
b'hello'
[b'1', b'2']

A call that finds what it wants returns without giving the loop its turn. So that the others of the loop keep their pace:

- a call that finds nothing looks again for at most 20 microseconds (``MOMENT``) before it sleeps, where the peer has answered within that before;
- a connection that always finds something lets the loop go on after at most 64 calls, or 8 calls that had to look again: 160 microseconds of looks.

Cancelling a call loses nothing: a frame is taken by the step of the call that returns it. A connection belongs to one loop at a time, and to the process that made it.
"""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import math
import operator
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import ringway
from ringway import _ringway
from ringway._steps import made
from ringway._watch import Readable, Watch

if TYPE_CHECKING:
    from typing import Unpack

    from typing_extensions import Buffer

    from ringway._ringway import _Options

__all__ = ["MOMENT", "Connection", "Listener", "connect", "listen", "resume"]

T = TypeVar("T")

_glimpse, _lent = _ringway._glimpse, _ringway._lent

MOMENT = 20
"""For so many microseconds, at most, a call looks again while nothing else of the loop runs."""

#: So many looks in a row may be in vain; then so many calls go without one.
_PATIENT, _APART = 4, 64
#: Calls between two turns of the loop, and what a call that had to look again counts for.
_CALLS, _LOOK = 64, 8
#: A half whose peer is about to be gone says so within 200 ms: so often it is asked, in seconds.
_FADING = 0.001


async def connect(name: str | PathLike[str], **options: Unpack[_Options]) -> Connection:
    """Connects, as ``ringway.connect`` does, without holding up the loop: the handshake goes step by step.

    Cancelling it gives the handshake up. Raises as ``ringway.connect``.
    """
    _check(options)
    handshake = _ringway._dial(name, **options)
    return Connection(await made(handshake))


async def resume(name: str | PathLike[str], lost: Connection, timeout: float | None = None, **options: Unpack[_Options]) -> ringway.Resumed[Connection]:
    """Resumes a connection, as ``ringway.resume`` does, without holding up the loop. Cancelling it gives the lost connection back, as it was."""
    _check(options)
    redial = _ringway._redial(name, lost.sync, timeout, **options)
    connection, unseen, in_doubt, broken = await made(redial)
    lost.close()
    return ringway.Resumed(Connection(connection), unseen, in_doubt, broken)


def listen(name: str | PathLike[str], **options: Unpack[_Options]) -> Listener:
    """Listens, as ``ringway.listen`` does.

    >>> import ringway.asyncio
    >>> with ringway.asyncio.listen("orders") as listener:
    ...     listener.closed
    False
    >>> listener.closed
    True
    """
    _check(options)
    return Listener(_ringway.listen(name, **options))


def _check(options: _Options) -> None:
    if options.get("wait") == "spin":
        raise ValueError('wait="spin" never sleeps, and would hold up everything else in the loop: use "adaptive" (the default) or "park"')
    for name in ("sends", "expects"):
        if not isinstance(options.get(name), (ringway.Schema, type(None))):
            raise TypeError(f"{name}: a connection in a loop carries bytes; say {name}=ringway.typed.schema(...), and use encode and decode of ringway.typed")


class Listener:
    """Accepts connections in a loop: ``async for connection in listener``, which ends when it is closed, or was handed over and none is left; or ``await listener.accept()``.

    Handshakes move on only while somebody waits for the next connection.
    """

    def __init__(self, listener: ringway.Listener) -> None:
        """Of a listener that is not used otherwise any more."""
        if not isinstance(listener, ringway.Listener):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a listener in a loop is made of a ringway.Listener, and not of {listener!r}: a typed one is its `untyped`")
        self._inner = listener
        self._accepting: Readable | bool = False

    async def accept(self) -> Connection:
        """The next client that completes its handshake. Cancelling it loses none. ``ringway.Closed``: the listener was closed here; ``ringway.Busy``: it was handed over, and no handshake of its own is left."""
        if self._accepting:
            raise RuntimeError("another task accepts from this listener already: one at a time may")
        self._accepting = True
        try:
            while (accepted := self._inner.try_accept()) is None:
                waits = self._accepting = Readable(self._inner.fileno())
                await waits.wait()
        finally:
            self._accepting = False
        return Connection(accepted)

    def hand_over(self) -> int:
        """Hands the listening socket over to another process, as ``ringway.Listener.hand_over`` does. A task that waits for the next client hears of it."""
        # It looks again when this task gives the loop its turn.
        self._look()
        return self._inner.hand_over()

    def take_back(self) -> None:
        """Takes clients again after it was handed over."""
        self._inner.take_back()

    def close(self) -> None:
        """Ends it, and a wait for the next client. Connections live on."""
        self._look()
        self._inner.close()

    def _look(self) -> None:
        if isinstance(self._accepting, Readable):
            self._accepting.stop()

    @property
    def path(self) -> str:
        """The socket's path."""
        return self._inner.path

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._inner.closed

    @property
    def refusals(self) -> int:
        """Clients whose handshake was refused or failed."""
        return self._inner.refusals

    @property
    def last_refusal(self) -> str | None:
        """Why the last one was refused."""
        return self._inner.last_refusal

    def __aiter__(self) -> AsyncIterator[Connection]:
        return self

    async def __anext__(self) -> Connection:
        # Accepting takes a while: the others have their turn before the next.
        await asyncio.sleep(0)
        try:
            return await self.accept()
        except (ringway.Busy, ringway.Closed):
            raise StopAsyncIteration from None

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ringway.asyncio.Listener of {self._inner!r}>"


class Connection:
    """A connection in a loop: one task receives while any number send, in turns.

    Whatever is no wait is that of ``ringway.Connection``, which ``sync`` gives.
    """

    __slots__ = ("__weakref__", "_calls", "_in", "_out", "_receiver", "_send", "_sync", "_try", "_turns", "_vain")

    def __init__(self, connection: ringway.Connection) -> None:
        """Of a connection that is not used otherwise any more."""
        if not isinstance(connection, ringway.Connection):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a connection in a loop is made of a ringway.Connection, and not of {connection!r}: a typed one is its `untyped`")
        self._sync = connection
        self._in = Watch(connection.receiver, connection.resumable)
        self._out = Watch(connection.sender)
        self._receiver = connection.receiver
        self._try: Callable[[], bytes | None] = connection.receiver.try_recv
        self._send: Callable[..., bool] = connection.sender.try_send
        # Of senders that wait; made by the first, for its loop.
        self._turns: _Turns | None = None
        self._calls = _CALLS
        self._vain = 0

    # Receiving.

    async def recv(self) -> bytes:
        """The next frame, waiting for it.

        Raises ``ringway.Closed`` (an ``EOFError``) when the peer has closed, ``ringway.PeerDied`` when it was killed: at once, and behind the last frame.
        """
        if self._calls <= 0:
            await self._give_way()
        watch = self._in
        if watch.busy is None and (frame := self._try()) is not None:
            self._calls -= 1 + (len(frame) >> 14)
            return frame
        # As `_until`, with fewer calls: each costs a part of what a wake does.
        loop = watch.begin("receives from")
        try:
            if self._looks() and (frame := self._try()) is not None:
                return frame
            idle = 0
            while True:
                if watch.arm():
                    watch.waiter = loop.create_future()
                    await watch.waiter
                    self._calls, idle = _CALLS, 0
                else:
                    await _breathe(idle)
                    idle += 1
                if (frame := self._try()) is not None:
                    return frame
        finally:
            watch.busy = watch.waiter = None

    async def recv_into(self, buffer: Buffer) -> int:
        """Copies the next frame into a buffer, waiting for it; returns its length. ``ringway.Truncated``: the buffer is too short, and the frame stays."""
        # What it cannot be received into is told now, and not when there is a frame.
        _lent(buffer, True)
        return await self._until(lambda: self._receiver.recv_into(buffer, 0))

    async def recv_batch(self, max: int = 64) -> list[bytes]:
        """The frames that are there, at most ``max`` of them; waits for the first."""
        if operator.index(max) < 1:
            raise ValueError(f"max is {max}: it must be at least 1")
        return await self._until(lambda: self._receiver.recv_batch(max, 0))

    async def recv_kind(self) -> tuple[int, bytes]:
        """The next frame, with its kind."""
        return await self._until(lambda: self._receiver.recv_kind(0))

    async def _until(self, take: Callable[[], T]) -> T:
        if self._calls <= 0:
            await self._give_way()
        watch = self._in
        loop = watch.begin("receives from")
        try:
            self._calls -= 1
            sees = _glimpse(self._receiver, 0) or self._looks()
            idle = 0
            while True:
                if sees:
                    try:
                        return take()
                    except ringway.TimedOut:
                        # What was there had expired, or the peer is about to be gone.
                        await _breathe(idle)
                        idle += 1
                if watch.arm():
                    watch.waiter = loop.create_future()
                    await watch.waiter
                    self._calls, idle = _CALLS, 0
                    sees = _glimpse(self._receiver, 0)
                else:
                    # A frame, or an end that is told in its place.
                    sees = True
        finally:
            watch.busy = watch.waiter = None

    def _looks(self) -> bool:
        """Looks for a moment, if that has paid lately."""
        vain = self._vain
        if vain >= _PATIENT:
            self._vain = vain + 1
            if vain < _PATIENT + _APART:
                return False
            self._vain = _PATIENT - 1
        if _glimpse(self._receiver, MOMENT):
            self._vain = 0
            self._calls -= _LOOK
            return True
        self._vain += 1
        return False

    async def _give_way(self) -> None:
        self._calls = _CALLS
        await asyncio.sleep(0)

    # Sending.

    async def send(self, buffer: Buffer, kind: int = 0) -> None:
        """Sends a copy of a buffer, waiting for room. A call that is cancelled has sent nothing."""
        if self._calls <= 0:
            await self._give_way()
        if self._turns is None and self._send(buffer, kind):
            self._calls -= 1
            return
        size = _lent(buffer, False)
        async with self._turn() as watch:
            idle = 0
            while not self._send(buffer, kind):
                if not await watch.sleep(size):
                    await _breathe(idle)
                    idle += 1

    async def send_expiring(self, buffer: Buffer, lifetime: float, kind: int = 0) -> None:
        """Sends a copy of a buffer that is of no use any more ``lifetime`` seconds from now, waiting for room until then: as ``ringway.Connection.send_expiring``. A call that is cancelled has sent nothing."""
        if self._calls <= 0:
            await self._give_way()
        send = self._sync.sender.try_send_expiring
        if not 0 <= lifetime < math.inf:
            # Not first behind those that wait, where it would be a moment of the loop's.
            raise ValueError(f"lifetime is {lifetime}: it must be a number of seconds that is not negative, and ends")
        if self._turns is None and send(buffer, lifetime, kind):
            self._calls -= 1
            return
        ends = asyncio.get_running_loop().time() + lifetime
        # The moment at which it expires lies before it in the ring.
        size = _lent(buffer, False) + 8

        def left() -> float:
            return max(ends - asyncio.get_running_loop().time(), 0.0)

        try:
            async with asyncio.timeout(left()), self._turn() as watch:
                idle = 0
                while not send(buffer, left(), kind):
                    if not await watch.sleep(size):
                        await _breathe(idle)
                        idle += 1
        except TimeoutError as error:
            if isinstance(error, ringway.Error):
                raise
            raise ringway.Expired("the frame has expired before there was room for it") from None

    async def send_batch(self, buffers: Iterable[Buffer], kind: int = 0) -> int:
        """Sends several, published together; returns how many. A call that is cancelled, or fails, has sent so many of them: the attribute ``sent`` of what it raises."""
        left = list(buffers)
        sender, sent = self._sync.sender, 0
        try:
            if self._calls <= 0:
                await self._give_way()
            async with self._turn() as watch:
                idle = 0
                while left:
                    try:
                        sent += sender.send_batch(left, 0, kind)
                        break
                    except ringway.TimedOut as error:
                        now = getattr(error, "sent", 0)
                    sent += now
                    del left[:now]
                    idle = 0 if now else idle
                    size = _lent(left[0], False)
                    if not await watch.sleep(size):
                        await _breathe(idle)
                        idle += 1
        except BaseException as error:
            error.sent = sent + getattr(error, "sent", 0)  # type: ignore[attr-defined]
            raise
        return sent

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[Watch]:
        """A sender's turn among those that wait."""
        loop = asyncio.get_running_loop()
        turns = self._turns
        if turns is None or turns.loop.is_closed():
            turns = self._turns = _Turns(loop)
        turns.waiting += 1
        try:
            async with turns.lock:
                self._out.begin("sends on")
                try:
                    yield self._out
                finally:
                    self._out.end()
        finally:
            turns.waiting -= 1
            # The last one is out: sends that find room need no turn.
            if turns.waiting == 0 and self._turns is turns:
                self._turns = None

    # The rest.

    @property
    def sync(self) -> ringway.Connection:
        """The connection itself, to be asked."""
        return self._sync

    @property
    def peer(self) -> ringway.Peer:
        """Who is at the other end."""
        return self._sync.peer

    @property
    def closed(self) -> bool:
        """Whether it was closed here."""
        return self._sync.closed

    def close(self) -> None:
        """Says goodbye: the peer receives what was sent, and then the end. A task that waits hears ``ringway.Closed``."""
        self._in.stop()
        self._out.stop()
        self._sync.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ringway.Closed as error:
            if type(error) is ringway.Closed and not self._sync.closed:
                raise StopAsyncIteration from None
            raise

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            watches = (self._in, self._out)
        except AttributeError:  # it was never made
            return
        for watch in watches:
            watch.abandon()

    def __repr__(self) -> str:
        return f"<ringway.asyncio.Connection of {self._sync!r}>"


async def _breathe(idle: int) -> None:
    """Lets the loop go on, for longer where nothing changes: a peer that is about to be gone is asked again and again."""
    await asyncio.sleep(0 if idle < 4 else _FADING)


class _Turns:
    """Senders that wait, one behind the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lock = asyncio.Lock()
        self.waiting = 0
