"""Integers with named values."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, TypeVar

from ringway.typed import types
from ringway.typed.annotations import type_of

E = TypeVar("E", bound=enum.IntEnum)


def enumeration(integer: Any) -> Callable[[type[E]], type[E]]:
    """Makes an ``enum.IntEnum`` a type that fields can have: an integer of a fixed size that has one of some values.

    It is the same as a Rust enum with ``#[derive(Enumeration)]`` and ``#[repr(u8)]``.

    >>> import enum
    >>> from ringway.typed import enumeration, message, u8
    >>> @enumeration(u8)
    ... class Side(enum.IntEnum):
    ...     Buy = 1
    ...     Sell = 2
    >>> @message
    ... class Order:
    ...     side: Side
    >>> Order(Side.Buy)
    Order(side=<Side.Buy: 1>)
    """
    of = type_of(integer, "integer")
    if not isinstance(of, (types.Unsigned, types.Signed)) or of.size > 8:
        raise TypeError(f"an enumeration is an integer from u8 to i64, not {of}")

    def decorate(made: type[E]) -> type[E]:
        if enum.IntEnum not in made.__mro__:
            raise TypeError(f"`{made.__name__}` must be an enum.IntEnum")
        signed = isinstance(of, types.Signed)
        bits = 8 * of.size
        low = -(1 << bits - 1) if signed else 0
        values = sorted(((member.name, int(member)) for member in made), key=lambda value: value[1])
        if not values:
            raise TypeError(f"the enumeration `{made.__name__}` needs a value")
        for name, value in values:
            if not low <= value < low + (1 << bits):
                raise TypeError(f"`{made.__name__}.{name}` is {value}, which does not fit into {of}")
        made.__ringway_enumeration__ = types.Enumeration(made.__name__, of.size, signed, tuple(values), made)  # type: ignore[attr-defined]
        return made

    return decorate
