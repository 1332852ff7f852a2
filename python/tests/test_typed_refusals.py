"""What no message can be is refused where the class is made, with what to write instead: as by the Rust derive."""

# Classes are made of what no checker would take.
# mypy: ignore-errors
# pyright: basic

import enum
from typing import Any, cast

import pytest

import ringway
from ringway.typed import Array, Bytes, Maybe, Text, decode, encode, enumeration, f32, f64, field, lane, message, padding, u8, u16, u32, u64, u128


def refused(text: str, **annotations: Any) -> None:
    defaults = {name: value[1] for name, value in annotations.items() if isinstance(value, tuple)}
    hints = {name: value[0] if isinstance(value, tuple) else value for name, value in annotations.items()}
    with pytest.raises(TypeError) as found:
        message(type("Made", (), {"__annotations__": hints, **defaults}))
    assert text in str(found.value), str(found.value)


def test_gaps() -> None:
    refused("there are 4 bytes free before the field `b` of `Made`: put a field `_pad: Array[u8, 4]` there, or larger fields first", a=u32, b=f64)
    refused("there are 7 bytes free behind the last field of fixed size of `Made`: put a field `_pad: Array[u8, 7]` there", a=f64, b=bool)
    refused("there are 3 bytes free before the field `b`", a=u8, b=Maybe[u32])
    refused("there are 12 bytes free behind", a=u32, rest=list[u128])
    refused("there are 7 bytes free behind", a=u8, rest=list[f64])


def test_types_that_no_field_has() -> None:
    refused("`a` is of the type `int`, and an int has no size: use u8 to u128 or i8 to i128", a=int)
    refused("a float has no size", a=float)
    refused("a str has no size: use Text[16], or `str` as the last field", a=str, b=u8)
    refused("bytes have no size", a=bytes, b=u8)
    refused("a list has no size", a=list[u8], b=u8)
    refused("a tuple has no layout", a=tuple[u8, u8])
    refused("a dict has no layout", a=dict[str, u8])
    refused("it says nothing", a=Any)
    refused("the field `a` has one type", a=u8 | u16 | None)
    refused("a text has a size: use Text[16]", a=Text)
    refused("bytes have a size: use Bytes[16]", a=Bytes)
    refused("an array has elements, and a number of them", a=Array)
    refused("no field can have it", a=object)
    refused("its count of two bytes can say at most 65535", a=Bytes[65536])
    refused("an array whose elements have no bytes", a=Array[Text[0], 3])
    refused("the elements of `a` have no bytes", a=list[Array[u8, 0]])
    refused("whose size nobody said: put @ringway.enumeration(u8) before it", a=enum.IntEnum("Side", {"Buy": 1}))
    with pytest.raises(TypeError, match="an array has a type and a number"):
        Array[f64]
    with pytest.raises(TypeError, match=r"Text\['x'\]"):
        Text["x"]  # type: ignore[type-arg]


def test_versions_and_defaults() -> None:
    refused("`a` came with version 2, so older messages do not have it: give it a default or the type `Maybe[..]`".replace("`a`", "the field `b` of `Made`"), a=u64, b=(u64, field(since=2)))
    refused("`b` is of version 1 and comes behind a field of version 2", a=(u64, field(since=2, default=0)), b=u64)
    refused("versions begin with 1", a=(u64, field(since=0)))
    refused("the default of `a`: 256 is too large for u8", a=(u8, field(default=256)))
    refused("the default of `a`: a text, where f32 is expected", a=(f32, "x"))
    refused("cannot be added later", a=u64, rest=(str, field(since=2)))
    refused("it may be empty", a=u64, rest=(str, "x"))


def test_absence_needs_a_zero() -> None:
    side = enumeration(u8)(enum.IntEnum("Side", {"Buy": 1}))
    refused("`a` may be absent, and so zero, which is no value of `Side`: give it a value of 0", a=Maybe[side])
    refused("`_a` is padding, and so zero, which is no value of `Side`", _a=(side, padding()))


def test_records_that_no_field_is() -> None:
    @message
    class Tailed:
        a: u64
        rest: str

    refused("`a` is `Tailed`, which has a variable part", a=Tailed)
    with pytest.raises(TypeError, match="has a base class"):
        message(type("Made", (Tailed,), {"__annotations__": {"b": u8}}))
    with pytest.raises(TypeError, match="a kind is from 0 to 65535"):
        message(kind=65536)(type("Made", (), {"__annotations__": {"b": u8}}))


def test_enumerations() -> None:
    with pytest.raises(TypeError, match="`Side.Buy` is 256, which does not fit into u8"):
        enumeration(u8)(enum.IntEnum("Side", {"Buy": 256}))
    with pytest.raises(TypeError, match="from u8 to i64, not f64"):
        enumeration(f64)
    with pytest.raises(TypeError, match="not u128"):
        enumeration(u128)
    with pytest.raises(TypeError, match="must be an enum.IntEnum"):
        enumeration(u8)(enum.Enum("Side", {"Buy": 1}))  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


def test_lanes() -> None:
    @message(kind=1)
    class One:
        a: u64

    @message
    class Two:
        a: u64

    @message(kind=1)
    class Same:
        a: u64

    with pytest.raises(TypeError, match="`Two` needs a kind"):
        lane(One, Two)
    with pytest.raises(TypeError, match="`Same` has the kind of `One`"):
        lane(One, Same)
    with pytest.raises(TypeError, match="`int` is no message"):
        lane(int)
    with pytest.raises(ringway.SchemaError):
        # The rules of every schema hold too: a name may not turn the direction of text.
        _ = lane(message(name="a\u202eb")(type("Made", (), {"__annotations__": {"b": u8}}))).schema




def test_annotations_may_be_text() -> None:
    made: Any = message(type("Made", (), {"__annotations__": {"price": "f64", "names": "Array[Text[4], 2]"}, "__module__": __name__}))
    assert len(encode(made(1.0, ["a", "b"]))) == 16


def test_values_that_no_frame_holds() -> None:
    side = enumeration(u8)(enum.IntEnum("Side", {"Buy": 1}))
    hints = {"a": u8, "t": Text[3], "b": Bytes[2], "f": f32, "s": side, "l": Array[bool, 2], "m": Maybe[u8], "x": Array[u8, 3], "rest": list[u16]}
    made: Any = message(type("Made", (), {"__annotations__": hints}))
    good = {"a": 1, "t": "abc", "b": b"x", "f": 1.0, "s": 1, "l": [True, False], "m": None, "x": b"abc", "rest": [1]}
    assert len(encode(made(**good))) == 22
    wrong = {
        "a": [(-1, "-1 does not fit into u8"), (256, "256 is too large for u8"), (1.5, "a number, where u8 is expected"), (None, "nothing, where u8 is expected")],
        "t": [("abcd", "4 bytes, where there is room for 3"), ("a\0", "cannot hold one"), (b"a", "bytes, where Text<3> is expected"), ("\ud800", "surrogate")],
        "b": [(b"abc", "3 bytes, where there is room for 2"), ("a", "a text, where Bytes<2> is expected"), (3, "an integer, where Bytes<2> is expected")],
        "f": [("x", "a text, where f32 is expected"), (1e39, "does not fit into f32")],
        "s": [(2, "2 is no value of `Side`"), ("Buy", "Buy is no value of `Side`")],
        "l": [([True], "1 elements, where there are 2"), ([True, 2], "an integer, where bool is expected"), (1, "an integer, where list is expected")],
        "m": [(-1, "-1 does not fit into u8")],
        "x": [(b"ab", "2 elements, where there are 3"), ([1, 2, 300], "300 is too large for u8")],
        "rest": [([1, 70_000], "70000 is too large for u16"), ("ab", "a text, where list is expected")],
    }
    for name, cases in wrong.items():
        for value, text in cases:
            with pytest.raises(ringway.Invalid) as found:
                encode(made(**{**good, name: value}))
            assert text in str(found.value) and found.value.path.startswith(name), (name, value, str(found.value))


def test_what_is_no_class_and_no_payload() -> None:
    made: Any = message(type("Made", (), {"__annotations__": {"a": f64}}))
    payload, unclassy = encode(made(1.0)), cast(Any, 5)
    assert decode(made, bytearray(payload)) == made(1.0)
    with pytest.raises(TypeError, match="goes before a class, and not 5: its options have names"):
        message(unclassy)
    with pytest.raises(TypeError, match="the message's class comes first, and is not 5"):
        decode(unclassy, payload)
    # Not as many zeros.
    wrong: Any
    for wrong in (8, "12345678", None):
        with pytest.raises(TypeError, match="bytes-like object"):
            decode(made, wrong)
    left, right = ringway.pair()
    with left, right, pytest.raises(TypeError, match="an array of NumPy is wanted, and not `list`"):
        ringway.typed.Sender(left.sender, lane(made)).send_array(cast(Any, [1.0]))
