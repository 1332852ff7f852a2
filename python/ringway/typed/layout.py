"""Where the fields of a class lie: as ``#[repr(C)]`` puts them, with the rules of the Rust derive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ringway.typed import types
from ringway.typed.annotations import doc_of, tail_of, type_of
from ringway.typed.fields import MISSING, Said


@dataclass(frozen=True)
class Spec:
    """A field of a class, before its place is known."""

    name: str
    annotation: Any
    said: Said


def align_in_memory(type: types.Type) -> int:
    """What the address of a type is a multiple of by itself. A ``Maybe`` needs none: only its place in a message has one."""
    match type:
        case types.Maybe():
            return 1
        case types.Array():
            return align_in_memory(type.of)
        case types.Nested():
            return max([1, *(align_in_memory(field.type) for field in type.record.fields)])
        case _:
            return type.align


def lay_out(name: str, doc: str, specs: list[Spec], encode_default: Any) -> types.Record:
    """The record of a class. ``encode_default(type, value)`` gives the bytes of a default.

    Raises ``TypeError`` for what the Rust derive refuses too.
    """
    fields: list[types.Field] = []
    tail: types.Tail | None = None
    offset, widest, newest = 0, 1, 1
    for index, spec in enumerate(specs):
        said = spec.said
        words = said.doc or doc_of(spec.annotation)
        if index == len(specs) - 1:
            tail = tail_of(spec.annotation, spec.name, words)
            if tail is not None:
                _check_tail(spec)
                break
        found = type_of(spec.annotation, spec.name)
        padding = spec.name.startswith("_")
        since = said.since if said.since is not None else (newest if padding else 1)
        if not 1 <= since <= 0xFFFF:
            raise TypeError(f"`{spec.name}` is of version {since}; versions begin with 1")
        if since < newest:
            raise TypeError(
                f"`{spec.name}` is of version {since} and comes behind a field of version {newest}: "
                f"fields are only appended, so put it before that or give it `field(since={newest})`"
            )
        newest = since
        gap = -offset % found.align
        if gap:
            raise TypeError(f"there are {gap} bytes free before the field `{spec.name}` of `{name}`: put a field `_pad: Array[u8, {gap}]` there, or larger fields first")
        default = b""
        if said.default is not MISSING and not (said.default is None and isinstance(found, types.Maybe)):
            default = encode_default(spec.name, found, said.default)
        elif padding and since > 1:
            default = bytes(found.size)
        if since > 1 and not default and found.size and not isinstance(found, types.Maybe):
            raise TypeError(
                f"the field `{spec.name}` of `{name}` came with version {since}, so older messages do not have it: give it a default or the type `Maybe[..]`"
            )
        if padding and not types.takes_zeros(found):
            raise TypeError(f"`{spec.name}` is padding, and so zero, which is no value of `{found}`: use Array[u8, {found.size}]")
        if isinstance(found, types.Maybe) and not types.takes_zeros(found.of):
            raise TypeError(f"`{spec.name}` may be absent, and so zero, which is no value of `{found.of}`: give it a value of 0")
        fields.append(types.Field(spec.name, found, offset, found.align, since, said.deprecated, default, words))
        offset += found.size
        widest = max(widest, found.align)
    behind = widest if tail is None or tail.of is None else max(widest, align_in_memory(tail.of))
    gap = -offset % widest or -offset % behind
    if gap:
        raise TypeError(f"there are {gap} bytes free behind the last field of fixed size of `{name}`: put a field `_pad: Array[u8, {gap}]` there")
    return types.Record(name, tuple(fields), offset, behind, tail, doc)


def _check_tail(spec: Spec) -> None:
    if spec.said.since is not None:
        raise TypeError(f"the variable part `{spec.name}` cannot be added later: it begins where the fixed part of a message ends")
    if spec.said.default is not MISSING and len(spec.said.default):
        raise TypeError(f"the variable part `{spec.name}` has no default: it may be empty")
