"""How one half of a connection waits in an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any


class Watch:
    """The reader of one half's descriptor in a loop.

    It stays registered between two waits: taking it out and putting it in again costs a system call each. What rings while nobody waits is
    collected at once, so that a loop is woken for it once and not all the time. Where that would say too much (`keeps`), it is taken out by the first that rings then.

    What is registered is a descriptor of this object's own. A half may be closed by itself (``sync.receiver.close()``), and whoever got the number of its descriptor then would be taken by the loop for one that it watches already. The close rings by it: whoever waits hears of that too.
    """

    __slots__ = ("_fd", "_half", "_keeps", "_loop", "_pid", "_size", "_thread", "arm", "busy", "waiter")

    def __init__(self, half: Any, keeps: bool = False) -> None:
        self._half = half
        # Who arms is finished with what was received, which the task may have in hand while it does not wait.
        self._keeps = keeps
        # A copy of the half's, as long as it is registered.
        self._fd = -1
        self.arm: Callable[..., bool] = half._arm
        # What `arm` is told: how much room is wanted, of a half that sends.
        self._size: tuple[int, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waiter: asyncio.Future[None] | None = None
        # Where the reader is registered.
        self._pid = self._thread = 0
        # The loop whose task waits, or is about to.
        self.busy: asyncio.AbstractEventLoop | None = None

    def begin(self, what: str) -> asyncio.AbstractEventLoop:
        """Says that a task waits from now on, in the running loop."""
        loop = asyncio.get_running_loop()
        if self.busy is not None and not self.busy.is_closed():
            raise RuntimeError(
                f"another task {what} this connection already: one task at a time may, others through a queue of their own"
            )
        if self._loop is not loop:
            self._enter(loop)
        self.busy = loop
        return loop

    def end(self) -> None:
        """Nobody waits any more."""
        self.busy = None
        self.waiter = None

    async def sleep(self, *size: int) -> bool:
        """Sleeps until it is worth looking again. False: at once, it did not sleep."""
        loop = self.busy
        assert loop is not None
        self._size = size
        if not self.arm(*size):
            return False
        waiter = self.waiter = loop.create_future()
        try:
            await waiter
        finally:
            self.waiter = None
        return True

    def _rang(self) -> None:
        if self._keeps and self.busy is None:
            self.stop()
            return
        # Arming collects what rang. It says whether there is something; if not, the sleeper goes on sleeping.
        try:
            armed = self.arm(*self._size)
        except Exception:  # the call that follows says it
            armed = False
            if self.waiter is None:
                self.stop()
        waiter = self.waiter
        if waiter is not None and not armed and not waiter.done():
            waiter.set_result(None)

    def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        # In a forked child it says so, and nothing is registered.
        self.arm(*self._size)
        pid = os.getpid()
        old = self._loop
        if old is not None and not old.is_closed() and self._pid == pid:
            if old.is_running():
                raise RuntimeError(
                    "this connection is used in another event loop, which is running: a connection belongs to one loop at a time"
                )
            old.remove_reader(self._fd)
        self._loop = None
        self.waiter = None
        if self._fd < 0:
            self._fd = os.dup(self._half.fileno())
        loop.add_reader(self._fd, self._rang)
        self._loop = loop
        self._pid, self._thread = pid, threading.get_ident()

    def stop(self) -> None:
        """Takes the reader out and wakes who sleeps. To be called before the half is closed."""
        loop, self._loop = self._loop, None
        waiter = self.waiter
        # In a forked child the loop's epoll is the parent's too.
        if loop is not None and not loop.is_closed() and self._pid == os.getpid():
            loop.remove_reader(self._fd)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        self._give_back()

    def _give_back(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def abandon(self) -> None:
        """The same, of a connection that nobody has any more, on whichever thread."""
        loop = self._loop
        if loop is None or loop.is_closed() or self._pid != os.getpid() or self._thread == threading.get_ident():
            self.stop()
            return
        try:
            loop.call_soon_threadsafe(self.stop)
        except RuntimeError:  # it was closed meanwhile
            self._give_back()


class Readable:
    """A wait for a descriptor that leaves no reader behind."""

    __slots__ = ("_fd", "_loop", "_registered", "_timer", "_waiter")

    def __init__(self, fd: int, timeout: float | None = None) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._waiter: asyncio.Future[None] = loop.create_future()
        self._timer = None if timeout is None else loop.call_later(timeout, self.stop)
        loop.add_reader(fd, self.stop)
        self._registered = True

    async def wait(self) -> None:
        """Until it is readable, or for so many seconds."""
        try:
            await self._waiter
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends it. To be called before the descriptor is closed."""
        if self._registered:
            self._registered = False
            self._loop.remove_reader(self._fd)
            if self._timer is not None:
                self._timer.cancel()
        if not self._waiter.done():
            self._waiter.set_result(None)
