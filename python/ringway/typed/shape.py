"""What a class of messages knows of itself: its record, and how its instances become bytes and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ringway.typed import codec, types


class Shape:
    """The layout of a class, as its attribute ``__ringway__``. What is made from it is made when it is first needed."""

    __slots__ = ("_decoders", "_encode", "columns", "default", "kind", "made", "record")

    def __init__(self, record: types.Record, made: Any, kind: int | None) -> None:
        self.record, self.made, self.kind = record, made, kind
        self.default = b"".join(field.default or bytes(field.size) for field in record.fields)
        self._encode: Callable[[Any], bytes] | None = None
        # What :mod:`ringway.typed.arrays` keeps of it.
        self.columns: Any = None
        self._decoders: dict[int, Callable[[bytes], Any]] = {}

    @property
    def encode(self) -> Callable[[Any], bytes]:
        """Gives the payload of an instance."""
        if self._encode is None:
            self._encode = codec.encoder(self.record)
        return self._encode

    def decoder(self, fixed: int) -> Callable[[bytes], Any]:
        """Gives the instance of a payload whose writer's fixed part has ``fixed`` bytes."""
        found = self._decoders.get(fixed)
        if found is None:
            found = self._decoders[fixed] = codec.decoder(self.record, self.made, fixed, self.default)
        return found


def shape_of(message: Any) -> Shape:
    """The shape of a class of messages, or of an instance."""
    made = message if isinstance(message, type) else type(message)
    found = made.__dict__.get("__ringway__")
    if not isinstance(found, Shape):
        raise TypeError(f"`{made.__name__}` is no message: put @ringway.message before it")
    return found
