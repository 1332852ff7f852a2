"""The descriptor of an end for whoever selects: the same one from the first call on, whichever way messages come."""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
import select

import ringway
from ringway import _ringway


class Selected:
    """An ``epoll`` instance that is readable while there is something to receive.

    A ring tells of a message only when it has been asked to: that is done behind each call that receives, while this is there.
    """

    __slots__ = ("_epoll", "_flag", "_set")

    def __init__(self, early: int, receiver: ringway.Receiver | None) -> None:
        self._epoll = select.epoll()
        # Readable while the ring is known to have something.
        self._flag = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._set = False
        self._epoll.register(self._flag, select.EPOLLIN)
        if receiver is not None:
            self.switch(-1, receiver)
        elif early >= 0:
            self._epoll.register(early, select.EPOLLIN)

    def fileno(self) -> int:
        """The instance's."""
        return self._epoll.fileno()

    def switch(self, early: int, receiver: ringway.Receiver) -> None:
        """Messages come through the ring from now on."""
        if early >= 0:
            self._epoll.unregister(early)
        self._epoll.register(receiver.fileno(), select.EPOLLIN)
        self.rearm(receiver)

    def rearm(self, receiver: ringway.Receiver | None) -> None:
        """Behind each call that receives."""
        if receiver is None:
            return
        try:
            there = _ringway._glimpse(receiver, 0) or not receiver.arm()
        except Exception:  # the call that follows says it
            there = True
        if there and not self._set:
            os.eventfd_write(self._flag, 1)
        elif self._set and not there:
            os.eventfd_read(self._flag)
        self._set = there

    def close(self) -> None:
        """Closes it."""
        self._epoll.close()
        os.close(self._flag)
