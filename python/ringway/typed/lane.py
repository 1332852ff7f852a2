"""What one direction of a connection carries: one type of message, or several, told apart by their kinds."""

from __future__ import annotations

import types as builtin
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, overload

from ringway._ringway import Schema
from ringway.typed import explain
from ringway.typed.invalid import Invalid
from ringway.typed.shape import Shape, shape_of

M = TypeVar("M")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


class Lane(Generic[M]):
    """Messages by their kinds. Iterating gives the classes, in the order of their kinds.

    >>> from ringway.typed import lane, message, u64
    >>> @message(kind=2)
    ... class Cancel:
    ...     order: u64
    >>> @message(kind=5)
    ... class Amend:
    ...     order: u64
    ...     quantity: u64
    >>> [made.__name__ for made in lane(Amend, Cancel)]
    ['Cancel', 'Amend']
    """

    __slots__ = ("_encoders", "_schema", "shapes")

    shapes: dict[int, Shape]

    def __init__(self, shapes: Mapping[int, Shape]) -> None:
        self.shapes = dict(sorted(shapes.items()))
        self._schema: Schema | None = None
        self._encoders: dict[type, tuple[int, Callable[[Any], bytes]]] = {}

    @property
    def schema(self) -> Schema:
        """The schema, which is told to the peer."""
        if self._schema is None:
            records = [shape.record.describe(kind) for kind, shape in self.shapes.items()]
            self._schema = Schema({"schema": 1, "records": records})
        return self._schema

    def __iter__(self) -> Iterator[type[M]]:
        return iter([shape.made for shape in self.shapes.values()])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, which: int | str) -> type[M]:
        """The class of a kind, or of a name."""
        for kind, shape in self.shapes.items():
            if which in (kind, shape.record.name):
                made: type[M] = shape.made
                return made
        raise KeyError(which)

    @property
    def only(self) -> type[M]:
        """The class of the only message."""
        if len(self.shapes) != 1:
            names = ", ".join(shape.record.name for shape in self.shapes.values())
            raise TypeError(f"the lane carries {len(self.shapes)} messages ({names}): say which")
        return next(iter(self))

    def kind_of(self, made: type) -> int:
        """The kind of a class."""
        return self._encoder(made)[0]

    def encode(self, message: M) -> tuple[int, bytes]:
        """The kind and the payload of a message's frame."""
        kind, encode = self._encoders.get(type(message)) or self._encoder(type(message))
        return kind, encode(message)

    def _encoder(self, made: type) -> tuple[int, Callable[[Any], bytes]]:
        for kind, shape in self.shapes.items():
            if shape.made is made:
                found = self._encoders[made] = kind, shape.encode
                return found
        names = ", ".join(shape.record.name for shape in self.shapes.values()) or "nothing"
        raise TypeError(f"the lane carries {names}, not `{made.__name__}`")

    def reader(self, theirs: Schema | None) -> Reader[M]:
        """How frames of a peer who sends what ``theirs`` says are read; ``None``: the same as ours."""
        return Reader(self, theirs)

    def __repr__(self) -> str:
        told = ", ".join(f"{kind}: {shape.record.name}" for kind, shape in self.shapes.items())
        return f"<ringway.typed.Lane {{{told}}}>"


class Reader(Generic[M]):
    """How the messages of one peer are read: worked out once, from the schema of what it sends.

    Fields are only ever appended. So an older writer's message is a prefix of ours, and a newer writer's has ours for a prefix: all that it takes is the number of bytes
    that the writer's fixed part has.
    """

    __slots__ = ("decoders", "fixed", "lane")

    decoders: dict[int, Callable[[bytes], M]]

    def __init__(self, lane: Lane[M], theirs: Schema | None) -> None:
        self.lane = lane
        sizes = {kind: shape.record.size for kind, shape in lane.shapes.items()}
        if theirs is not None and theirs != lane.schema:
            told = {record["kind"]: record["size"] for record in theirs.to_dict()["records"]}
            sizes = {kind: told[kind] for kind in sizes if kind in told}
        self.fixed = sizes
        self.decoders = {kind: lane.shapes[kind].decoder(size) for kind, size in sizes.items()}

    def decode(self, kind: int, payload: bytes) -> M:
        """The message of a frame.

        Raises :class:`ringway.typed.Invalid`.
        """
        decode = self.decoders.get(kind)
        if decode is None:
            raise self.unknown(kind)
        return decode(payload)

    def decode_all(self, kind: int, payload: bytes) -> list[M]:
        """The messages of a frame that may hold several, one behind the other."""
        decode = self.decoders.get(kind)
        if decode is None:
            raise self.unknown(kind)
        size = self.fixed[kind]
        record = self.lane.shapes[kind].record
        if record.tail is not None or len(payload) == size:
            return [decode(payload)]
        if size == 0 or not payload or len(payload) % size:
            raise Invalid(f"{len(payload)} bytes are no whole number of elements of {size} bytes", message=record.name)
        return [decode(payload[at : at + size]) for at in range(0, len(payload), size)]

    def unknown(self, kind: int) -> Exception:
        """The error for a frame of a kind that nobody knows."""
        shape = self.lane.shapes.get(kind)
        return explain.kind(kind, "" if shape is None else shape.record.name)


Messages = Union[type[M], tuple[type[M], ...], Mapping[int, type[M]], Lane[M]]
"""What can be said of a direction: a class, several, some by kinds of their own, or a lane. ``Quote | Trade`` is several too."""


@overload
def lane() -> Lane[Any]: ...
@overload
def lane(a: type[A], /) -> Lane[A]: ...
@overload
def lane(a: type[A], b: type[B], /) -> Lane[A | B]: ...
@overload
def lane(a: type[A], b: type[B], c: type[C], /) -> Lane[A | B | C]: ...
@overload
def lane(a: type[A], b: type[B], c: type[C], d: type[D], /) -> Lane[A | B | C | D]: ...
@overload
def lane(a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /) -> Lane[A | B | C | D | E]: ...
@overload
def lane(a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /) -> Lane[A | B | C | D | E | F]: ...
@overload
def lane(*messages: type[M]) -> Lane[M]: ...
def lane(*messages: Any) -> Lane[Any]:
    """What carries these messages. None at all: nothing is sent in that direction.

    Of several, each needs a kind of its own: ``@ringway.message(kind=2)``.
    """
    found: dict[int, Shape] = {}
    for message in messages:
        shape = shape_of(message)
        kind = shape.kind
        if kind is None:
            if len(messages) > 1:
                raise TypeError(f"`{shape.record.name}` needs a kind, by which the peer tells its frames from others: @ringway.message(kind={len(messages)})")
            kind = 0
        if kind in found:
            raise TypeError(f"`{shape.record.name}` has the kind of `{found[kind].record.name}`: each needs its own")
        found[kind] = shape
    return Lane(found)


def lane_of(messages: Any) -> Lane[Any]:
    """The lane that is meant by ``sends=`` or ``expects=``."""
    if isinstance(messages, Lane):
        return messages  # pyright: ignore[reportUnknownVariableType]
    if isinstance(messages, Mapping):
        kinds = cast("Mapping[int, Any]", messages)
        return Lane({int(kind): shape_of(message) for kind, message in kinds.items()})
    if isinstance(messages, (tuple, list)):
        return lane(*cast("tuple[Any, ...]", messages))
    if get_origin(messages) in (Union, builtin.UnionType):
        return lane(*get_args(messages))
    return lane(messages)


def schema(*messages: Any) -> Schema:
    """The schema of a lane of these messages: its ``fingerprint`` is that of the Rust types, and ``json()`` is what ``ringway schema`` reads."""
    return (lane_of(messages[0]) if len(messages) == 1 else lane(*messages)).schema
