"""Typed messages: the same bytes as the messages of a Rust program, from annotated classes.

A class with ``@message`` has the layout, and the fingerprint, of the Rust struct with the same fields. Who connects says what it sends and expects; two sides that do not
understand each other are refused, and told which field differs. See ``docs/python.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringway.typed.connecting import Connection, Deprecated, Listener, Told, connect, connect_as_told, listen
from ringway.typed.enumeration import enumeration
from ringway.typed.fields import field, padding
from ringway.typed.handing import inherit, listen_on
from ringway.typed.halves import Receiver, Sender
from ringway.typed.invalid import Invalid
from ringway.typed.lane import Lane, Reader, lane, schema
from ringway.typed.message import decode, encode, message
from ringway.typed.peer import lane_from
from ringway.typed.resuming import Resumed, resume
from ringway.typed import types as types
from ringway.typed.spelling import (
    Array,
    Bytes,
    Maybe,
    Text,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    i128,
    u8,
    u16,
    u32,
    u64,
    u128,
)

if TYPE_CHECKING:
    from ringway.typed.arrays import array, dtype, messages

__all__ = [
    "Array", "Bytes", "Connection", "Deprecated", "Invalid", "Lane", "Listener", "Maybe", "Reader", "Receiver", "Resumed", "Sender", "Text", "Told", "array",
    "connect", "connect_as_told", "decode", "dtype", "encode", "enumeration", "f32", "f64", "field", "i8", "i16", "i32", "i64", "i128", "inherit", "lane",
    "lane_from", "listen", "listen_on", "message", "messages", "padding", "resume", "schema", "u8", "u16", "u32", "u64", "u128",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # What needs NumPy is there once it is asked for.
    if name in ("array", "dtype", "messages"):
        from ringway.typed import arrays

        return getattr(arrays, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
