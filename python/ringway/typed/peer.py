"""Classes from a schema: those of the messages of a peer with whom no code is shared."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from ringway._ringway import Schema
from ringway.typed import codec, types
from ringway.typed.codec_parts import identifiers
from ringway.typed.lane import Lane
from ringway.typed.shape import Shape


def lane_from(schema: Schema) -> Lane[Any]:
    """The lane of a schema, with a class for each of its messages.

    >>> from ringway.typed import f64, lane_from, message, schema, u32
    >>> @message
    ... class Quote:
    ...     count: u32
    ...     side: u32
    ...     bid: f64
    >>> Told = lane_from(schema(Quote)).only
    >>> Told(1, 2, 3.5)
    Quote(count=1, side=2, bid=3.5)
    """
    shapes: dict[int, Shape] = {}
    for told in schema.to_dict()["records"]:
        record = types.read_record(told)
        shapes[told["kind"]] = class_of(record, told["kind"]).__ringway__
    return Lane(shapes)


def class_of(record: types.Record, kind: int | None = None) -> Any:
    """A class with the fields of a record."""
    inner = tuple(dataclasses.replace(field, type=_made(field.type)) for field in record.fields)
    tail = record.tail
    if tail is not None and tail.of is not None:
        tail = dataclasses.replace(tail, of=_made(tail.of))
    record = dataclasses.replace(record, fields=inner, tail=tail)
    names = codec.attributes(record)
    parts: list[tuple[str, Any, Any]] = []
    if tail is not None:
        empty: Any = "" if tail.of is None else b"" if tail.of == types.Unsigned(1) else None
        default: Any = dataclasses.field(default=empty) if empty is not None else dataclasses.field(default_factory=list[Any])
        parts.append((names[tail.name], Any, default))
    optional = True
    for field in reversed(record.fields):
        if field.is_padding:
            continue
        known = bool(field.default) or isinstance(field.type, types.Maybe)
        optional = optional and known
        parts.append((names[field.name], Any, _default(field) if optional else dataclasses.field()))
    parts.reverse()
    made = dataclasses.make_dataclass(_identifier(record.name), parts, slots=True)
    made.__doc__ = record.doc or None
    made.__ringway__ = Shape(record, made, kind)  # type: ignore[attr-defined]
    return made


def _identifier(name: str) -> str:
    return identifiers([name])[name]


def _default(field: types.Field) -> Any:
    if not field.default:
        return dataclasses.field(default=None)
    alone = types.Record("default", (dataclasses.replace(field, offset=0),), field.size, field.align)
    decode = codec.decoder(alone, _itself, field.size, b"")
    image = field.default
    return dataclasses.field(default_factory=lambda: decode(image))


def _itself(value: Any) -> Any:
    return value


def _made(type: types.Type) -> types.Type:
    """The same type, with the classes of its values."""
    match type:
        case types.Enumeration():
            # What an Enum class keeps for itself cannot be the name of a value.
            kept = {name: f"value{name}" if name == "mro" or name.startswith("_") else name for name, _ in type.values}
            names = identifiers(kept.values())
            members = {names[kept[name]]: value for name, value in type.values}
            return dataclasses.replace(type, made=enum.IntEnum(_identifier(type.name), members))
        case types.Array() | types.Maybe():
            return dataclasses.replace(type, of=_made(type.of))
        case types.Nested():
            made = class_of(type.record)
            return types.Nested(made.__ringway__.record, made)
        case _:
            return type

