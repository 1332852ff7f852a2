"""What is wrong with a frame, or with a value: the first fault, in the order and with the words of the Rust library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringway.typed import types
from ringway.typed.codec_parts import identifiers, octets
from ringway.typed.invalid import Invalid


def frame(record: types.Record, payload: bytes, fixed: int, default: bytes, error: BaseException | None = None) -> Exception:
    """The fault of a payload whose writer's fixed part has ``fixed`` bytes."""
    size = len(payload)
    if size < fixed or (record.tail is None and size != fixed):
        return Invalid(f"{size} bytes, where {fixed} were expected", message=record.name)
    known = min(fixed, record.size)
    head = bytes(payload[:known]) + default[known:]
    found = _fields(record, head)
    if found is None and record.tail is not None:
        found = _tail(record.tail, bytes(payload[fixed:]))
    if found is not None:
        return found.of(record.name)
    return error if isinstance(error, Exception) else Invalid("the bytes are no value of its type", message=record.name)


def batch(record: types.Record, payload: bytes) -> Invalid | None:
    """The fault of messages one behind the other, in our layout."""
    for index in range(len(payload) // record.size if record.size else 0):
        found = _fields(record, payload[index * record.size : (index + 1) * record.size])
        if found is not None:
            return found.at(index).of(record.name)
    return None


def kind(number: int, message: str = "") -> Invalid:
    """That no message has the frame's kind, or that the peer's schema has none where ours has ``message``."""
    return Invalid(f"kind {number} is not known", message=message)


def _fields(record: types.Record, head: bytes) -> Invalid | None:
    for field in record.fields:
        found = _bytes(field.type, head[field.offset : field.offset + field.size])
        if found is not None:
            return found.within(field.name)
    return None


def _tail(tail: types.Tail, rest: bytes) -> Invalid | None:
    found: Invalid | None = None
    if tail.of is None:
        if not _is_text(rest):
            found = Invalid("the text is no UTF-8 filled up with zeros")
    elif len(rest) % tail.of.size:
        found = Invalid(f"{len(rest)} bytes are no whole number of elements of {tail.of.size} bytes")
    else:
        found = _elements(tail.of, rest)
    return None if found is None else found.within(tail.name)


def _elements(of: types.Type, raw: bytes) -> Invalid | None:
    if types.is_checked(of):
        for index in range(len(raw) // of.size):
            found = _bytes(of, raw[index * of.size : (index + 1) * of.size])
            if found is not None:
                return found.at(index)
    return None


def _bytes(type: types.Type, raw: bytes) -> Invalid | None:
    match type:
        case types.Bool():
            return None if raw[0] <= 1 else Invalid(f"{raw[0]} is no bool")
        case types.Enumeration():
            value = int.from_bytes(raw, "little", signed=type.signed)
            if any(value == known for _, known in type.values):
                return None
            # As two's complement of 64 bits, which is what Rust keeps.
            shown = value - (1 << 64) if value >= 1 << 63 else value
            return Invalid(f"{shown} is no value of `{type.name}`")
        case types.Array():
            return _elements(type.of, raw)
        case types.Text():
            text, _, rest = raw.partition(b"\0")
            if _is_text(text) and not rest.strip(b"\0"):
                return None
            return Invalid("the text is no UTF-8 filled up with zeros")
        case types.Bytes():
            count = int.from_bytes(raw[:2], "little")
            if count <= type.room:
                return None
            return Invalid(f"{count} bytes are more than the {type.room} that there is room for")
        case types.Maybe():
            if int.from_bytes(raw[type.of.size :], "little") > 1:
                return Invalid("whether the value is there is neither 0 nor 1")
            return _bytes(type.of, raw[: type.of.size])
        case types.Nested():
            return _fields(type.record, raw)
        case _:
            return None


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def value(record: types.Record, message: Any, error: BaseException | None = None) -> Exception:
    """The fault of a message that cannot be sent."""
    for name, type, of in _members(record, message):
        found = _value(type, of)
        if found is not None:
            return found.within(name).of(record.name)
    return error if isinstance(error, Exception) else Invalid("it cannot be sent", message=record.name)


def _members(record: types.Record, message: Any) -> Iterator[tuple[str, types.Type | types.Tail, Any]]:
    names = [field.name for field in record.fields if not field.is_padding]
    kinds: list[types.Type | types.Tail] = [field.type for field in record.fields if not field.is_padding]
    if record.tail is not None:
        names.append(record.tail.name)
        kinds.append(record.tail)
    for (name, attribute), type in zip(identifiers(names).items(), kinds, strict=True):
        yield name, type, getattr(message, attribute, _NOTHING)


_NOTHING = object()


def _is_no(value: Any, expected: object) -> Invalid:
    if value is _NOTHING:
        return Invalid("it is missing, and has no default")
    names: dict[Any, str] = {bool: "a truth value", int: "an integer", float: "a number", str: "a text", bytes: "bytes", list: "a list", type(None): "nothing"}
    found = names.get(type(value), f"a {_name(value)}")
    return Invalid(f"{found}, where {expected} is expected")


def _name(value: object) -> str:
    return type(value).__name__


def _value(type: types.Type | types.Tail, value: Any) -> Invalid | None:
    match type:
        case types.Unsigned() | types.Signed():
            return _integer(type, value)
        case types.Float():
            try:
                number = float(value) if not isinstance(value, (str, bytes)) else None
            except (TypeError, ValueError):
                number = None
            if number is None:
                return _is_no(value, type)
            largest = 3.4028235677973366e38  # from here on it is rounded to what is no number
            return Invalid(f"{value} does not fit into f32") if type.size == 4 and largest <= abs(number) < float("inf") else None
        case types.Bool():
            try:
                return None if value in (False, True) else _is_no(value, type)
            except ValueError:
                return _is_no(value, type)
        case types.Enumeration():
            known = any(value == number for _, number in type.values)
            return None if known else Invalid(f"{value} is no value of `{type.name}`")
        case types.Array():
            return _list(type.of, value, type.count)
        case types.Text():
            if not isinstance(value, str):
                return _is_no(value, type)
            if "\0" in value:
                return Invalid("a text that is filled up with zeros cannot hold one")
            return _text(value) or _fits(len(value.encode()), type.size)
        case types.Bytes():
            try:
                return _fits(len(octets(value)), type.room)
            except (TypeError, ValueError):
                return _is_no(value, type)
        case types.Maybe():
            if isinstance(type.of, types.Maybe) and value is not None:
                inner: Any = value[0] if isinstance(value, tuple) and len(value) == 1 else _NOTHING  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                return _is_no(value, type) if inner is _NOTHING else _value(type.of, inner)
            return None if value is None else _value(type.of, value)
        case types.Nested():
            for name, of, inner in _members(type.record, value):
                if inner is _NOTHING:
                    return _is_no(value, type)
                if (found := _value(of, inner)) is not None:
                    return found.within(name)
            return None
        case types.Tail():
            if type.of is None:
                return _text(value) if isinstance(value, str) else _is_no(value, "text")
            return _list(type.of, value, None)


def _integer(type: types.Unsigned | types.Signed, value: Any) -> Invalid | None:
    try:
        number = value.__index__()
    except AttributeError:
        return _is_no(value, type)
    bits = 8 * type.size
    low, high = (-(1 << bits - 1), 1 << bits - 1) if isinstance(type, types.Signed) else (0, 1 << bits)
    if low <= number < high:
        return None
    why = "is too large for" if low == 0 <= number else "does not fit into"
    return Invalid(f"{number} {why} {type}")


def _text(value: str) -> Invalid | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return Invalid("the text has half of a surrogate pair, which is no UTF-8")
    return None


def _fits(size: int, room: int) -> Invalid | None:
    return None if size <= room else Invalid(f"{size} bytes, where there is room for {room}")


def _list(of: types.Type, value: Any, count: int | None) -> Invalid | None:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return _is_no(value, "list")
    values = list(value)
    if count is not None and len(values) != count:
        return Invalid(f"{len(values)} elements, where there are {count}")
    for index, element in enumerate(values):
        if (found := _value(of, element)) is not None:
            return found.at(index)
    return None
