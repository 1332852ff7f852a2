"""Objects and bytes as messages: a kind, and the parts of which the bytes are."""

from __future__ import annotations

import copyreg
import pickle
from collections import ChainMap
from collections.abc import Callable
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


class _Pickler(pickle.Pickler):
    """Pickles whatever `multiprocessing` can send. The mappings are those that it goes on filling."""

    dispatch_table = ChainMap(
        ForkingPickler._extra_reducers,  # type: ignore[attr-defined]
        copyreg.dispatch_table,
    )


class _Sink:
    """What a pickler writes to: long bytes come to it as they are, and are not copied."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write


def dump(obj: Any) -> tuple[int, list[Any]]:
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

    _Pickler(_Sink(pieces.append), 5, buffer_callback=keep).dump(obj)  # type: ignore[arg-type]
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


def as_bytes(kind: int, payload: Any) -> Any:
    """A message as `recv_bytes` gives it: that of an object is its pickle."""
    if kind == RAW or kind == PARTS:
        return pickle.dumps(load(kind, payload), 5)
    return payload
