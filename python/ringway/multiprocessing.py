"""A drop-in for ``multiprocessing.Pipe``: the same calls, through shared memory.

>>> from ringway.multiprocessing import Pipe
>>> left, right = Pipe()
>>> left.send(["anything", {"that": "pickles"}])
>>> right.recv()
['anything', {'that': 'pickles'}]
>>> right.send_bytes(b"bytes")
>>> left.recv_bytes()
b'bytes'
>>> left.close()
>>> right.poll()
True
>>> right.recv()
Traceback (most recent call last):
    ...
EOFError

Ends travel to children as those of ``multiprocessing`` do, by ``fork``, ``spawn`` and ``forkserver``, or through another pipe. An end belongs to the process that uses it first:
there the handshake begins. Until both sides are there, messages go through a socket; from then on through rings, with no system call while both are busy.

Receiving an object unpickles it, and a pickle can run anything: use ``recv`` only where the other side is trusted, as with ``multiprocessing``. ``recv_bytes`` trusts nobody.
"""

# What is private is the package's.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Iterable
from multiprocessing import BufferTooShort, reduction
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any

import ringway
from ringway import _ringway
from ringway._early import SWITCH, Early, readable
from ringway._message import BYTES, as_bytes, dump, load
from ringway._rings import ENDS, Incoming, Outgoing
from ringway._selected import Selected

if TYPE_CHECKING:
    from typing import Unpack

    from typing_extensions import Buffer

    from ringway._ringway import _Options

__all__ = ["BufferTooShort", "Connection", "Pipe", "wait"]

CAPACITY = 1 << 20
"""Bytes of the ring of each direction, if the option ``capacity`` says nothing else."""


def Pipe(duplex: bool = True, **options: Unpack[_Options]) -> tuple[Connection, Connection]:
    """Two ends. With ``duplex=False`` the first one only receives, and the second one only sends.

    Options are those of ``ringway.connect`` for what an end sends, such as ``capacity`` or ``wait``.
    """
    capacity = options.setdefault("capacity", CAPACITY)
    options.setdefault("peer_capacity", capacity)
    one, other = _ringway._sockets()
    data = socket.socketpair()
    for end in data:
        end.setblocking(False)
    first = Early(one, data[0].detach(), False, options)
    second = Early(other, data[1].detach(), True, options)
    return Connection(first, True, duplex), Connection(second, duplex, True)


class Connection:
    """One end of a pipe, with the calls of ``multiprocessing.connection.Connection``."""

    __slots__ = (
        "__weakref__",
        "_early",
        "_in",
        "_out",
        "_readable",
        "_receives",
        "_receiving",
        "_selected",
        "_sending",
        "_sends",
        "_writable",
    )

    def __init__(self, early: Early, readable: bool, writable: bool) -> None:
        self._early: Early | None = early
        self._readable, self._writable = readable, writable
        self._in: Incoming | None = None
        self._out: Outgoing | None = None
        # Threads take turns, with whole messages.
        self._receiving, self._sending = threading.Lock(), threading.Lock()
        # The thread that has its turn.
        self._receives = self._sends = 0
        self._selected: Selected | None = None

    # Sending.

    def send(self, obj: Any) -> None:
        """Sends a picklable object."""
        if not self._writable or self._early is None and self._out is None:
            self._check_writable()
        self._send(*dump(obj))

    def send_bytes(self, buf: Buffer, offset: int = 0, size: int | None = None) -> None:
        """Sends bytes of a buffer: those from ``offset`` on, or ``size`` of them."""
        self._check_writable()
        view = memoryview(buf)
        if view.itemsize > 1 or view.ndim != 1:
            view = view.cast("B")
        length = view.nbytes
        if offset < 0:
            raise ValueError("offset is negative")
        if length < offset:
            raise ValueError("buffer length < offset")
        if size is None:
            size = length - offset
        elif size < 0:
            raise ValueError("size is negative")
        elif offset + size > length:
            raise ValueError("buffer length < offset + size")
        self._send(BYTES, [view[offset : offset + size]])

    def _send(self, kind: int, parts: list[Any]) -> None:
        if self._sends == get_ident():
            raise RuntimeError("a send of this end was interrupted by what sends with it: a signal handler, or a finalizer")
        with self._sending:
            self._sends = get_ident()
            try:
                out = self._out
                if out is None:
                    out = self._open_out()
                if out is not None:
                    out.send(kind, parts)
                elif self._early is not None:
                    self._early.send(kind, parts)
            except (*ENDS, BrokenPipeError, ConnectionResetError) as error:
                self._check_closed()
                raise BrokenPipeError(errno.EPIPE, "Broken pipe") from error
            except ringway.Forked as error:
                raise _foreign() from error
            finally:
                self._sends = 0

    def _open_out(self) -> Outgoing | None:
        """The way into the ring, if it is there by now."""
        early = self._early
        if early is None:
            self._check_closed()
        elif early.advance() and early.ring is not None:
            try:
                early.send(SWITCH, [b""])
            except (BrokenPipeError, ConnectionResetError) as error:
                raise BrokenPipeError(errno.EPIPE, "Broken pipe") from error
            self._out = Outgoing(early.ring.sender)
            self._finish_early()
            return self._out
        return None

    # Receiving.

    def recv(self) -> Any:
        """The next object, waiting for it. ``EOFError``: the other side has closed, or ended."""
        if not self._readable or self._in is None:
            self._check_readable()
        return load(*self._recv())

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """The next message as bytes; that of an object is its pickle, which is not run. ``OSError``: it is an object with buffers of 128 KiB or more beside its pickle (an array), which is lost; or it is longer than ``maxlength``, and nothing more is received then."""
        self._check_readable()
        if maxlength is not None and maxlength < 0:
            raise ValueError("negative maxlength")
        received = as_bytes(*self._recv())
        if maxlength is not None and len(received) > maxlength:
            if self._writable:
                self._readable = False
            else:
                self.close()
            raise OSError("bad message length")
        return received

    def recv_bytes_into(self, buf: Buffer, offset: int = 0) -> int:
        """Receives a message into a buffer, from ``offset`` on; returns its length. ``BufferTooShort``, with the message: there is no room for it."""
        self._check_readable()
        with memoryview(buf) as view, view.cast("B") as target:
            if offset < 0:
                raise ValueError("negative offset")
            if offset > target.nbytes:
                raise ValueError("offset too large")
            received = as_bytes(*self._recv())
            size = len(received)
            if target.nbytes < offset + size:
                raise BufferTooShort(received)
            target[offset : offset + size] = received
        return size

    def _recv(self) -> tuple[int, Any]:
        if self._receives == get_ident():
            raise RuntimeError("a receive of this end was interrupted by what receives with it: a signal handler, or a finalizer")
        with self._receiving:
            self._receives = get_ident()
            try:
                incoming = self._in
                if incoming is None:
                    got = self._recv_early()
                    if got is not None:
                        return got
                    incoming = self._in
                assert incoming is not None
                return incoming.recv()
            except ENDS as error:
                self._check_closed()
                if self._in is not None and self._in.amid:
                    raise OSError("got end of file during message") from error
                raise EOFError from error
            except ringway.Forked as error:
                raise _foreign() from error
            finally:
                self._receives = 0
                if self._selected is not None:
                    self._selected.rearm(self._in)

    def _recv_early(self) -> tuple[int, Any] | None:
        """A message from before the ring; `None`: what comes from now on comes through it."""
        early = self._early
        if early is None:
            self._check_closed()
            raise EOFError
        early.advance()
        kind, payload = early.recv()
        if kind != SWITCH:
            return kind, payload
        self._open_in(early)
        return None

    def _open_in(self, early: Early) -> None:
        while not early.advance():
            # What is missing lies in the line already, or its sender is gone.
            if (line := early.line()) < 0 or not readable([line], 1):
                raise EOFError
        assert early.ring is not None
        self._in = Incoming(early.ring.receiver)
        if self._selected is not None:
            self._selected.switch(early.fileno(), self._in)
        self._finish_early()

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is something to receive, or the end; waits for it so many seconds, or with `None` for ever."""
        self._check_readable()
        if timeout is not None and timeout < 0:
            timeout = 0.0
        return self._poll(timeout)

    def _poll(self, timeout: float | None) -> bool:
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            if self._in is not None:
                try:
                    return self._in.poll(left)
                except ringway.TimedOut:  # another thread receives
                    return False
                except ringway.Forked as error:
                    raise _foreign() from error
                except ringway.Closed:
                    self._check_closed()
                    raise
            early = self._early
            if early is None:
                self._check_closed()
                return True
            if not early.poll(left):
                return False
            if not early.sees_switch():
                return True
            with self._receiving:
                if self._in is None and early.sees_switch():
                    try:
                        early.recv()
                        self._open_in(early)
                    except EOFError:
                        return True

    # The rest.

    def fileno(self) -> int:
        """A descriptor for ``select`` and its kin: readable when there is something to receive, or the end. It is no socket or pipe that one reads from."""
        self._check_closed()
        if self._selected is None:
            early = self._early
            self._selected = Selected(-1 if early is None else early.fileno(), self._in)
        return self._selected.fileno()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._early is None and self._in is None and self._out is None

    @property
    def readable(self) -> bool:
        """Whether one can receive."""
        return self._readable

    @property
    def writable(self) -> bool:
        """Whether one can send."""
        return self._writable

    def close(self) -> None:
        """Closes this end. The other one receives what was sent, and then the end."""
        early, incoming, out = self._early, self._in, self._out
        selected, self._selected = self._selected, None
        self._early = self._in = self._out = None
        if selected is not None:
            selected.close()
        if early is not None:
            ring = early.ring
            early.close()
            if ring is not None:
                ring.close()
        if out is not None:
            out.close()
        if incoming is not None:
            incoming.close()

    def _finish_early(self) -> None:
        """Gives up the socket when nothing passes through it any more."""
        early = self._early
        needed = self._readable and self._in is None or self._writable and self._out is None
        if early is None or early.ring is None or needed:
            return
        ring = early.ring
        # Both halves live until this end is closed: the other side hears by them that it is there.
        if self._in is None:
            self._in = Incoming(ring.receiver)
        if self._out is None:
            self._out = Outgoing(ring.sender)
        self._early = None
        early.close()

    def _check_closed(self) -> None:
        if self.closed:
            raise OSError("handle is closed")

    def _check_readable(self) -> None:
        self._check_closed()
        if not self._readable:
            raise OSError("connection is write-only")

    def _check_writable(self) -> None:
        self._check_closed()
        if not self._writable:
            raise OSError("connection is read-only")

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # as for a file, nobody is there to hear it
            pass

    def __reduce__(self) -> Any:
        raise TypeError(
            "an end of a pipe is pickled by multiprocessing only: as an argument of a process, or sent through another pipe"
        )

    def __repr__(self) -> str:
        state = "closed" if self.closed else "socket" if self._early is not None else "ring"
        return f"<ringway.multiprocessing.Connection {state}>"


def _foreign() -> OSError:
    return OSError(
        errno.EPERM,
        "this end belongs to the process that forked this one, which has used it: fork before an end is used",
    )


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Waits until some of the objects are ready, and returns those: ends of these pipes, and whatever ``multiprocessing.connection.wait`` takes (ends of its own, sockets, sentinels of processes).

    >>> from ringway.multiprocessing import Pipe, wait
    >>> (one, a), (two, b) = Pipe(), Pipe()
    >>> b.send("here")
    >>> wait([one, two]) == [two]
    True
    """
    objects = list(object_list)
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        ready = {id(one) for one in objects if isinstance(one, Connection) and one.poll()}
        poll = select.poll()
        pause: float | None = None
        owners: dict[int, list[Any]] = {}
        for one in objects:
            if isinstance(one, Connection):
                fds, again = _armed(one)
                pause = again if pause is None else pause
            else:
                fds = [one if isinstance(one, int) else one.fileno()]
            for fd in fds:
                owners.setdefault(fd, []).append(one)
                poll.register(fd, select.POLLIN)
        left = None if until is None else max(0.0, until - time.monotonic())
        if ready:
            left = 0.0
        elif pause is not None:
            left = pause if left is None else min(left, pause)
        for fd, _ in poll.poll(None if left is None else -(-left * 1000 // 1)):
            ready.update(id(one) for one in owners[fd] if not isinstance(one, Connection))
        if ready or (until is not None and time.monotonic() >= until):
            return [one for one in objects if id(one) in ready]


def _armed(end: Connection) -> tuple[list[int], float | None]:
    """What tells of an end that has nothing to receive, and after how many seconds it is to be looked at again."""
    if end._in is not None:
        receiver = end._in.receiver
        armed = receiver.arm()
        return [receiver.fileno()], None if armed else 0.001
    early = end._early
    if early is None:
        return [], 0.0
    line = early.line(begin=False)
    return [early.fileno(), *([line] if line >= 0 else [])], None


# Ends travel as descriptors.


def _reduce(end: Connection) -> Any:
    end._check_closed()
    if end._early is None:
        raise ValueError(
            "this end was used here: send an end to another process before anything is sent or received with it"
        )
    line, data, dials, options = end._early.leave()
    copies = reduction.DupFd(line), reduction.DupFd(data)
    return _rebuild, (*copies, dials, options, end._readable, end._writable)


def _rebuild(
    line: Any, data: Any, dials: bool, options: _Options, readable: bool, writable: bool
) -> Connection:
    early = Early(line.detach(), data.detach(), dials, options)
    return Connection(early, readable, writable)


reduction.register(Connection, _reduce)
