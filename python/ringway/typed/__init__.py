"""Typed messages: the same bytes as the messages of a Rust program, from annotated classes.

A class with ``@message`` has the layout, and the fingerprint, of the Rust struct with the same fields. Who connects says what it sends and expects; two sides that do not
understand each other are refused, and told which field differs. See ``docs/python.md``.
"""

from __future__ import annotations

from ringway.typed.enumeration import enumeration
from ringway.typed.fields import field, padding
from ringway.typed.invalid import Invalid
from ringway.typed.lane import Lane, lane, schema
from ringway.typed.message import decode, encode, message
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

__all__ = [
    "Array", "Bytes", "Invalid", "Lane", "Maybe", "Text", "decode", "encode", "enumeration", "f32", "f64", "field", "i8", "i16", "i32", "i64", "i128",
    "lane", "message", "padding", "schema", "u8", "u16", "u32", "u64", "u128",
]  # fmt: skip
