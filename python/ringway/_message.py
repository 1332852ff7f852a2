"""Objects and bytes as messages: a kind, and the parts of which the bytes are."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable, Mapping
from multiprocessing.reduction import ForkingPickler
from typing import Any

#: What `send_bytes` sends.
BYTES = 1
#: An object, pickled. Its pickle may come in several pieces.
PICKLE = 2
#: An object of type `bytes`: itself.
RAW = 3
#: A pickle, and behind it the buffers that it refers to.
PARTS = 4

#: In the size of a part: it is a buffer that nobody writes to.
READONLY = 1 << 63

#: Buffers below so many bytes stay in the pickle, and so do those beyond so many buffers.
_SMALL, _MANY = 4096, 1000

_PLAIN = frozenset({int, float, str, bool, type(None)})


_extra: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
_common: dict[type, Any] = copyreg.dispatch_table
#: What the two had when they were put together.
_seen: list[Any] = []


class _Pickler(pickle.Pickler):
    """Pickles whatever `multiprocessing` can send."""

    # One dictionary: a pickler asks it for each object of a class, and a `ChainMap` costs some microseconds each time.
    dispatch_table: Mapping[type, Any] = {}


def _look_at_reducers() -> None:
    """Heeds what was registered since."""
    if _seen != [*_extra.values(), *_common.values()]:
        _Pickler.dispatch_table = {**_common, **_extra}
        _seen[:] = [*_extra.values(), *_common.values()]


class _Sink:
    """What a pickler writes to: long bytes come to it as they are, and are not copied."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write


def dump(obj: object) -> tuple[int, list[Any]]:
    """The message of an object."""
    kind = type(obj)
    if kind is bytes:
        return RAW, [obj]
    if kind in _PLAIN:
        return PICKLE, [pickle.dumps(obj, 5)]
    pieces: list[Any] = []
    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _SMALL or len(buffers) >= _MANY:
            return True
        buffers.append(view)
        return False

    _look_at_reducers()
    sink: Any = _Sink(pieces.append)
    _Pickler(sink, 5, buffer_callback=keep).dump(obj)
    if buffers:
        pickled = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return PARTS, [pickled, *buffers]
    return PICKLE, pieces


def sizes(kind: int, parts: list[Any]) -> list[int]:
    """The bytes of each part, as they are told before it."""
    if kind != PARTS:
        return [sum(map(len, parts))]
    first, *buffers = parts
    return [len(first), *(len(part) | (READONLY if part.readonly else 0) for part in buffers)]


def load(kind: int, payload: Any) -> Any:
    """The object of a message. It runs whatever the pickle says: whoever sent it is trusted."""
    if kind == RAW:
        return payload
    if kind == PARTS:
        return pickle.loads(payload[0], buffers=payload[1:])
    return pickle.loads(payload)


def as_bytes(kind: int, payload: Any) -> bytes:
    """A message as `recv_bytes` gives it: that of an object is its pickle. Nothing that the peer has pickled is run for it."""
    if kind == RAW:
        return pickle.dumps(payload, 5)
    if kind == PARTS:
        raise OSError(
            "the message is an object with buffers beside its pickle, which are no bytes by themselves: receive it with recv()"
        )
    received: bytes = payload
    return received
