"""The descriptor of an end for whoever selects: the same one from the first call on, whichever way messages come."""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import select
from contextlib import suppress

import ringway
from ringway import _ringway


class Selected:
    """An ``epoll`` instance that is readable while there is something to receive.

    A ring tells of a message only when it has been asked to: that is done behind each call that receives, while this is there.
    """

    __slots__ = ("_arms", "_asked", "_epoll", "_flag", "_pid", "_set")

    def __init__(self, early: int, receiver: ringway.Receiver | None) -> None:
        self._epoll = select.epoll()
        # Readable while the ring is known to have something.
        self._flag = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._set = False
        # A thread arms it; and it is to be armed.
        self._arms = self._asked = False
        try:
            self._pid = os.getpid()
            self._epoll.register(self._flag, select.EPOLLIN)
            if receiver is not None:
                self.switch(-1, receiver)
            elif early >= 0:
                self._epoll.register(early, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The instance's."""
        return self._epoll.fileno()

    def flag(self) -> None:
        """There may be something, until it is armed again."""
        self._set = True
        os.eventfd_write(self._flag, 1)

    def switch(self, early: int, receiver: ringway.Receiver) -> None:
        """Messages come through the ring from now on. Done again if it is interrupted."""
        with suppress(FileExistsError):
            self._epoll.register(receiver.fileno(), select.EPOLLIN)
        if early >= 0:
            with suppress(FileNotFoundError):
                self._epoll.unregister(early)
        self.rearm(receiver)

    def rearm(self, receiver: ringway.Receiver | None) -> None:
        """Behind each call that receives. One thread at a time does it, and once more for those that have come meanwhile."""
        if receiver is None:
            return
        self._asked = True
        # No call is between a look at these and the stores.
        while self._asked and not self._arms:
            self._arms = True
            try:
                self._asked = False
                self._arm(receiver)
            finally:
                self._arms = False

    def _arm(self, receiver: ringway.Receiver) -> None:
        try:
            there = _ringway._glimpse(receiver, 0) or not receiver.arm()
        except Exception:  # the call that follows says it
            there = True
        # In a forked child the flag is the parent's too, which selects by it.
        if there == self._set or os.getpid() != self._pid:
            return
        # Together: a handler that raises comes behind a call.
        self._set = there
        if there:
            os.eventfd_write(self._flag, 1)
        else:
            os.eventfd_read(self._flag)

    def close(self) -> None:
        """Closes it."""
        self._epoll.close()
        os.close(self._flag)
