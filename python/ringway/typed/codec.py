"""Bytes from values and back: for each message two functions, whose text is made once from its record.

The fixed part is one ``struct.Struct``; each field is one or more of its *slots*. What goes wrong is only noticed here; what it is, and in which field, says
:mod:`ringway.typed.explain`, which looks again, one field after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ringway.typed import codec_parts as parts
from ringway.typed import explain, types

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q", 16: "16s"}
_FLOATS = {4: "f", 8: "d"}


def attributes(record: types.Record) -> dict[str, str]:
    """The names of a record's fields, as attributes in Python: of a keyword with ``_`` behind it."""
    names = [field.name for field in record.fields if not field.is_padding]
    if record.tail is not None:
        names.append(record.tail.name)
    return parts.identifiers(names)


def code(type: types.Type) -> str | None:
    """The letter of a number in ``struct``; ``None`` for what is no plain number of at most 8 bytes."""
    match type:
        case types.Unsigned() if type.size < 16:
            return _CODES[type.size]
        case types.Signed() if type.size < 16:
            return _CODES[type.size].lower()
        case types.Float():
            return _FLOATS[type.size]
        case _:
            return None


class Text:
    """The text of a function that reads or writes values, and the names in it."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = dict(parts.NAMES)
        self._next = 0

    def fresh(self, prefix: str) -> str:
        self._next += 1
        return f"{prefix}{self._next}"

    def bind(self, prefix: str, value: Any) -> str:
        name = self.fresh(prefix)
        self.names[name] = value
        return name

    def function(self, head: str, lines: list[str]) -> Callable[..., Any]:
        """The function ``head`` with these lines."""
        body = "".join(f"    {line}\n" for line in lines)
        exec(f"def {head}:\n{body}", self.names)  # noqa: S102: made here, of identifiers and numbers
        return self.names[head.partition("(")[0]]  # type: ignore[no-any-return]

    # Slots.

    def slots(self, type: types.Type) -> list[str]:
        """The formats of a type's slots."""
        match type:
            case types.Unsigned() | types.Signed() | types.Float():
                return [code(type) or "16s"]
            case types.Bool():
                return ["B"]
            case types.Enumeration():
                return [code(type.integer) or ""]
            case types.Array() | types.Text():
                return [f"{type.size}s"]
            case types.Bytes():
                return ["H", f"{type.room}s"]
            case types.Maybe():
                return [*self.slots(type.of), _CODES[type.align]]
            case types.Nested():
                return self.record_slots(type.record)

    def record_slots(self, record: types.Record) -> list[str]:
        """Those of a record's fields. Padding that may be anything has none."""
        found: list[str] = []
        for field in record.fields:
            if is_skipped(field):
                found.append(f"{field.size}x")
            else:
                found += self.slots(field.type)
        return found

    # Reading.

    def read(self, type: types.Type, slots: list[str]) -> str:
        """An expression for the value in these slots; taken out of the list."""
        match type:
            case types.Unsigned() | types.Signed() | types.Float():
                slot = slots.pop(0)
                if code(type) is not None:
                    return slot
                return f"from_bytes({slot}, 'little', signed={isinstance(type, types.Signed)})"
            case types.Bool():
                return f"TRUTH[{slots.pop(0)}]"
            case types.Enumeration():
                members = {value: type.made(value) for _, value in type.values}
                return f"{self.bind('E', members)}[{slots.pop(0)}]"
            case types.Array():
                return self.read_elements(type.of, slots.pop(0))
            case types.Text():
                return f"unfill({slots.pop(0)})"
            case types.Bytes():
                return f"held({slots.pop(0)}, {slots.pop(0)})"
            case types.Maybe():
                value = self.read(type.of, slots)
                if isinstance(type.of, types.Maybe):
                    value = f"({value},)"
                flag = slots.pop(0)
                if type.align == 16:
                    flag = f"from_bytes({flag}, 'little')"
                if types.is_checked(type.of):
                    return f"maybe({value}, {flag})"
                return f"({value} if {flag} == 1 else absent({flag}))"
            case types.Nested():
                return self.read_record(type.record, type.made, slots)

    def read_record(self, record: types.Record, made: Any, slots: list[str], tail: str = "") -> str:
        """An expression for an instance of ``made``."""
        values: list[str] = []
        dropped: list[str] = []
        for field in record.fields:
            if not is_skipped(field):
                (dropped if field.is_padding else values).append(self.read(field.type, slots))
        if tail:
            values.append(tail)
        instance = f"{self.bind('C', made)}({', '.join(values)})"
        return f"first({', '.join([instance, *dropped])})" if dropped else instance

    def read_elements(self, of: types.Type, slot: str, raw: bool = True) -> str:
        """An expression for the list that lies in a slot."""
        if of == types.Unsigned(1):
            return slot if raw else f"list({slot})"
        if isinstance(of, types.Bool):
            each = self.fresh("e")
            return f"[TRUTH[{each}] for {each} in {slot}]"
        formats = self.slots(of)
        walk = self.bind("walk", parts.struct(formats).iter_unpack)
        names = [self.fresh("e") for text in formats if not text.endswith("x")]
        value = self.read(of, list(names))
        return f"[{value} for ({', '.join(names)},) in {walk}({slot})]"

    # Writing.

    def write(self, type: types.Type, value: str) -> list[str]:
        """Expressions for the slots of a value; one with a star stands for several."""
        match type:
            case types.Unsigned() | types.Signed() | types.Float():
                if code(type) is not None:
                    return [value]
                return [f"index({value}).to_bytes(16, 'little', signed={isinstance(type, types.Signed)})"]
            case types.Bool():
                return [f"BIT[{value}]"]
            case types.Enumeration():
                return [f"{self.bind('N', {number: number for _, number in type.values})}[{value}]"]
            case types.Array():
                return [self.write_array(type, value)]
            case types.Text():
                return [f"filled({value}, {type.size})"]
            case types.Bytes():
                held = self.fresh("b")
                return [f"len({held} := within({value}, {type.room}))", held]
            case types.Maybe():
                return [f"*{self.maybe(type)}({value})"]
            case types.Nested():
                return self.write_record(type.record, value)

    def write_record(self, record: types.Record, value: str) -> list[str]:
        """Those of an instance's attributes."""
        names = attributes(record)
        found: list[str] = []
        for field in record.fields:
            if is_skipped(field):
                continue
            if field.is_padding:
                found += [_zero(slot) for slot in self.slots(field.type)]
            else:
                found += self.write(field.type, f"{value}.{names[field.name]}")
        return found

    def write_array(self, type: types.Array, value: str) -> str:
        if type.of == types.Unsigned(1):
            return f"exactly({value}, {type.count})"
        if (letter := code(type.of)) is not None:
            pack = self.bind("pack", parts.struct([f"{type.count}{letter}"]).pack)
            return f"{pack}(*{value})"
        return f"whole({self.write_elements(type.of, value)}, {type.size})"

    def write_elements(self, of: types.Type, value: str) -> str:
        """An expression for the bytes of any number of elements."""
        each = self.fresh("e")
        if isinstance(of, types.Bool):
            return f"bytes([BIT[{each}] for {each} in {value}])"
        # A function of its own: what is bound in a comprehension would be bound around it.
        element = self.fresh("element")
        pack = self.bind("pack", parts.struct(self.slots(of)).pack)
        self.function(f"{element}({each})", [f"return {pack}({', '.join(self.write(of, each))})"])
        return f"b''.join(map({element}, {value}))"

    def maybe(self, type: types.Maybe) -> str:
        """The name of a function that gives the slots of what may be absent."""
        name, value = self.fresh("maybe"), self.fresh("x")
        inner = f"{value}[0]" if isinstance(type.of, types.Maybe) else value
        zeros = ", ".join(_zero(slot) for slot in self.slots(type) if not slot.endswith("x"))
        there = ", ".join([*self.write(type.of, inner), _flag(type)])
        lines = [f"if {value} is None:", f"    return ({zeros},)", f"return ({there},)"]
        self.function(f"{name}({value})", lines)
        return name


def is_skipped(field: types.Field) -> bool:
    """Whether nobody looks at a field: padding that may be anything."""
    return field.is_padding and not types.is_checked(field.type)


def _zero(slot: str) -> str:
    return "b''" if slot.endswith("s") else "0"


def _flag(type: types.Maybe) -> str:
    return r"b'\1'" if type.align == 16 else "1"


def encoder(record: types.Record) -> Callable[[Any], bytes]:
    """The function that gives the payload of a message."""
    text = Text()
    pack = text.bind("pack", parts.struct(text.record_slots(record)).pack)
    whole = f"{pack}({', '.join(text.write_record(record, 'm'))})"
    if record.tail is not None:
        name = attributes(record)[record.tail.name]
        whole = f"{whole} + {_write_tail(text, record.tail, f'm.{name}')}"

    def fault(message: Any, error: BaseException | None) -> Exception:
        return explain.value(record, message, error)

    text.names["fault"] = fault
    lines = ["try:", f"    return {whole}", "except WRONG as error:", "    raise fault(m, error) from None"]
    return text.function("encode(m)", lines)


def _write_tail(text: Text, tail: types.Tail, value: str) -> str:
    if tail.of is None:
        return f"{value}.encode()"
    if tail.of == types.Unsigned(1):
        return f"octets({value})"
    if (letter := code(tail.of)) is not None:
        return f"numbers({value}, {letter!r}, {tail.of.size})"
    return text.write_elements(tail.of, value)


def decoder(record: types.Record, made: Any, fixed: int, default: bytes) -> Callable[[bytes], Any]:
    """The function that gives the message of a payload, whose writer's fixed part has ``fixed`` bytes.

    ``default`` are the bytes of the fields that the writer may not know.
    """
    text = Text()
    formats = text.record_slots(record)
    layout = parts.struct(formats)
    slots = [text.fresh("v") for slot in formats if not slot.endswith("x")]
    target = f"({', '.join(slots)},) = " if slots else ""
    text.names |= {"unpack": layout.unpack, "unpack_from": layout.unpack_from}
    text.names["LATER"] = default[fixed:]

    def fault(payload: bytes, error: BaseException | None) -> Exception:
        return explain.frame(record, payload, fixed, default, error)

    text.names["fault"] = fault
    lines: list[str] = []
    part = ""
    if record.tail is not None:
        lines.append(f"if len(p) < {fixed}: raise fault(p, None)")
        lines.append(f"rest = p[{fixed}:]")
        part = _read_tail(text, record.tail, "rest")
    elif fixed != record.size:
        lines.append(f"if len(p) != {fixed}: raise fault(p, None)")
    if fixed < record.size:
        lines.append(f"{target}unpack(p[:{fixed}] + LATER)")
    elif fixed == record.size and record.tail is None:
        lines.append(f"{target}unpack(p)")
    else:
        lines.append(f"{target}unpack_from(p)")
    lines.append(f"return {text.read_record(record, made, slots, part)}")
    lines = ["try:", *(f"    {line}" for line in lines), "except WRONG as error:", "    raise fault(p, error) from None"]
    return text.function("decode(p)", lines)


def _read_tail(text: Text, tail: types.Tail, rest: str) -> str:
    if tail.of is None:
        return f"str({rest}, 'utf-8')"
    if (letter := code(tail.of)) is not None and tail.of != types.Unsigned(1):
        return f"listed({rest}, {letter!r}, {tail.of.size})"
    return text.read_elements(tail.of, rest, tail.raw)
