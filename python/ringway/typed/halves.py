"""The two halves of a connection that carries messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import ringway._ringway as native
from ringway.typed.lane import Lane, Reader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

S = TypeVar("S")
R = TypeVar("R")

NOTHING = object()

_KEPT = "`fill` has kept the array, or a part of it: nothing was sent, and this half is in use until what was kept is deleted"


class Sender(Generic[S]):
    """The half that sends messages of `S`. Threads that call it at the same time take turns."""

    __slots__ = ("_send", "_try_send", "lane", "untyped")

    untyped: native.Sender
    """The half that sends bytes. What is sent with it should be messages of the lane; the peer checks them."""
    lane: Lane[S] | None
    """What it carries; ``None``: bytes."""

    def __init__(self, untyped: native.Sender, lane: Lane[S] | None) -> None:
        self.untyped, self.lane = untyped, lane
        self._send, self._try_send = untyped.send, untyped.try_send

    def send(self, message: S, timeout: float | None = None) -> None:
        """Sends a message, waiting for room.

        Raises :class:`ringway.typed.Invalid` for a value that its field cannot hold, ``TypeError`` for what the lane does not carry, and what
        :meth:`ringway.Connection.send` raises.
        """
        if self.lane is None:
            self._send(cast(Any, message), timeout)
            return
        kind, payload = self.lane.encode(message)
        self._send(payload, timeout, kind)

    def send_expiring(self, message: S, lifetime: float) -> None:
        """Sends a message that is of no use any more ``lifetime`` seconds from now: as :meth:`ringway.Connection.send_expiring`."""
        kind, payload = (0, cast(Any, message)) if self.lane is None else self.lane.encode(message)
        self.untyped.send_expiring(payload, lifetime, kind)

    def try_send(self, message: S) -> bool:
        """Sends a message if there is room now; whether it did."""
        if self.lane is None:
            return self._try_send(cast(Any, message))
        kind, payload = self.lane.encode(message)
        return self._try_send(payload, kind)

    def send_batch(self, messages: Iterable[S], timeout: float | None = None) -> int:
        """Sends messages, each in a frame of its own, as many together as there is room for; how many. All of them are encoded before the first is sent.

        An exception has the attribute ``sent``: how many were sent before it.
        """
        if self.lane is None:
            return self.untyped.send_batch(cast(Any, messages), timeout)
        frames = [self.lane.encode(message) for message in messages]
        done: list[int] = []
        start = 0
        try:
            while start < len(frames):
                kind = frames[start][0]
                end = start
                while end < len(frames) and frames[end][0] == kind:
                    end += 1
                payloads = [payload for _, payload in frames[start:end]]
                # A signal's handler that raises comes behind a call, and what that returned is lost: so the call itself puts it there.
                done.extend(map(self.untyped.send_batch, [payloads], [timeout], [kind]))
                start = end
        except BaseException as error:
            error.sent = sum(done) + getattr(error, "sent", 0)  # type: ignore[attr-defined]
            raise
        return start

    def send_array(self, array: NDArray[Any], timeout: float | None = None, *, of: type | None = None, together: bool = False) -> int:
        """Sends the elements of a structured array as messages, each in a frame of its own, or with ``together`` all of them in one frame; how many.

        Its dtype is that of the message (:func:`ringway.typed.dtype`); an array of another one with the same fields is copied. ``of`` says which message of several it is.
        Raises :class:`ringway.typed.Invalid` for bytes that are no value of their field.
        """
        from ringway.typed import arrays

        made, kind = self._kind_of(of)
        ready = arrays.ready(made, array)
        if together:
            if len(ready):
                self.untyped.send(cast(Any, ready), timeout, kind)
            return len(ready)
        return self.untyped.send_batch_from(cast(Any, ready), ready.dtype.itemsize, timeout, kind)

    def fill_array(self, count: int, fill: Callable[[NDArray[np.void]], object], timeout: float | None = None, *, of: type | None = None) -> None:
        """Sends `count` messages in one frame, which ``fill`` writes where they lie in the ring: they are copied nowhere on this side.

        ``fill`` is called with a structured array, of which each element has the defaults of its fields, as :func:`ringway.typed.array` makes it; it keeps neither the array nor a part of it. What it raises is
        raised, and then nothing is sent; the variables of the functions that it came through are cleared. Meanwhile the half is in use (:class:`ringway.InUse`). For no messages it is not called. Raises :class:`ringway.typed.Invalid` for bytes that are no value of their field, and ``BufferError`` if something is kept.
        """
        from ringway.typed import arrays

        made, kind = self._kind_of(of)
        if count < 0:
            raise ValueError(f"count is {count}: so many messages cannot be sent")
        size = arrays.dtype(made).itemsize * count
        if size:
            reservation = self.untyped.reserve(size, timeout, kind)
            with reservation as memory:
                arrays.fill(made, memory, fill)
                try:
                    reservation.commit()
                except BufferError as error:
                    raise BufferError(_KEPT) from error

    def _kind_of(self, of: type | None) -> tuple[Any, int]:
        """Which message of the lane an array has, and its kind."""
        if self.lane is None:
            raise TypeError("this side sends bytes: say what they are with sends=")
        made = self.lane.only if of is None else of
        return made, self.lane.kind_of(made)

    def arm(self, size: int = 0, *, aligned: bool = False, expiring: bool = False) -> bool:
        """As :meth:`ringway.Sender.arm`."""
        return self.untyped.arm(size, aligned=aligned, expiring=expiring)

    def fileno(self) -> int:
        """The descriptor that event loops poll."""
        return self.untyped.fileno()

    def close(self) -> None:
        """Ends the half in order: the peer reads what was sent, and then the end."""
        self.untyped.close()

    @property
    def closed(self) -> bool:
        """Whether this side has closed it."""
        return self.untyped.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Receiver(Generic[R]):
    """The half that receives messages of `R`. Threads that call it at the same time take turns at the frames."""

    # What is kept here is given out whole or not at all, whatever a signal's handler raises meanwhile. Handlers run, and other threads have their turn, behind a call and where a function or a turn of a loop
    # begins: so what is kept changes in statements that make no call, once it is seen that `given` is what it was, and is returned by the next one.
    __slots__ = ("_decoders", "_recv_kind", "frames", "given", "later", "reader", "untyped")

    untyped: native.Receiver
    """The half that receives bytes."""
    reader: Reader[R] | None
    """How frames are read; ``None``: they are bytes."""
    later: list[Any]
    """Messages of frames that were received and not given out yet, and errors in their place. For :mod:`ringway.typed.arrays`, as the next two."""
    frames: list[tuple[int, bytes] | None]
    """Frames behind those, by kind and payload."""
    given: int
    """How often something was given out of `later`."""

    def __init__(self, untyped: native.Receiver, reader: Reader[R] | None) -> None:
        self.untyped, self.reader = untyped, reader
        self._recv_kind = untyped.recv_kind
        self._decoders = {} if reader is None else reader.decoders
        self.later, self.frames, self.given = [], [], 0

    def recv(self, timeout: float | None = None) -> R:
        """The next message, waiting for it.

        Raises :class:`ringway.typed.Invalid` for a frame that is none: it is consumed, and the connection goes on. Else as :meth:`ringway.Connection.recv`.
        """
        if self.later or self.frames:
            kept: Any = self._next_kept()
            if kept is not NOTHING:
                message: R = kept
                return message
        kind, payload = self._recv_kind(timeout)
        decode = self._decoders.get(kind)
        return self._unknown(kind, payload) if decode is None else decode(payload)

    def try_recv(self) -> R | None:
        """The next message, if there is one now."""
        if self.later or self.frames:
            kept: Any = self._next_kept()
            if kept is not NOTHING:
                message: R = kept
                return message
        found = native.try_recv_kind(self.untyped)
        return None if found is None else self._decode(*found)

    def recv_batch(self, max: int = 64, timeout: float | None = None) -> list[R]:
        """The messages of at most ``max`` frames: those that are there, at least one. A frame of several gives all of them.

        A frame that is no message ends the list; it raises in the next call, or in this one if it is the first. A call that a signal's handler ends by an exception, such as
        ``KeyboardInterrupt``, has given out nothing: its messages are the next call's.
        """
        if max < 1:
            raise ValueError(f"max is {max}: it must be at least 1")
        while True:
            self.decode()
            given, kept = self.given, self.later[:]
            count = 0
            while count < len(kept) and not isinstance(kept[count], Exception):
                count += 1
            found: list[R] = kept[:count]
            error = kept[0] if kept and not count else None
            if given != self.given:
                continue
            if found:
                self.given = given + 1
                del self.later[:count]
                return found
            if error is not None:
                self.given = given + 1
                del self.later[0]
                raise error
            self.receive(max, timeout)

    def receive(self, max: int, timeout: float | None) -> None:
        """Receives at most so many frames, at least one, and keeps them. For :mod:`ringway.typed.arrays`, as the next one."""
        native.keep_batch(self.untyped, self.frames, max, timeout)

    def decode(self) -> None:
        """Makes messages of the frames that are kept, and errors in the place of what is none."""
        while True:
            # Not as the loop's condition, behind which another thread may have its turn.
            if not self.frames:
                return
            frame = self.frames[0]
            # Another thread still copies it.
            if frame is None:
                return
            kind, payload = frame
            made: list[Any] = [payload]
            if self.reader is not None:
                try:
                    made = self.reader.decode_all(kind, payload)
                except Exception as error:  # a class may refuse values of its own
                    made = [error]
            # Another thread may have been faster.
            if self.frames and self.frames[0] is frame:
                self.later += made
                del self.frames[0]

    def recv_array(self, max: int = 4096, timeout: float | None = None, *, of: type | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Messages as one structured array: those that are there, at least one, and at most ``max``.

        ``of`` says which message of several; a frame of another kind ends the array, and raises ``TypeError`` if it is the first: it stays for :meth:`recv`. ``out`` is
        an array that is filled in place of a new one; what is given back is the filled part of it. Raises :class:`ringway.typed.Invalid` as :meth:`recv` does.
        """
        from ringway.typed import arrays

        return arrays.receive(self, max, timeout, of, out)

    def release(self) -> None:
        """Finishes with everything that was received: see :meth:`ringway.Connection.release`. With nothing as long as messages are kept here, which nobody was given."""
        if not (self.later or self.frames):
            self.untyped.release()

    @property
    def last_redelivery(self) -> Literal["first", "unseen", "in_doubt"]:
        """Whether the frame that was received last was sent to an earlier server too: see :attr:`ringway.Receiver.last_redelivery`. Of a batch, that of its last frame: no other frame of it is in doubt."""
        return self.untyped.last_redelivery

    @property
    def last_position(self) -> int | None:
        """The position of the frame that was received last, in the server of a connection that can be resumed: see :attr:`ringway.Receiver.last_position`."""
        return self.untyped.last_position

    def arm(self) -> bool:
        """As :meth:`ringway.Receiver.arm`; ``False`` as long as messages are kept here."""
        return not (self.later or self.frames) and self.untyped.arm()

    def fileno(self) -> int:
        """The descriptor that event loops poll."""
        return self.untyped.fileno()

    def close(self) -> None:
        """Ends the half in order."""
        self.untyped.close()

    @property
    def closed(self) -> bool:
        """Whether this side has closed it."""
        return self.untyped.closed

    def _decode(self, kind: int, payload: bytes) -> R:
        decode = self._decoders.get(kind)
        return self._unknown(kind, payload) if decode is None else decode(payload)

    def _unknown(self, kind: int, payload: bytes) -> R:
        if self.reader is None:
            return cast(R, payload)
        raise self.reader.unknown(kind)

    def _next_kept(self) -> Any:
        """What was kept first; raises it if it is an error. ``NOTHING``: another thread was faster."""
        while True:
            self.decode()
            given = self.given
            if not self.later:
                return NOTHING
            found = self.later[0]
            refused = isinstance(found, Exception)
            if given == self.given:
                self.given = given + 1
                del self.later[0]
                if refused:
                    raise found
                return found

    def __iter__(self) -> Iterator[R]:
        """Messages until the peer closes in order."""
        while True:
            try:
                yield self.recv()
            except native.Closed:
                if self.closed:
                    raise
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
