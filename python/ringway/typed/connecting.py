"""Connections and listeners that carry messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

import ringway._ringway as native
from ringway.typed.halves import Receiver, Sender
from ringway.typed.lane import Lane, Messages, lane_of
from ringway.typed.peer import lane_from

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from ringway._ringway import _PlainOptions  # pyright: ignore[reportPrivateUsage]
    from typing_extensions import Self, Unpack

S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Deprecated:
    """A field that should no longer be used, and that the peer and we still have."""

    message: str
    field: str
    note: str

    def __str__(self) -> str:
        return f"field `{self.field}` of `{self.message}` is deprecated: {self.note}"


class Connection(Generic[S, R]):
    """A connection on which we send the messages of `S` and receive those of `R`."""

    __slots__ = ("deprecated", "receiver", "sender", "untyped")

    untyped: native.Connection
    """The connection that carries bytes."""
    sender: Sender[S]
    """The half that sends."""
    receiver: Receiver[R]
    """The half that receives."""
    deprecated: tuple[Deprecated, ...]
    """The fields in use on this connection that are marked as deprecated, here or by the peer. Each of them is also a ``DeprecationWarning``, once in the life of the process."""

    def __init__(self, untyped: native.Connection, sends: Lane[S] | None, expects: Lane[R] | None) -> None:
        self.untyped = untyped
        self.sender = Sender(untyped.sender, sends)
        self.receiver = Receiver(untyped.receiver, None if expects is None else expects.reader(untyped.peer_sends))
        found: dict[tuple[str, str], Deprecated] = {}
        _collect(found, sends, untyped.peer_expects)
        _collect(found, expects, untyped.peer_sends)
        self.deprecated = tuple(found.values())
        _warn(self.deprecated)

    @property
    def sends(self) -> Lane[S] | None:
        """What we send; ``None``: bytes."""
        return self.sender.lane

    @property
    def expects(self) -> Lane[R] | None:
        """What we receive; ``None``: bytes."""
        reader = self.receiver.reader
        return None if reader is None else reader.lane

    def send(self, message: S, timeout: float | None = None) -> None:
        """Sends a message: see :meth:`Sender.send`."""
        self.sender.send(message, timeout)

    def recv(self, timeout: float | None = None) -> R:
        """The next message: see :meth:`Receiver.recv`."""
        return self.receiver.recv(timeout)

    def send_expiring(self, message: S, lifetime: float) -> None:
        """Sends a message that is of no use any more after so many seconds: see :meth:`Sender.send_expiring`."""
        self.sender.send_expiring(message, lifetime)

    def try_send(self, message: S) -> bool:
        """Sends a message if there is room now; whether it did."""
        return self.sender.try_send(message)

    def send_batch(self, messages: Iterable[S], timeout: float | None = None) -> int:
        """Sends messages together: see :meth:`Sender.send_batch`."""
        return self.sender.send_batch(messages, timeout)

    def send_array(self, array: NDArray[Any], timeout: float | None = None, *, of: type | None = None, together: bool = False) -> int:
        """Sends the elements of a structured array: see :meth:`Sender.send_array`."""
        return self.sender.send_array(array, timeout, of=of, together=together)

    def fill_array(self, count: int, fill: Callable[[NDArray[np.void]], object], timeout: float | None = None, *, of: type | None = None) -> None:
        """Sends messages that are written in the ring: see :meth:`Sender.fill_array`."""
        self.sender.fill_array(count, fill, timeout, of=of)

    def try_recv(self) -> R | None:
        """The next message, if there is one now."""
        return self.receiver.try_recv()

    def recv_batch(self, max: int = 64, timeout: float | None = None) -> list[R]:
        """The messages that are there, at least one: see :meth:`Receiver.recv_batch`."""
        return self.receiver.recv_batch(max, timeout)

    def recv_array(self, max: int = 4096, timeout: float | None = None, *, of: type | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Messages as one structured array: see :meth:`Receiver.recv_array`."""
        return self.receiver.recv_array(max, timeout, of=of, out=out)

    def split(self) -> tuple[Sender[S], Receiver[R]]:
        """Both halves: each may be used by a thread of its own."""
        return self.sender, self.receiver

    @property
    def peer(self) -> native.Peer:
        """Who is at the other end."""
        return self.untyped.peer

    def release(self) -> None:
        """Finishes with everything that was received: see :meth:`Receiver.release`."""
        self.receiver.release()

    @property
    def resumable(self) -> bool:
        """Whether the connection can be resumed: see :attr:`ringway.Connection.resumable`."""
        return self.untyped.resumable

    @property
    def lineage(self) -> tuple[bytes, int] | None:
        """The line of connections that this one belongs to: see :attr:`ringway.Connection.lineage`."""
        return self.untyped.lineage

    def arm(self) -> bool:
        """As :meth:`Receiver.arm`."""
        return self.receiver.arm()

    def fileno(self) -> int:
        """The descriptor that event loops poll for what is received."""
        return self.receiver.fileno()

    def close(self) -> None:
        """Ends both halves in order."""
        self.untyped.close()

    @property
    def closed(self) -> bool:
        """Whether this side has closed both halves."""
        return self.untyped.closed

    def __iter__(self) -> Iterator[R]:
        return iter(self.receiver)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ringway.typed.Connection sends {self.sender.lane!r}, over {self.untyped!r}>"


class Listener(Generic[S, R]):
    """Waits for clients, to each of which it sends the messages of `S`, and from which it receives those of `R`."""

    __slots__ = ("expects", "sends", "untyped")

    untyped: native.Listener
    """The listener for connections that carry bytes. What it accepts by itself has no types."""

    def __init__(self, untyped: native.Listener, sends: Lane[S] | None, expects: Lane[R] | None) -> None:
        self.untyped, self.sends, self.expects = untyped, sends, expects

    def accept(self, timeout: float | None = None) -> Connection[S, R]:
        """Waits for the next client."""
        return Connection(self.untyped.accept(timeout), self.sends, self.expects)

    def try_accept(self) -> Connection[S, R] | None:
        """A client that has connected, if there is one now."""
        found = self.untyped.try_accept()
        return None if found is None else Connection(found, self.sends, self.expects)

    def fileno(self) -> int:
        """The descriptor that event loops poll."""
        return self.untyped.fileno()

    def hand_over(self) -> int:
        """Hands the listening socket over: takes no more clients, and returns a descriptor with which another process does (:func:`ringway.listen_on`)."""
        return self.untyped.hand_over()

    def take_back(self) -> None:
        """Takes clients again after it was handed over: the other process did not come up."""
        self.untyped.take_back()

    def close(self) -> None:
        """Takes no more clients."""
        self.untyped.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self.untyped.closed

    @property
    def path(self) -> str:
        """The socket's path."""
        return self.untyped.path

    @property
    def refusals(self) -> int:
        """Clients whose handshake was refused or failed."""
        return self.untyped.refusals

    @property
    def last_refusal(self) -> str | None:
        """Why the last one was refused."""
        return self.untyped.last_refusal

    def __iter__(self) -> Iterator[Connection[S, R]]:
        for connection in self.untyped:
            yield Connection(connection, self.sends, self.expects)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


Name = str | PathLike[str]


@overload
def listen(name: Name, *, sends: native.Schema | None = None, expects: native.Schema | None = None, **options: Unpack[_PlainOptions]) -> native.Listener: ...
@overload
def listen(name: Name, *, sends: tuple[()], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[Never, Never]: ...
@overload
def listen(name: Name, *, sends: tuple[()], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[Never, R]: ...  # type: ignore[overload-overlap]
@overload
def listen(name: Name, *, sends: tuple[()], expects: None = None, **options: Unpack[_PlainOptions]) -> Listener[Never, bytes]: ...
@overload
def listen(name: Name, *, sends: Messages[S], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[S, Never]: ...
@overload
def listen(name: Name, *, sends: Messages[S], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[S, R]: ...
@overload
def listen(name: Name, *, sends: Messages[S], expects: None = None, **options: Unpack[_PlainOptions]) -> Listener[S, bytes]: ...
@overload
def listen(name: Name, *, sends: None = None, expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[bytes, Never]: ...
@overload
def listen(name: Name, *, sends: None = None, expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[bytes, R]: ...
def listen(name: Name, *, sends: Any = None, expects: Any = None, **options: Any) -> Any:
    """Listens under a name or a path.

    ``sends`` and ``expects`` say what the connections carry: a class of messages, several (``(Quote, Trade)``, ``Quote | Trade``, ``lane(Quote, Trade)``), or ``()`` for nothing.
    Without both, or with schemas, it is a listener for bytes. Further options are those of the untyped call.

    >>> import ringway, threading
    >>> from ringway.typed import f64, message
    >>> @message
    ... class Quote:
    ...     bid: f64
    ...     ask: f64
    >>> def serve(listener):
    ...     with listener.accept() as client:
    ...         client.send(Quote(bid=1.0, ask=2.0))
    >>> with ringway.listen("quotes", sends=Quote, expects=()) as listener:
    ...     server = threading.Thread(target=serve, args=[listener])
    ...     server.start()
    ...     with ringway.connect("quotes", sends=(), expects=Quote) as connection:
    ...         connection.recv()
    Quote(bid=1.0, ask=2.0)
    >>> server.join()
    """

    def make(**told: Any) -> list[native.Listener]:
        return [native.listen(name, **told)]

    return listeners_of(make, sends, expects, options)[0]


@overload
def connect(name: Name, *, sends: native.Schema | None = None, expects: native.Schema | None = None, **options: Unpack[_PlainOptions]) -> native.Connection: ...
@overload
def connect(name: Name, *, sends: tuple[()], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Connection[Never, Never]: ...
@overload
def connect(name: Name, *, sends: tuple[()], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Connection[Never, R]: ...  # type: ignore[overload-overlap]
@overload
def connect(name: Name, *, sends: tuple[()], expects: None = None, **options: Unpack[_PlainOptions]) -> Connection[Never, bytes]: ...
@overload
def connect(name: Name, *, sends: Messages[S], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Connection[S, Never]: ...
@overload
def connect(name: Name, *, sends: Messages[S], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Connection[S, R]: ...
@overload
def connect(name: Name, *, sends: Messages[S], expects: None = None, **options: Unpack[_PlainOptions]) -> Connection[S, bytes]: ...
@overload
def connect(name: Name, *, sends: None = None, expects: tuple[()], **options: Unpack[_PlainOptions]) -> Connection[bytes, Never]: ...
@overload
def connect(name: Name, *, sends: None = None, expects: Messages[R], **options: Unpack[_PlainOptions]) -> Connection[bytes, R]: ...
def connect(name: Name, *, sends: Any = None, expects: Any = None, **options: Any) -> Any:
    """Connects to a listener. ``sends`` and ``expects`` are as for :func:`listen`.

    Raises :class:`ringway.SchemaError` where one side cannot read what the other sends; it names the first field that differs.
    """
    if _is_untyped(sends) and _is_untyped(expects):
        return native.connect(name, sends=sends, expects=expects, **options)
    ours, theirs, told = _told(sends, expects)
    return Connection(native.connect(name, **told, **options), ours, theirs)


def connect_as_told(name: Name, **options: Unpack[_PlainOptions]) -> Connection[Any, Any]:
    """Connects to a listener whose messages nobody here has classes for: they are made from its tables of fields.

    The listener has to be in ``accept``, which answers who asks. The classes are in ``connection.sends`` and ``connection.expects``, by kind and by name.

    >>> import ringway, threading
    >>> from ringway.typed import f64, message
    >>> @message
    ... class Tick:
    ...     price: f64
    >>> def serve(listener):
    ...     print(listener.accept().recv())
    >>> with ringway.listen("told", sends=(), expects=Tick) as listener:
    ...     service = threading.Thread(target=serve, args=[listener])
    ...     service.start()
    ...     with ringway.connect_as_told("told") as connection:
    ...         Told = connection.sends["Tick"]
    ...         connection.send(Told(price=1.5))
    ...         service.join()
    Tick(price=1.5)
    """
    sends, expects = native.observe(name, **options)
    ours = None if expects is None else lane_from(expects)
    theirs = None if sends is None else lane_from(sends)
    return Connection(native.connect(name, sends=expects, expects=sends, **options), ours, theirs)


class Told:
    """What the peer of a connection says of its messages, as classes and dtypes that were made from its tables of fields."""

    __slots__ = ("_connection", "expects", "sends")

    sends: Lane[Any] | None
    """What the peer sends; ``None``: bytes without a meaning."""
    expects: Lane[Any] | None
    """What the peer expects; ``None``: anything."""

    def __init__(self, connection: native.Connection) -> None:
        self._connection = connection
        self.sends, self.expects = (None if told is None else lane_from(told) for told in (connection.peer_sends, connection.peer_expects))

    @property
    def message(self) -> Any:
        """The class of the only message that the peer sends."""
        if self.sends is None:
            raise TypeError("the peer sends bytes without a schema")
        return self.sends.only

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The structured dtype of that message."""
        from ringway.typed.arrays import dtype

        return dtype(self.message)

    def typed(self) -> Connection[Any, Any]:
        """The connection that sends and receives instances of these classes. It takes the place of the one that carries bytes."""
        return Connection(self._connection, self.expects, self.sends)

    def __repr__(self) -> str:
        return f"<ringway.typed.Told sends {self.sends!r}, expects {self.expects!r}>"


def listeners_of(make: Callable[..., list[native.Listener]], sends: Any, expects: Any, options: dict[str, Any]) -> list[Any]:
    """What ``make`` makes, each as a listener for what its connections carry. For :mod:`ringway.typed.handing`."""
    if _is_untyped(sends) and _is_untyped(expects):
        return make(sends=sends, expects=expects, **options)
    ours, theirs, told = _told(sends, expects)
    return [Listener(made, ours, theirs) for made in make(**told, **options)]


def _is_untyped(said: Any) -> bool:
    return said is None or isinstance(said, native.Schema)


def _told(sends: Any, expects: Any) -> tuple[Lane[Any] | None, Lane[Any] | None, dict[str, Any]]:
    ours, theirs = (lane_from(said) if isinstance(said, native.Schema) else None if said is None else lane_of(said) for said in (sends, expects))
    told = {"sends": None if ours is None else ours.schema, "expects": None if theirs is None else theirs.schema}
    return ours, theirs, told


def _collect(found: dict[tuple[str, str], Deprecated], lane: Lane[Any] | None, theirs: native.Schema | None) -> None:
    """Adds the deprecated fields of a lane that the peer has too. Our words go before the peer's."""
    if lane is None:
        return
    records = {} if theirs is None or theirs == lane.schema else {told["kind"]: told for told in theirs.to_dict()["records"]}
    for kind, shape in lane.shapes.items():
        told = records.get(kind, None) if records else shape.record.describe()
        if told is None:
            continue
        for ours, other in zip(shape.record.fields, told["fields"], strict=False):
            note = ours.deprecated or other.get("deprecated", "")
            if note:
                found.setdefault((shape.record.name, ours.name), Deprecated(shape.record.name, ours.name, note))


_warned: set[tuple[str, str]] = set()


def _warn(found: tuple[Deprecated, ...]) -> None:
    for each in found:
        if (each.message, each.field) not in _warned:
            _warned.add((each.message, each.field))
            # The note may be the peer's, with line ends in it.
            warnings.warn(" ".join(str(each).split()), DeprecationWarning, stacklevel=4)
