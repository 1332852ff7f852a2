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
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import BufferTooShort, reduction
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any

import ringway
from ringway import _ringway
from ringway._early import SWITCH, Early
from ringway._message import BYTES, as_bytes
from ringway._opening import open_in, open_out
from ringway._selected import Selected

if TYPE_CHECKING:
    from typing import Unpack

    from typing_extensions import Buffer

    from ringway._ringway import _Options

_recv_bytes, _recv_object = _ringway._pipe_recv_bytes, _ringway._pipe_recv_object
_send_bytes, _send_object = _ringway._pipe_send_bytes, _ringway._pipe_send_object

__all__ = ["BufferTooShort", "Connection", "Pipe", "wait"]

CAPACITY = 256 << 10
"""Bytes of the ring of each direction, if the option ``capacity`` says nothing else."""


def Pipe(duplex: bool = True, **options: Unpack[_Options]) -> tuple[Connection, Connection]:
    """Two ends. With ``duplex=False`` the first one only receives, and the second one only sends.

    Options are those of ``ringway.connect`` for what an end sends, such as ``capacity`` or ``wait``.
    """
    capacity = options.setdefault("capacity", CAPACITY)
    options.setdefault("peer_capacity", capacity)
    _ringway._check_options("Pipe", **options)
    data = socket.socketpair()
    with data[0], data[1]:
        for end in data:
            end.setblocking(False)
        one, other = _ringway._sockets()
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
        "_quick_in",
        "_readable",
        "_receives",
        "_receiving",
        "_ring",
        "_selected",
        "_sending",
        "_sends",
        "_writable",
    )

    def __init__(self, early: Early, readable: bool, writable: bool) -> None:
        self._early: Early | None = early
        self._readable, self._writable = readable, writable
        # The rings, once they are there; and their halves, once messages go through them: in calls that hold a half for a whole message.
        self._ring: ringway.Connection | None = None
        self._in: ringway.Receiver | None = None
        self._out: ringway.Sender | None = None
        # The same as `_in`, while a receive has nothing else to do.
        self._quick_in: ringway.Receiver | None = None
        # Before, threads take turns here.
        self._receiving, self._sending = threading.Lock(), threading.Lock()
        # The thread that has its turn.
        self._receives = self._sends = 0
        self._selected: Selected | None = None

    # Sending.

    def send(self, obj: Any) -> None:
        """Sends a picklable object."""
        out = self._out
        if out is not None:
            _send_object(out, obj)
            return
        self._check_writable()
        # It may run anything, and is not done twice.
        self._send_early(*_ringway._pipe_dump(obj))

    def send_bytes(self, buf: Buffer, offset: int = 0, size: int | None = None) -> None:
        """Sends bytes of a buffer: those from ``offset`` on, or ``size`` of them."""
        out = self._out
        if out is not None and type(buf) is bytes and offset == 0 and size is None:
            _send_bytes(out, buf)
            return
        self._check_writable()
        view = memoryview(buf)
        if not view.c_contiguous:
            raise BufferError("the buffer is not contiguous")
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
        view = view[offset : offset + size]
        out = self._out
        if out is not None:
            _send_bytes(out, view)
        else:
            self._send_early(BYTES, [view])

    def _send_early(self, kind: int, pieces: list[Any]) -> None:
        """Sends a message in pieces, when there was no ring yet."""
        if self._sends == get_ident():
            raise RuntimeError("a send of this end was interrupted by what sends with it: a signal handler, or a finalizer")
        with self._sending:
            self._sends = get_ident()
            try:
                early = self._early
                if self._out is None and early is not None:
                    if not early.advance() or early.ring is None:
                        early.send(kind, pieces)
                        return
                    early.switch()
                    open_out(self, early, early.ring)
            except (BrokenPipeError, ConnectionResetError) as error:
                self._check_closed()
                raise BrokenPipeError(errno.EPIPE, "Broken pipe") from error
            finally:
                self._sends = 0
            self._check_closed()
            out = self._out
        if out is not None:
            _ringway._pipe_send_pieces(out, kind, pieces)

    # Receiving.

    def recv(self) -> Any:
        """The next object, waiting for it. ``EOFError``: the other side has closed, or ended."""
        receiver = self._quick_in
        if receiver is not None:
            return _recv_object(receiver)
        self._check_readable()
        message = self._recv_early()
        if message is not None:
            return _ringway._pipe_load(*message)
        return self._recv(_recv_object)

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """The next message as bytes; that of an object is its pickle, which is not run. ``OSError``: it is longer than ``maxlength``, and nothing more is received then."""
        receiver = self._quick_in
        if receiver is not None and maxlength is None:
            return _recv_bytes(receiver)
        self._check_readable()
        if maxlength is not None and maxlength < 0:
            raise ValueError("negative maxlength")
        received = self._recv_bytes()
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
            if view.readonly:
                raise TypeError("a buffer is wanted that can be written to")
            if offset < 0:
                raise ValueError("negative offset")
            if offset > target.nbytes:
                raise ValueError("offset too large")
            received = self._recv_bytes()
            size = len(received)
            if target.nbytes < offset + size:
                raise BufferTooShort(received)
            target[offset : offset + size] = received
        return size

    def _recv_bytes(self) -> bytes:
        message = self._recv_early()
        received: bytes = self._recv(_recv_bytes) if message is None else as_bytes(*message)
        return received

    def _recv(self, receive: Callable[[ringway.Receiver], Any]) -> Any:
        """Receives through the ring, or looks into it: either may have slept on the bell of whoever selects."""
        receiver = self._in
        if receiver is None:
            self._check_closed()
            raise EOFError
        try:
            return receive(receiver)
        finally:
            if self._selected is not None:
                self._selected.rearm(self._in)

    def _recv_early(self) -> tuple[int, bytes] | None:
        """A message from before the ring; `None`: what comes from now on comes through it."""
        if self._in is not None:
            return None
        self._check_receives()
        with self._receiving:
            self._receives = get_ident()
            try:
                if self._in is not None:
                    return None
                early = self._early
                if early is None:
                    self._check_closed()
                    raise EOFError
                early.advance()
                kind, payload = early.recv()
                if kind != SWITCH:
                    return kind, payload
                open_in(self, early)
                return None
            finally:
                self._receives = 0

    def _check_receives(self) -> None:
        """Whether this thread has the turn that it would wait for."""
        if self._receives == get_ident():
            raise RuntimeError("a receive of this end was interrupted by what receives with it: a signal handler, or a finalizer")

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
                    return bool(self._recv(partial(_ringway._pipe_poll, timeout=left)))
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
                # Another thread may have closed it.
                self._check_closed()
                return True
            self._check_receives()
            with self._receiving:
                self._receives = get_ident()
                try:
                    if self._in is None and early.sees_switch():
                        early.recv()
                        open_in(self, early)
                except EOFError:
                    return True
                finally:
                    self._receives = 0

    # The rest.

    def fileno(self) -> int:
        """A descriptor for ``select`` and its kin: readable when there is something to receive, or the end. It is no socket or pipe that one reads from."""
        self._check_closed()
        while self._selected is None:
            early, receiver = self._early, self._in
            number = -1 if early is None else early.fileno()
            selected: Selected | None = None
            raised: Exception | None = None
            try:
                selected = Selected(number, receiver)
                if early is not None and number < 0 and receiver is None:
                    # The next receive opens the ring, which one has begun that was interrupted.
                    selected.flag()
            except (OSError, ValueError) as error:
                raised = error
            kept = early is None or early.fileno() == number
            # Another thread may have come to the ring meanwhile, or given the socket up for it, or have come here. No call is between the look and the stores.
            moved = not kept or self._selected is not None or self._in is not receiver or self._early is not early
            if not moved and raised is None:
                # Each receive arms the ring anew.
                self._selected, self._quick_in = selected, None
                continue
            if selected is not None:
                selected.close()
            self._check_closed()
            if raised is not None and not moved:
                raise raised
        return self._selected.fileno()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._early is None and self._ring is None

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
        early, ring = self._early, self._ring
        selected, self._selected = self._selected, None
        self._early = self._ring = self._in = self._quick_in = self._out = None
        if selected is not None:
            selected.close()
        if early is not None:
            ring = ring or early.ring
            early.close()
        if ring is not None:
            ring.close()

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
    receiver = end._in
    if receiver is not None:
        if end._selected is not None:
            # Whoever selects beside this is told by the same bell.
            return [end._selected.fileno()], None
        armed = receiver.arm()
        return [receiver.fileno()], None if armed else 0.001
    early = end._early
    if early is None:
        return [], 0.0
    line = early.line(begin=False)
    number = early.fileno()
    if number < 0:
        # Another thread has come to the ring.
        return [], 0.0
    return [number, *([line] if line >= 0 else [])], None


# Ends travel as descriptors.


def _reduce(end: Connection) -> Any:
    end._check_closed()
    if end._early is None:
        raise ValueError("this end was used here: send an end to another process before anything is sent or received with it")
    line, data, dials, options = end._early.leave()
    copies = reduction.DupFd(line), reduction.DupFd(data)
    return _rebuild, (*copies, dials, options, end._readable, end._writable)


def _rebuild(line: Any, data: Any, dials: bool, options: _Options, readable: bool, writable: bool) -> Connection:
    with socket.socket(fileno=data.detach()) as held:
        early = Early(line.detach(), held.detach(), dials, options)
    return Connection(early, readable, writable)


reduction.register(Connection, _reduce)
