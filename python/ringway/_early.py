"""The way of messages before the rings are there: a socket, as that of `multiprocessing`, while the handshake goes step by step beside it."""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import errno
import operator
import os
import select
import socket
import struct
import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import ringway
from ringway import _ringway

if TYPE_CHECKING:
    from ringway._ringway import _Handshake, _Options

#: What is sent from here on comes through the ring.
SWITCH = 99
#: Before each message: its kind, and its bytes.
_HEAD = struct.Struct("!BQ")
_SWITCHING = _HEAD.pack(SWITCH, 0)
#: The kernel takes so many pieces at a time.
_PIECES = 512


class _Socket(socket.socket):
    """Closed without a warning when nobody has it any more, as ends are."""

    def __del__(self) -> None:
        self.close()


class Early:
    """One end before its ring is there. Whatever is begun here is finished here, by the next call if the one at hand is interrupted.

    A signal's handler that raises comes behind a call, and what that returned is lost. So what must not be is put into a list by the call itself (``extend`` and ``map`` are one), and
    taken from there by stores, between which no handler comes.
    """

    __slots__ = (
        "_begun",
        "_handshake",
        "_left",
        "_line",
        "_made",
        "_message",
        "_options",
        "_owner",
        "_read",
        "_sent",
        "_socket",
        "_steps",
        "_switched",
        "dials",
        "ring",
    )

    def __init__(self, line: int, data: int, dials: bool, options: _Options) -> None:
        self._line = line
        self._socket = _Socket(fileno=data)
        self._options = options
        self.dials = dials
        self._handshake: _Handshake | None = None
        self._owner = 0
        # A thread takes the handshake on.
        self._steps = False
        # What beginning it has given, and its last step.
        self._begun: list[_Handshake] = []
        self._made: list[ringway.Connection | Literal[False] | None] = []
        # What is still to be written of the message at hand.
        self._left: list[Any] = []
        # How much of that was written, but not taken out yet.
        self._sent: list[int] = []
        # The switch was among it.
        self._switched = False
        # What has been read of it: kind and size; pieces of its head, or of itself.
        self._message: tuple[int, int] | None = None
        self._read: list[bytes] = []
        self.ring: ringway.Connection | None = None

    # What travels to another process.

    def leave(self) -> tuple[int, int, bool, _Options]:
        """The descriptors of the two sockets, for another process, and what else an end is made of."""
        if self._owner or self._left or self._message or self._read:
            raise ValueError(
                "this end was used here: send an end to another process before anything is sent or received with it"
            )
        return self._line, self._socket.fileno(), self.dials, self._options

    # The handshake.

    def _check_owner(self) -> None:
        if self._owner and self._owner != os.getpid():
            raise OSError(
                errno.EPERM,
                "this end belongs to the process that forked this one, which has used it: fork before an end is used",
            )

    def advance(self, begin: bool = True) -> bool:
        """Takes the handshake as far as it goes now. Whether the ring is there. Who only looks does not `begin` it: the end is still anybody's."""
        if self.ring is not None:
            return True
        self._check_owner()
        if self._handshake is None and (self._line < 0 or not begin):
            return False
        # No lock: a handler that raises comes behind a call, and so behind that which takes one.
        if self._steps:
            return False
        self._steps = True
        try:
            return self._step()
        finally:
            self._steps = False

    def _step(self) -> bool:
        if self.ring is not None or (self._handshake is None and self._line < 0):
            return self.ring is not None
        if self._handshake is None:
            # Who answers belongs to no process until it is spoken to.
            if not (self.dials or self._begun or readable([self._line], 0)):
                return False
            if not self._begun:
                way = _ringway._dial_on if self.dials else _ringway._answer_on
                begin = partial(way, self._line, **self._options)
                self._owner = os.getpid()
                try:
                    self._begun.extend(map(operator.call, (begin,)))
                except ringway.Error as error:
                    self._line = -1
                    return self._stay(error)
            self._handshake, self._line = self._begun[0], -1
        made = self._made
        if not (made and made[0]):
            made.clear()
            try:
                made.extend(map(operator.call, (self._handshake.step,)))
            except ringway.PeerGone:
                # The socket tells the end.
                self._handshake = None
                return False
            except ringway.Error as error:
                return self._stay(error)
        if not made[0]:
            return False
        self.ring = made[0]
        self._handshake = None
        made.clear()
        return True

    def _stay(self, error: ringway.Error) -> bool:
        self._handshake = None
        warnings.warn(
            f"a pipe goes on through its socket, slowly, since it got no ring: {error}",
            RuntimeWarning,
            stacklevel=5,
        )
        return False

    def finish(self) -> bool:
        """Takes the handshake to its end, when what is missing of it lies in the line already. Whether the ring is there; else its sender is gone."""
        while not self.advance():
            line = self.line()
            if line >= 0 and readable([line], 1):
                continue
            # Unless another thread takes it on, or has done so since, and what was missing is in its hands.
            if self.ring is None and not self._steps:
                return False
            time.sleep(0.001)
        return True

    def line(self, begin: bool = True) -> int:
        """What becomes readable when the handshake has something to do; or -1. Who does not begin it has nothing to do before."""
        if self._line >= 0:
            return self._line if begin else -1
        return -1 if self._handshake is None else self._handshake.fileno()

    # Writing.

    def send(self, kind: int, pieces: list[Any]) -> None:
        """Sends a message, waiting for room."""
        self._check_owner()
        self.flush()
        head = _HEAD.pack(kind, sum(map(len, pieces)))
        self._left = [memoryview(piece) for piece in (head, *pieces) if len(piece)]
        self.flush()

    def flush(self) -> None:
        """Writes what is left of a message."""
        while self._left:
            if not self._sent:
                pieces = self._left[:_PIECES]
                try:
                    self._sent.extend(map(self._socket.sendmsg, (pieces,), ((),), (socket.MSG_NOSIGNAL,)))
                except BlockingIOError:
                    self._sleep_until_writable()
                    continue
            left = _behind(self._left, self._sent[0])
            self._left, self._sent = left, []

    def switch(self) -> None:
        """Says that what is sent from here on comes through the ring: once, as nobody may be at the socket behind that."""
        self._check_owner()
        self.flush()
        if not self._switched:
            left = [memoryview(_SWITCHING)]
            self._left, self._switched = left, True
            self.flush()

    def _sleep_until_writable(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if (line := self.line()) >= 0:
            poll.register(line, select.POLLIN)
        poll.poll()
        self.advance()

    # Reading.

    def recv(self) -> tuple[int, bytes]:
        """The next message: its kind, and its bytes. Waits for it."""
        self._check_owner()
        while (message := self._try_recv()) is None:
            self.sleep(None)
            self.advance()
        return message

    def _try_recv(self) -> tuple[int, bytes] | None:
        """What has come of the message at hand is kept."""
        if self._message is None:
            if not self._fill(_HEAD.size):
                return None
            # A handler that raises comes behind a call: behind both of these, or before them.
            head = b"".join(self._read)
            self._message, self._read = _HEAD.unpack(head), []
        kind, size = self._message
        if kind == SWITCH:
            # It stays: what opens the ring may be interrupted, and is done again then.
            return kind, b""
        if not self._fill(size):
            return None
        payload = b"".join(self._read)
        self._message, self._read = None, []
        return kind, payload

    def _fill(self, size: int) -> bool:
        """Reads until what is at hand has so many bytes, and not a byte further: whether it has."""
        while (missing := size - sum(map(len, self._read))) > 0:
            try:
                # One call: no handler that raises comes between what is read and where it is kept.
                self._read.extend(map(self._socket.recv, (min(missing, 1 << 18),)))
            except BlockingIOError:
                return False
            except ConnectionResetError:
                self._read.append(b"")
            if not self._read[-1]:
                self._read.pop()
                if self._message is not None or self._read:
                    raise OSError("got end of file during message")
                raise EOFError
        return True

    def sleep(self, timeout: float | None, begin: bool = True) -> bool:
        """Waits until there is something to read, or for the handshake. Whether it is for the reader, who is also to look where another thread has given the socket up."""
        line = self.line(begin)
        number = self._socket.fileno()
        if number < 0:
            return True
        return number in readable([number, line] if line >= 0 else [number], timeout)

    def poll(self, timeout: float | None) -> bool:
        """Whether there is something to read, a switch or an end too. Waits for it."""
        self._check_owner()
        if self._message is not None and self._message[0] == SWITCH:
            return True
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self.advance(begin=False)
            left = None if until is None else max(0.0, until - time.monotonic())
            if self.sleep(left, begin=False):
                return True
            if until is not None and time.monotonic() >= until:
                return False

    def sees_switch(self) -> bool:
        """Whether what is to be read next is the switch, whole."""
        if self._message is not None:
            return self._message[0] == SWITCH
        if self._read:
            return False
        try:
            return self._socket.recv(len(_SWITCHING), socket.MSG_PEEK) == _SWITCHING
        except OSError:
            return False

    # The end.

    def end_reading(self) -> None:
        """Nothing comes through the socket any more: whoever sleeps on it is woken."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes the socket, and gives up the handshake if it is under way. A ring that is there is the caller's."""
        self._socket.close()
        line, self._line = self._line, -1
        self._handshake = None
        if not self._begun:
            if line >= 0:
                os.close(line)
        elif self.ring is None:
            # The descriptor is its own.
            self._begun[0].close()


def _behind(pieces: list[Any], sent: int) -> list[Any]:
    """What is left of the pieces when so many bytes were written."""
    left = list(pieces)
    while sent:
        first = left[0]
        if sent < len(first):
            left[0] = first[sent:]
            break
        sent -= len(first)
        del left[0]
    return left


def readable(fds: Iterable[int], timeout: float | None) -> list[int]:
    """Those that are readable, or closed; waits for one."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    milliseconds = None if timeout is None else -(-timeout * 1000 // 1)
    return [fd for fd, _ in poll.poll(milliseconds)]
