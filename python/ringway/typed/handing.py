"""Listening sockets that change hands: from a server to its successor, and by systemd's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, TypeVar, overload

import ringway._ringway as native
from ringway.typed.connecting import Listener, listeners_of

if TYPE_CHECKING:
    from ringway._ringway import _PlainOptions  # pyright: ignore[reportPrivateUsage]
    from ringway.typed.lane import Messages
    from typing_extensions import Unpack

S = TypeVar("S")
R = TypeVar("R")


@overload
def listen_on(descriptor: int, *, sends: native.Schema | None = None, expects: native.Schema | None = None, **options: Unpack[_PlainOptions]) -> native.Listener: ...
@overload
def listen_on(descriptor: int, *, sends: tuple[()], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[Never, Never]: ...
@overload
def listen_on(descriptor: int, *, sends: tuple[()], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[Never, R]: ...  # type: ignore[overload-overlap]
@overload
def listen_on(descriptor: int, *, sends: tuple[()], expects: None = None, **options: Unpack[_PlainOptions]) -> Listener[Never, bytes]: ...
@overload
def listen_on(descriptor: int, *, sends: Messages[S], expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[S, Never]: ...
@overload
def listen_on(descriptor: int, *, sends: Messages[S], expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[S, R]: ...
@overload
def listen_on(descriptor: int, *, sends: Messages[S], expects: None = None, **options: Unpack[_PlainOptions]) -> Listener[S, bytes]: ...
@overload
def listen_on(descriptor: int, *, sends: None = None, expects: tuple[()], **options: Unpack[_PlainOptions]) -> Listener[bytes, Never]: ...
@overload
def listen_on(descriptor: int, *, sends: None = None, expects: Messages[R], **options: Unpack[_PlainOptions]) -> Listener[bytes, R]: ...
def listen_on(descriptor: int, *, sends: Any = None, expects: Any = None, **options: Any) -> Any:
    """Listens on a socket that listens already, by its descriptor: what :meth:`Listener.hand_over` of another process has returned, or a Unix socket of type ``SOCK_SEQPACKET`` with a path that somebody else
    has made. The rest is as for :func:`listen`. The descriptor is the listener's from then on, unless this raises.

    The name is the other process's: closing the listener leaves it there, and whoever listens under it next takes its place. Raises ``Descriptors``: it is no such socket.

    >>> import os, ringway, threading
    >>> old = ringway.listen("passed-on")
    >>> descriptor = old.hand_over()
    >>> client = threading.Thread(target=lambda: ringway.connect("passed-on").send(b"hello"))
    >>> client.start()
    >>> [connection for connection in old]
    []
    >>> old.close()
    >>> with ringway.listen_on(descriptor) as new:  # mostly in another process
    ...     new.accept(timeout=10).recv()
    b'hello'
    >>> client.join()
    >>> os.remove(new.path)
    """

    def make(**told: Any) -> list[native.Listener]:
        return [native.listen_on(descriptor, **told)]

    return listeners_of(make, sends, expects, options)[0]


@overload
def inherit(*, sends: native.Schema | None = None, expects: native.Schema | None = None, **options: Unpack[_PlainOptions]) -> list[native.Listener]: ...
@overload
def inherit(*, sends: tuple[()], expects: tuple[()], **options: Unpack[_PlainOptions]) -> list[Listener[Never, Never]]: ...
@overload
def inherit(*, sends: tuple[()], expects: Messages[R], **options: Unpack[_PlainOptions]) -> list[Listener[Never, R]]: ...  # type: ignore[overload-overlap]
@overload
def inherit(*, sends: tuple[()], expects: None = None, **options: Unpack[_PlainOptions]) -> list[Listener[Never, bytes]]: ...
@overload
def inherit(*, sends: Messages[S], expects: tuple[()], **options: Unpack[_PlainOptions]) -> list[Listener[S, Never]]: ...
@overload
def inherit(*, sends: Messages[S], expects: Messages[R], **options: Unpack[_PlainOptions]) -> list[Listener[S, R]]: ...
@overload
def inherit(*, sends: Messages[S], expects: None = None, **options: Unpack[_PlainOptions]) -> list[Listener[S, bytes]]: ...
@overload
def inherit(*, sends: None = None, expects: tuple[()], **options: Unpack[_PlainOptions]) -> list[Listener[bytes, Never]]: ...
@overload
def inherit(*, sends: None = None, expects: Messages[R], **options: Unpack[_PlainOptions]) -> list[Listener[bytes, R]]: ...
def inherit(*, sends: Any = None, expects: Any = None, **options: Any) -> Any:
    """Listens on each socket that whoever started this process has left open for it: a server in Rust before it (``Listener::pass_to``), or systemd by socket activation (``LISTEN_FDS`` and ``LISTEN_PID``, a unit
    with ``ListenSequentialPacket=``). ``path`` tells them apart. None where there are none, so that a server listens under the name that it does not find; and none the second time. The rest is as for :func:`listen`.

    To be called early, before anything else is opened: whoever started this process names the descriptors by number.

    >>> import ringway
    >>> listeners = ringway.inherit()
    >>> listener = listeners[0] if listeners else ringway.listen("inherits")
    >>> listener.close()
    """
    return listeners_of(native.inherit, sends, expects, options)
