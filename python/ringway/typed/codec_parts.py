"""What the made functions of the codec call."""

from __future__ import annotations

import keyword
import operator
import re
import struct as structs
import unicodedata
from collections.abc import Iterable
from typing import Any


def struct(formats: list[str]) -> structs.Struct:
    """Slots one behind the other, without gaps."""
    return structs.Struct("<" + "".join(formats))


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """For each name, an identifier of its own that is like it."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        # As Python itself reads them: letters that look alike may be one.
        told, name = name, unicodedata.normalize("NFKC", name)
        made = name if name.isidentifier() else re.sub(r"\W", "_", f"_{name}" if name[:1].isdigit() else name) or "_"
        while keyword.iskeyword(made) or made in taken or (made.startswith("__") and made != told):
            made = f"{made}_" if not made.startswith("__") else made.lstrip("_") or "field_"
        taken.add(made)
        found[told] = made
    return found


def first(value: Any, *_: Any) -> Any:
    """The first; the others were looked at."""
    return value


def unfill(raw: bytes) -> str:
    """The text that zeros fill up."""
    raw = raw.rstrip(b"\0")
    if 0 in raw:
        raise ValueError
    return str(raw, "utf-8")


def held(count: int, room: bytes) -> bytes:
    """The bytes that a count and a room hold."""
    if count > len(room):
        raise ValueError
    return room[:count]


def maybe(value: Any, flag: int) -> Any:
    """What may be absent; it was looked at either way."""
    if flag == 1:
        return value
    return absent(flag)


def absent(flag: int) -> None:
    if flag != 0:
        raise ValueError


def filled(text: str, size: int) -> bytes:
    raw = text.encode()
    if len(raw) > size or 0 in raw:
        raise ValueError
    return raw


def octets(value: Any) -> bytes:
    """Bytes, or numbers that are bytes."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, (int, str)):
        raise TypeError
    numbers: list[Any] = list(value)
    return bytes(numbers)


def within(value: Any, room: int) -> bytes:
    raw = octets(value)
    if len(raw) > room:
        raise ValueError
    return raw


def exactly(value: Any, count: int) -> bytes:
    raw = octets(value)
    if len(raw) != count:
        raise ValueError
    return raw


def whole(raw: bytes, size: int) -> bytes:
    if len(raw) != size:
        raise ValueError
    return raw


def numbers(values: Any, letter: str, size: int) -> bytes:
    """The bytes of numbers: of a list, or of an array in memory that has them as they are."""
    if not isinstance(values, (list, tuple)):
        try:
            view = memoryview(values)
        except TypeError:
            values = list(values)
        else:
            if view.format.lstrip("@=<").replace("l", "q").replace("L", "Q") == letter and view.itemsize == size and view.ndim == 1:
                return view.tobytes()
            values = view.tolist()
    plain: list[Any] = list(values)  # pyright: ignore[reportUnknownArgumentType]
    return structs.pack(f"<{len(plain)}{letter}", *plain)


def listed(raw: bytes, letter: str, size: int) -> list[Any]:
    """The numbers in a variable part."""
    count, rest = divmod(len(raw), size)
    if rest:
        raise ValueError
    return list(structs.unpack(f"<{count}{letter}", raw))


WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, structs.error)
"""What reading or writing raises where something is wrong."""

NAMES: dict[str, Any] = {
    "WRONG": WRONG,
    "TRUTH": (False, True),
    "BIT": {False: 0, True: 1},
    "from_bytes": int.from_bytes,
    "index": operator.index,
    "first": first,
    "unfill": unfill,
    "held": held,
    "maybe": maybe,
    "absent": absent,
    "filled": filled,
    "octets": octets,
    "within": within,
    "exactly": exactly,
    "whole": whole,
    "numbers": numbers,
    "listed": listed,
}
