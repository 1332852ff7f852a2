"""Classes of messages: a layout from the annotations of a class."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import keyword
import sys
import typing
from collections.abc import Callable
from typing import Any, TypeVar, overload

from ringway.typed import codec, fields, layout, types
from ringway.typed.fields import MISSING, Said
from ringway.typed.shape import Shape, shape_of

if typing.TYPE_CHECKING:
    from typing_extensions import Buffer, dataclass_transform
elif hasattr(typing, "dataclass_transform"):
    dataclass_transform = typing.dataclass_transform

T = TypeVar("T")


@overload
@dataclass_transform(field_specifiers=(fields.field, fields.padding))
def message(made: type[T], /) -> type[T]: ...
@overload
@dataclass_transform(field_specifiers=(fields.field, fields.padding))
def message(*, kind: int | None = None, name: str | None = None) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(field_specifiers=(fields.field, fields.padding))
def message(made: Any = None, /, *, kind: int | None = None, name: str | None = None) -> Any:
    """Makes an annotated class a message: the same bytes, and the same fingerprint, as a Rust struct with ``#[derive(Message)]`` and ``#[repr(C)]``.

    ``kind`` is the number of its frames in a lane of several types (0 where it is the only one). ``name`` is the name in the schema, if it is not that of the class. The
    docstring becomes part of the schema. Instances are data classes with slots. A last field that is ``str``, ``bytes`` or ``list[T]`` is the variable part.

    Raises ``TypeError`` where the layout would have gaps, or a field is of no type that fields can have, and says what to write.

    >>> from ringway.typed import f64, message, schema, u32, Text
    >>> @message
    ... class Quote:
    ...     '''A price.'''
    ...     symbol: Text[12]
    ...     count: u32
    ...     bid: f64
    ...     ask: f64
    >>> Quote("EURUSD", 3, bid=1.0, ask=2.0).ask
    2.0
    >>> schema(Quote).fingerprint.hex()
    '7dc418457f35043ad2f7d12c818aec49'
    """
    # Names that stand beside the class, in a function too.
    depth = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]

    def decorate(made: type[T]) -> type[T]:
        return _make(made, kind, name, depth.f_globals, depth.f_locals)

    return decorate if made is None else decorate(made)


def _make(made: type[T], kind: int | None, name: str | None, globals: dict[str, Any], locals: Any) -> type[T]:
    if not hasattr(made, "__bases__"):
        raise TypeError(f"@message goes before a class, and not {made!r}: its options have names, message(kind=3)")
    if kind is not None and not 0 <= kind <= 0xFFFF:
        raise TypeError(f"the kind of `{made.__name__}` is {kind}; a kind is from 0 to 65535")
    if made.__bases__ != (object,):
        raise TypeError(f"`{made.__name__}` has a base class: a message has its own fields only")
    hints = typing.get_type_hints(made, globalns=globals, localns=dict(locals), include_extras=True)
    specs = [layout.Spec(_plain(field), hint, _said(made, field)) for field, hint in hints.items()]
    doc = inspect.cleandoc(made.__doc__ or "")
    record = layout.lay_out(name or made.__name__, doc, specs, _default)
    return _build(made, record, specs, kind)


def _plain(name: str) -> str:
    """Without what makes a keyword a name: ``type_`` stays, ``from_`` is ``from``."""
    return name[:-1] if name.endswith("_") and keyword.iskeyword(name[:-1]) else name


def _said(made: type, name: str) -> Said:
    said = made.__dict__.get(name, MISSING)
    if isinstance(said, Said):
        return said
    # With slots, a class attribute would be in their way; it is the default.
    return Said(default=said)


def _default(name: str, type: types.Type, value: Any) -> bytes:
    """The bytes of a default: those of a message of this field alone."""
    alone = types.Record("default", (types.Field(name, type, 0, type.align),), type.size, type.align)
    holder = dataclasses.make_dataclass("Holder", [codec.attributes(alone).get(name, name)])
    try:
        return codec.encoder(alone)(holder(value))
    except ValueError as error:
        raise TypeError(f"the default of `{name}`: {getattr(error, 'fault', error)}") from None


def _build(made: type[T], record: types.Record, specs: list[layout.Spec], kind: int | None) -> type[T]:
    """The class with slots, a constructor, a comparison and a text."""
    names = codec.attributes(record)
    defaults = {spec.name: spec.said.default for spec in specs}
    parts: list[tuple[str, Any, Any]] = []
    if record.tail is not None:
        empty: Any = "" if record.tail.of is None else b"" if record.tail.raw else []
        parts.append((names[record.tail.name], Any, _optional(empty)))
    # An argument can be left out if every one behind it can.
    optional = True
    for field in reversed(record.fields):
        if field.is_padding:
            continue
        default = defaults[field.name]
        if default is MISSING and isinstance(field.type, types.Maybe):
            default = None
        optional = optional and default is not MISSING
        parts.append((names[field.name], Any, _optional(default) if optional else dataclasses.field()))
    parts.reverse()
    own = {spec.name for spec in specs} | set(names.values())
    own |= {"__dict__", "__weakref__", "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
    namespace = {key: value for key, value in made.__dict__.items() if key not in own}
    built = dataclasses.make_dataclass(made.__name__, parts, namespace=namespace, slots=True)
    built.__module__, built.__qualname__, built.__doc__ = made.__module__, made.__qualname__, made.__doc__
    built.__annotations__ = dict(made.__annotations__)
    built.__ringway__ = Shape(record, built, kind)  # type: ignore[attr-defined]
    return built


def _optional(value: Any) -> Any:
    hashes: Any = getattr(value, "__hash__", None)
    if hashes is None:
        return dataclasses.field(default_factory=lambda: copy.deepcopy(value))
    return dataclasses.field(default=value)


def encode(message: Any) -> bytes:
    """The payload of a message, as it is sent.

    Raises :class:`Invalid` for a value that its field cannot hold.
    """
    return shape_of(message).encode(message)


def decode(of: type[T], payload: Buffer) -> T:
    """The message of a payload.

    Raises :class:`Invalid` for bytes that are none.
    """
    if not isinstance(of, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"the message's class comes first, and is not {of!r}: decode(Quote, payload)")
    shape = shape_of(of)
    # Of an int `bytes` would make as many zeros.
    found: T = shape.decoder(shape.record.size)(b"".join((payload,)))
    return found
