"""What the bytes of a field are: the model of a schema, with the names and rules of the Rust library's ``ringway::schema``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

Description = dict[str, Any]
"""A schema or a part of one, in the form of its JSON."""


@dataclass(frozen=True)
class Unsigned:
    """An unsigned integer of so many bytes."""

    size: int

    @property
    def align(self) -> int:
        return self.size

    def describe(self) -> Any:
        return str(self)

    def __str__(self) -> str:
        return f"u{8 * self.size}"


@dataclass(frozen=True)
class Signed:
    """A signed integer of so many bytes."""

    size: int

    @property
    def align(self) -> int:
        return self.size

    def describe(self) -> Any:
        return str(self)

    def __str__(self) -> str:
        return f"i{8 * self.size}"


@dataclass(frozen=True)
class Float:
    """A number of IEEE 754, of 4 or 8 bytes."""

    size: int

    @property
    def align(self) -> int:
        return self.size

    def describe(self) -> Any:
        return str(self)

    def __str__(self) -> str:
        return f"f{8 * self.size}"


@dataclass(frozen=True)
class Bool:
    """One byte: 0 or 1."""

    size: int = 1
    align: int = 1

    def describe(self) -> Any:
        return "bool"

    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class Enumeration:
    """An integer that has one of some named values, in the order of the values. ``made`` is the class of its values, where there is one already."""

    name: str
    size: int
    signed: bool
    values: tuple[tuple[str, int], ...]
    made: Any = field(default=None, compare=False, repr=False)

    @property
    def align(self) -> int:
        return self.size

    @property
    def integer(self) -> Unsigned | Signed:
        return Signed(self.size) if self.signed else Unsigned(self.size)

    def describe(self) -> Any:
        values = [{"name": name, "value": value} for name, value in self.values]
        return {"enumeration": self.name, "integer": str(self.integer), "values": values}

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Array:
    """So many of one type, one behind the other."""

    of: Type
    count: int

    @property
    def size(self) -> int:
        return self.of.size * self.count

    @property
    def align(self) -> int:
        return self.of.align

    def describe(self) -> Any:
        return {"array": self.of.describe(), "count": self.count}

    def __str__(self) -> str:
        return f"[{self.of}; {self.count}]"


@dataclass(frozen=True)
class Text:
    """UTF-8 of at most so many bytes, filled up with zeros."""

    size: int
    align: int = 1

    def describe(self) -> Any:
        return {"text": self.size}

    def __str__(self) -> str:
        return f"Text<{self.size}>"


@dataclass(frozen=True)
class Bytes:
    """At most so many bytes: their number in two bytes, then room for all of them."""

    room: int
    align: int = 1

    @property
    def size(self) -> int:
        return self.room + 2

    def describe(self) -> Any:
        return {"bytes": self.room}

    def __str__(self) -> str:
        return f"Bytes<{self.room}>"


@dataclass(frozen=True)
class Maybe:
    """A value and behind it a number as wide as the value's alignment: 1 if the value is there, else 0."""

    of: Type

    @property
    def size(self) -> int:
        return self.of.size + self.of.align

    @property
    def align(self) -> int:
        return self.of.align

    def describe(self) -> Any:
        return {"maybe": self.of.describe()}

    def __str__(self) -> str:
        return f"Maybe<{self.of}>"


@dataclass(frozen=True)
class Field:
    """One field at a fixed place."""

    name: str
    type: Type
    offset: int
    align: int
    since: int = 1
    deprecated: str = ""
    default: bytes = b""
    doc: str = ""

    @property
    def size(self) -> int:
        return self.type.size

    @property
    def is_padding(self) -> bool:
        return self.name.startswith("_")

    def describe(self) -> Description:
        told: Description = {
            "name": self.name,
            "type": self.type.describe(),
            "offset": self.offset,
            "size": self.size,
            "align": self.align,
        }
        if self.since != 1:
            told["since"] = self.since
        if self.deprecated:
            told["deprecated"] = self.deprecated
        if self.default:
            told["default"] = self.default.hex()
        if self.doc:
            told["doc"] = self.doc
        return told


@dataclass(frozen=True)
class Tail:
    """The variable part of a record: ``of`` is the type of its elements, or ``None`` for UTF-8. With ``raw`` elements of ``u8`` are ``bytes``, else a list."""

    name: str
    of: Type | None
    doc: str = ""
    raw: bool = field(default=True, compare=False)

    def describe(self) -> Description:
        told: Description = {"name": self.name}
        if self.of is None:
            told["content"] = "str"
        else:
            told |= {"elements": self.of.describe(), "size": self.of.size}
        if self.doc:
            told["doc"] = self.doc
        return told


@dataclass(frozen=True)
class Record:
    """The layout of one type of message."""

    name: str
    fields: tuple[Field, ...]
    size: int
    align: int
    tail: Tail | None = None
    doc: str = ""

    def describe(self, kind: int = 0) -> Any:
        """Its description, as a message of that kind."""
        told: Description = {"kind": kind, "name": self.name}
        if self.doc:
            told["doc"] = self.doc
        told |= {"size": self.size, "align": self.align}
        told["fields"] = [field.describe() for field in self.fields]
        if self.tail is not None:
            told["tail"] = self.tail.describe()
        return told

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Nested:
    """A record inside a record. ``made`` is the class of its values, where there is one already."""

    record: Record
    made: Any = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        return self.record.size

    @property
    def align(self) -> int:
        return self.record.align

    def describe(self) -> Any:
        return {"record": self.record.describe()}

    def __str__(self) -> str:
        return self.record.name


Type = Union[Unsigned, Signed, Float, Bool, Enumeration, Array, Text, Bytes, Maybe, Nested]


def takes_zeros(type: Type) -> bool:
    """Whether all zero bytes are a value of a type."""
    match type:
        case Enumeration():
            return any(value == 0 for _, value in type.values)
        case Array() | Maybe():
            return takes_zeros(type.of)
        case Nested():
            return all(takes_zeros(field.type) for field in type.record.fields)
        case _:
            return True


def is_checked(type: Type) -> bool:
    """Whether some bytes are no value of a type."""
    match type:
        case Unsigned() | Signed() | Float():
            return False
        case Array():
            return type.count > 0 and is_checked(type.of)
        case Nested():
            return any(is_checked(field.type) for field in type.record.fields)
        case _:
            return True


_PLAIN: dict[str, Type] = {
    "bool": Bool(),
    "f32": Float(4),
    "f64": Float(8),
    **{str(Unsigned(size)): Unsigned(size) for size in (1, 2, 4, 8, 16)},
    **{str(Signed(size)): Signed(size) for size in (1, 2, 4, 8, 16)},
}


def read_type(told: Any) -> Type:
    """The type of a description that keeps the rules, as those of the native ``Schema`` do."""
    match told:
        case str():
            return _PLAIN[told]
        case {"array": of, "count": count}:
            return Array(read_type(of), count)
        case {"record": record}:
            return Nested(read_record(record))
        case {"text": size}:
            return Text(size)
        case {"bytes": room}:
            return Bytes(room)
        case {"maybe": of}:
            return Maybe(read_type(of))
        case {"enumeration": name, "integer": integer, "values": values}:
            of = _PLAIN[integer]
            named = tuple((value["name"], value["value"]) for value in values)
            return Enumeration(name, of.size, isinstance(of, Signed), named)
        case _:
            raise ValueError(f"there is no type {told!r}")


def read_record(told: Description) -> Record:
    """The record of a description, without its kind."""
    fields = tuple(
        Field(
            name=part["name"],
            type=read_type(part["type"]),
            offset=part["offset"],
            align=part["align"],
            since=part.get("since", 1),
            deprecated=part.get("deprecated", ""),
            default=bytes.fromhex(part.get("default", "")),
            doc=part.get("doc", ""),
        )
        for part in told["fields"]
    )
    tail = None
    if (part := told.get("tail")) is not None:
        elements = part.get("elements")
        of = None if elements is None else read_type(elements)
        tail = Tail(part["name"], of, part.get("doc", ""))
    doc = told.get("doc", "")
    return Record(told["name"], fields, told["size"], told["align"], tail, doc)
