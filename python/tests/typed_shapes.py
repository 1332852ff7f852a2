"""The messages of `tests/typed/shapes.rs` and `tests/typed/kinds.rs`, in Python."""

import enum
from typing import Annotated, Any

from ringway.typed import (
    Array,
    Bytes,
    Maybe,
    Text,
    enumeration,
    f32,
    f64,
    field,
    i8,
    i16,
    i32,
    i64,
    i128,
    message,
    padding,
    types,
    u8,
    u16,
    u32,
    u64,
    u128,
)


@enumeration(u8)
class Side(enum.IntEnum):
    Buy = 1
    Sell = 2


@enumeration(i32)
class Level(enum.IntEnum):
    Low = -70_000
    Middle = 0
    High = 1


@enumeration(u8)
class Low(enum.IntEnum):
    Second = 2
    First = 1
    Last = 255


@enumeration(u64)
class High(enum.IntEnum):
    # `None` is no name that Python allows in the text of a class.
    locals()["None"] = 0
    All = 0xFFFF_FFFF_FFFF_FFFF


@enumeration(i8)
class Small(enum.IntEnum):
    Down = -128
    Up = 127


@message
class Nothing0:
    pass


@message
class Numbers:
    """Every number."""

    a: u128
    b: i128
    c: u64
    d: i64
    e: f64
    f: u32
    g: i32
    h: f32
    i: u16
    j: i16
    k: u8
    l: i8  # noqa: E741
    m: bool
    _pad: Array[u8, 5] = padding()


@message
class Inner:
    at: u16
    _gap: Array[u8, 2] = padding()
    deep: Array[Array[u32, 2], 3]
    maybe: Maybe[u32]


@message
class Nested:
    inner: Inner
    list: Array[Inner, 2]
    grid: Array[Array[bool, 3], 2]
    key: Array[u8, 6]
    texts: Array[Text[4], 2]
    held: Array[Bytes[2], 2]
    sides: Array[Side, 4]
    maybe_list: Array[Maybe[u8], 2]


@message(kind=65535)
class Point:
    x: f32
    y: f32


@message
class Absent:
    wide: Maybe[u128]
    inner: Maybe[Point]
    array: Maybe[Annotated[list[int], Array(u32, 3)]]
    level: Maybe[Level]
    # Python has one None only: written out, the value inside is a tuple of one.
    twice: Annotated[Any, types.Maybe(types.Maybe(types.Unsigned(2)))]
    name: Maybe[Annotated[str, Text(7)]]
    key: Maybe[Annotated[bytes, Bytes(5)]]
    _pad: Array[u8, 6] = padding()


@message
class Values:
    high: High
    level: Level
    low: Low
    small: Small
    _pad: Array[u8, 2] = padding()


@message(kind=1)
class Grown:
    """The fourth version.

    Of something that grew.
    """

    id: u64 = field(doc="What it is known by.")
    price: f64 = field(deprecated="use `venue`")
    venue: Maybe[u32] = field(since=2, default=None)
    flags: u64 = field(since=3, default=1)
    note: Text[6] = field(since=4, default="home")
    low: Low = field(since=4, default=Low.Second)
    _pad: Array[u8, 1] = padding()


@message
class Leg:
    price: f64
    count: u32
    side: Side
    hidden: bool
    _pad: Array[u8, 2] = padding()


@message(kind=7)
class Everything:
    """One field of each type."""

    huge: u128
    wide: i64
    real: f64
    legs: Array[Leg, 2] = field(doc="What is asked for.")
    limit: Maybe[f64]
    short: f32
    level: Level
    maybe_level: Maybe[Level]
    small: Array[i16, 3]
    yes: bool
    name: Text[9]
    key: Bytes[6]
    flags: Array[bool, 2]
    maybe_name: Maybe[Annotated[str, Text(3)]]
    last: Array[u8, 2]


@message(kind=9)
class Order:
    """With a list."""

    number: u64
    side: Side
    _pad: Array[u8, 7] = padding()
    legs: list[Leg] = field(doc="As many as there are.")


@message(kind=5)
class Note:
    """With a text; its length need not suit the alignment."""

    number: u64
    text: str


@message(kind=2)
class Cancel:
    number: u64


@message
class Letters:
    number: u64
    rest: str


@message
class Octets:
    number: u64
    rest: bytes


@message
class Reals:
    number: u64
    rest: list[f64]


@message
class Legs:
    number: u64
    rest: list[Leg]


@message
class Maybes:
    number: u64
    rest: list[Maybe[u32]]


@message
class Grid:
    number: u64
    rest: list[Array[u16, 3]]


@message
class Names:
    number: u64
    rest: list[Text[5]]


@message
class Truths:
    number: u64
    rest: list[bool]


@message
class Tight:
    """What may be absent is not aligned by itself."""

    number: u8
    rest: list[Maybe[u32]]


@message
class Sides:
    number: u64
    rest: list[Side]
