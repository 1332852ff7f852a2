"""Objects and bytes as messages: a kind, and the parts of which the bytes are."""

from __future__ import annotations

import copyreg
import pickle
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

#: Buffers below so many bytes, which go through in one frame with their pickle, stay in it: a copy costs less than frames of their own. So do those beyond so many buffers.
_SMALL, _MANY = 128 << 10, 1000

_PLAIN = frozenset({int, float, str, bool, type(None)})


_extra: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
_common: dict[type, Any] = copyreg.dispatch_table


class _Reducers(dict[type, Any]):
    """How objects of some classes are pickled, by the two dictionaries that `multiprocessing` and `copyreg` go on filling: it is empty, and is asked for what it misses. A `ChainMap` of the two costs some microseconds each time."""

    def __missing__(self, kind: type) -> Any:
        found = _extra.get(kind)
        return _common[kind] if found is None else found


class _Pickler(pickle.Pickler):
    """Pickles whatever `multiprocessing` can send."""

    dispatch_table = _Reducers()


class _Sink:
    """What a pickler writes to: long bytes come to it as they are, and are not copied."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write


class _Dumper:
    """A pickler, and what it has made. Making one costs three times as much as pickling a small object with it."""

    __slots__ = ("buffers", "dump", "forget", "pieces")

    def __init__(self) -> None:
        pieces: list[Any] = []
        buffers: list[memoryview] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            view = buffer.raw()
            if view.nbytes < _SMALL or len(buffers) >= _MANY:
                return True
            buffers.append(view)
            return False

        sink: Any = _Sink(pieces.append)
        pickler = _Pickler(sink, 5, buffer_callback=keep)
        self.pieces, self.buffers = pieces, buffers
        self.dump, self.forget = pickler.dump, pickler.clear_memo


#: Those that nobody uses now. Each call takes one for itself: pickling an object can run anything, also another call.
_idle: list[_Dumper] = []
#: One that has pickled more is not kept: it remembers by tables of that size.
_KEPT = 4096


def dump(obj: object) -> tuple[int, list[Any]]:
    """The message of an object."""
    kind = type(obj)
    if kind is bytes:
        return RAW, [obj]
    if kind in _PLAIN:
        return PICKLE, [pickle.dumps(obj, 5)]
    try:
        dumper = _idle.pop()
    except IndexError:
        dumper = _Dumper()
    # If that raises, the dumper is not used again.
    dumper.dump(obj)
    pieces, buffers = dumper.pieces, dumper.buffers
    if len(pieces) > 1:
        # A long buffer that stays comes as the object that it is in.
        pieces = [one.raw() if type(one) is pickle.PickleBuffer else one for one in pieces]
    if buffers:
        pickled = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return PARTS, [pickled, *buffers]
    if len(pieces) == 1 and len(pieces[0]) <= _KEPT:
        message = PICKLE, [pieces.pop()]
        dumper.forget()
        _idle.append(dumper)
        return message
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
