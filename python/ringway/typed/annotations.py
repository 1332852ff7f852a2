"""From what is written in an annotation to a type of the schema."""

from __future__ import annotations

import enum
import types as builtin
from typing import Annotated, Any, Union, get_args, get_origin

from ringway.typed import spelling, types

_PLAIN = (
    *(types.Unsigned, types.Signed, types.Float, types.Bool, types.Enumeration),
    *(types.Array, types.Text, types.Bytes, types.Maybe, types.Nested),
)

_INSTEAD: dict[Any, str] = {
    int: "an int has no size: use u8 to u128 or i8 to i128",
    float: "a float has no size: use f64, or f32",
    str: "a str has no size: use Text[16], or `str` as the last field",
    bytes: "bytes have no size: use Bytes[16], Array[u8, 16], or `bytes` as the last field",
    list: "a list has no size: use Array[f64, 4], or `list[f64]` as the last field",
    tuple: "a tuple has no layout: use a class that is a message",
    dict: "a dict has no layout: use a class that is a message",
    spelling.Text: "a text has a size: use Text[16]",
    spelling.Bytes: "bytes have a size: use Bytes[16]",
    spelling.Array: "an array has elements, and a number of them: use Array[f64, 4]",
    Any: "it says nothing: use a type of ringway.typed",
}


def type_of(annotation: Any, name: str) -> types.Type:
    """The type of the field ``name``.

    Raises ``TypeError`` for what no field can have, and says what to use.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        for said in annotation.__metadata__:
            if (found := _spelt(said, name)) is not None:
                return found
        return type_of(annotation.__origin__, name)
    if origin in (Union, builtin.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        if len(parts) == 1 and len(get_args(annotation)) == 2:
            return types.Maybe(type_of(parts[0], name))
        raise TypeError(f"the field `{name}` has one type; what may be absent is Maybe[..], messages of several types go by kinds")
    if annotation is bool:
        return types.Bool()
    if isinstance(annotation, type):
        shape = annotation.__dict__.get("__ringway__")
        if shape is not None:
            if shape.record.tail is not None:
                raise TypeError(f"`{name}` is `{shape.record.name}`, which has a variable part: only a message by itself can have one")
            return types.Nested(shape.record, annotation)
        found = annotation.__dict__.get("__ringway_enumeration__")
        if isinstance(found, types.Enumeration):
            return found
        if issubclass(annotation, enum.Enum):
            raise TypeError(f"`{name}` is of the type `{annotation.__name__}`, whose size nobody said: put @ringway.enumeration(u8) before it")
    why = _INSTEAD.get(origin or annotation, "no field can have it: fields are numbers, bool, Text, Bytes, Array, Maybe, messages and enumerations")
    raise TypeError(f"`{name}` is of the type `{_shown(annotation)}`, and {why}")


def _spelt(said: Any, name: str) -> types.Type | None:
    if isinstance(said, _PLAIN):
        return said
    match said:
        case spelling.Text():
            return types.Text(said.size)
        case spelling.Bytes():
            if said.size > 0xFFFF:
                raise TypeError(
                    f"`{name}` is Bytes[{said.size}], and its count of two bytes can say at most 65535: use a smaller one, an array, or `bytes` as the last field"
                )
            return types.Bytes(said.size)
        case spelling.Array():
            of = type_of(said.of, name)
            if of.size == 0:
                raise TypeError(f"`{name}` is an array whose elements have no bytes, so that they cannot be counted: give their type a field, or use a number in its place")
            return types.Array(of, said.count)
        case _:
            return None


def tail_of(annotation: Any, name: str, doc: str) -> types.Tail | None:
    """The variable part that a last field is, if it is one: ``str``, ``bytes`` or ``list[T]``."""
    while get_origin(annotation) is Annotated:
        if any(_spelt(said, name) is not None for said in annotation.__metadata__):
            return None
        annotation = annotation.__origin__
    if annotation is str:
        return types.Tail(name, None, doc)
    if annotation is bytes:
        return types.Tail(name, types.Unsigned(1), doc)
    if get_origin(annotation) is list:
        of = type_of(get_args(annotation)[0], name)
        if of.size == 0:
            raise TypeError(f"the elements of `{name}` have no bytes, so that they cannot be counted")
        return types.Tail(name, of, doc, raw=False)
    return None


def doc_of(annotation: Any) -> str:
    """What ``typing_extensions.Doc``, or whatever has a ``documentation``, says."""
    for said in getattr(annotation, "__metadata__", ()):
        words = getattr(said, "documentation", None)
        if isinstance(words, str):
            return words.strip()
    return ""


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
