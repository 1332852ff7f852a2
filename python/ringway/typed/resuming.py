"""Connections that outlive their server."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import ringway._ringway as native
from ringway.typed.connecting import Connection

if TYPE_CHECKING:
    from ringway._ringway import _Options, _PlainOptions  # pyright: ignore[reportPrivateUsage]
    from ringway.typed.connecting import Name
    from typing_extensions import Unpack

C = TypeVar("C")
S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Resumed(Generic[C]):
    """What came of resuming a connection."""

    connection: C
    """The new connection. What was sent again is on its way."""
    unseen: int
    """Frames that were sent again and that no server has seen, which is proven."""
    in_doubt: int
    """Frames that were sent again and that a server may have seen, and may have handled."""
    broken: str | None
    """The rule that the last server's words about what it has received have broken, if one was: everything that it did not deny is in doubt then."""


@overload
def resume(name: Name, lost: native.Connection, timeout: float | None = None, **options: Unpack[_Options]) -> Resumed[native.Connection]: ...
@overload
def resume(name: Name, lost: Connection[S, R], timeout: float | None = None, **options: Unpack[_PlainOptions]) -> Resumed[Connection[S, R]]: ...
def resume(name: Name, lost: Any, timeout: float | None = None, **options: Any) -> Any:
    """Connects anew, in the place of ``lost``, whose server is gone, to whoever listens under that name now, or will within ``timeout`` seconds (``None``: for ever). What the last server had
    not finished with is sent to it again, before anything else and in its order: no frame that was sent is lost, and one that may have been handled already is said to be in doubt,
    here in sum and to the server by ``last_redelivery``.

    ``lost`` was made by :func:`connect` with ``resumable=True``, as the server's listener was, or by this. It has to be at its end: everything that there was is received, and receiving raises how
    it ended. It is closed then. The options are those of :func:`connect`; a typed connection carries the same messages as before.

    Raises as :func:`connect`, behind the timeout where trying again may help (the first attempt that finds a server there has 100 ms whatever it is, and it can take 200 ms to be told whether the last one has ended); :class:`ringway.Unread` where there is something to receive, and :class:`ringway.PeerLives` where the server, however
    silent, is not gone. ``lost`` is as it was then, to be resumed by another call. Only what a signal's handler raises in the moment in which it has succeeded takes the new connection with it, and ``lost`` is closed.

    >>> import ringway, threading
    >>> with ringway.listen("resumed", resumable=True) as listener:
    ...     client = threading.Thread(target=lambda: lost.append(ringway.connect("resumed", resumable=True)))
    ...     lost = []
    ...     client.start()
    ...     with listener.accept() as server:
    ...         client.join()
    ...         lost[0].send_batch([b"handled", b"received", b"sent"])
    ...         server.recv(), server.recv()
    ...     next_one = []
    ...     accepting = threading.Thread(target=lambda: next_one.append(listener.accept()))
    ...     accepting.start()
    ...     try:
    ...         lost[0].recv()
    ...     except ringway.Closed:
    ...         resumed = ringway.resume("resumed", lost[0], timeout=10)
    ...     accepting.join()
    3
    (b'handled', b'received')
    >>> resumed.in_doubt, resumed.unseen
    (1, 1)
    >>> next_one[0].recv(), next_one[0].receiver.last_redelivery
    (b'received', 'in_doubt')
    """
    if isinstance(lost, native.Connection):
        return Resumed(*native._redial(name, lost, timeout, **options).finish())  # pyright: ignore[reportPrivateUsage]
    receiver = lost.receiver
    if receiver.later or receiver.frames:
        raise native.Unread("messages of the lost connection were not received: receive until it says how it ended")
    ours, theirs = lost.sends, lost.expects
    told: dict[str, Any] = {"sends": None if ours is None else ours.schema, "expects": None if theirs is None else theirs.schema}
    connection, unseen, in_doubt, broken = native._redial(name, lost.untyped, timeout, **told, **options).finish()  # pyright: ignore[reportPrivateUsage]
    made: Connection[Any, Any] | None = None
    while made is None:
        # Of a field that the next server is the first to call deprecated a warning tells, once. A program that makes errors of warnings would lose what was resumed by it.
        with suppress(DeprecationWarning):
            made = Connection(connection, ours, theirs)
    return Resumed(made, unseen, in_doubt, broken)
