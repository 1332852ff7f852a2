"""Objects as messages: by which pickler, and what else there is to a message than its bytes."""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

#: Kinds of messages, which the native part has too, and more. What `send_bytes` sends.
BYTES = 1
#: An object of type `bytes`: itself.
RAW = 3


_extra: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
_common: dict[type, Any] = copyreg.dispatch_table


class _Reducers(dict[type, Any]):
    """How objects of some classes are pickled, by the two dictionaries that `multiprocessing` and `copyreg` go on filling: it is empty, and is asked for what it misses. A `ChainMap` of the two costs some microseconds each time."""

    def __missing__(self, kind: type) -> Any:
        found = _extra.get(kind)
        return _common[kind] if found is None else found


class _Sink:
    """What a pickler writes to: long bytes come to it as they are, and are not copied."""

    __slots__ = ("write",)

    def __init__(self, write: Callable[[Any], object]) -> None:
        self.write = write


def pickler(pieces: list[Any]) -> tuple[Callable[[Any], None], Callable[[], None]]:
    """A pickler of whatever `multiprocessing` can send, which appends to a list: how it pickles, and how it forgets. The native part makes them, and keeps them."""
    sink: Any = _Sink(pieces.append)
    made = pickle.Pickler(sink, 5)
    made.dispatch_table = _Reducers()
    return made.dump, made.clear_memo


def as_bytes(kind: int, payload: bytes) -> bytes:
    """A message as `recv_bytes` gives it: that of an object is its pickle. Nothing that the peer has pickled is run for it."""
    return pickle.dumps(payload, 5) if kind == RAW else payload
