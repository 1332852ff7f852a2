"""Any schema, any value, any bytes: what Python makes of them is what Rust makes of them."""

# Strategies are lambdas, and values of any type.
# pyright: basic

import enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ringway
from ringway.typed import Invalid, lane_from, types

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

NAMES = ["id", "price", "größe", "side", "from", "class", "a b", "__x", "né", "0x"]


def leaves() -> st.SearchStrategy[types.Type]:
    sizes = st.sampled_from([1, 2, 4, 8, 16])
    enumerations = st.builds(
        lambda size, signed, values: types.Enumeration(
            "Colour", size, signed, tuple((f"V{index}", value) for index, value in enumerate(sorted({0, *values})))
        ),
        st.sampled_from([1, 2, 4, 8]),
        st.just(False),
        st.sets(st.integers(1, 255), max_size=4),
    ) | st.builds(
        lambda size, values: types.Enumeration("Level", size, True, tuple((f"V{index}", value) for index, value in enumerate(sorted({0, *values})))),
        st.sampled_from([1, 2, 4, 8]),
        st.sets(st.integers(-128, 127), max_size=4),
    )
    return st.one_of(
        st.builds(types.Unsigned, sizes),
        st.builds(types.Signed, sizes),
        st.builds(types.Float, st.sampled_from([4, 8])),
        st.just(types.Bool()),
        enumerations,
        st.builds(types.Text, st.integers(0, 12)),
        st.builds(types.Bytes, st.integers(0, 12)),
    )


def record(fields: list[types.Type], tail: types.Tail | None = None) -> types.Record:
    """A record as dense as can be, whose fields are aligned to what their places are multiples of."""
    found: list[types.Field] = []
    offset = 0
    for name, of in zip(NAMES, fields, strict=False):
        align = of.align
        while offset % align:
            align //= 2
        found.append(types.Field(name, of, offset, align))
        offset += of.size
    return types.Record("Any", tuple(found), offset, 16, tail)


def nested() -> st.SearchStrategy[types.Type]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.builds(types.Array, inner.filter(lambda of: of.size > 0), st.integers(0, 4)),
            st.builds(types.Maybe, inner),
            st.builds(lambda fields: types.Nested(record(fields)), st.lists(inner, min_size=1, max_size=3)),
        ),
        max_leaves=5,
    )


def records() -> st.SearchStrategy[types.Record]:
    tails = st.none() | st.builds(
        lambda of: types.Tail("rest", of), st.none() | nested().filter(lambda of: of.size > 0)
    )
    return st.builds(record, st.lists(nested(), max_size=6), tails)


def image(of: types.Type) -> st.SearchStrategy[bytes]:
    """Bytes that are a value of a type."""
    match of:
        case types.Bool():
            return st.sampled_from([b"\0", b"\1"])
        case types.Enumeration():
            return st.sampled_from([value.to_bytes(of.size, "little", signed=of.signed) for _, value in of.values])
        case types.Array():
            return st.lists(image(of.of), min_size=of.count, max_size=of.count).map(b"".join)
        case types.Text():
            texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=of.size)
            return texts.map(str.encode).filter(lambda raw: len(raw) <= of.size).map(lambda raw: raw.ljust(of.size, b"\0"))
        case types.Bytes():
            return st.binary(max_size=of.room).map(lambda raw: len(raw).to_bytes(2, "little") + raw.ljust(of.room, b"\0"))
        case types.Maybe():
            there = (1).to_bytes(of.align, "little")
            return st.just(bytes(of.size)) | image(of.of).map(lambda raw: raw + there)
        case types.Nested():
            return st.tuples(*(image(field.type) for field in of.record.fields)).map(b"".join)
        case _:
            return st.binary(min_size=of.size, max_size=of.size)


def frame(of: types.Record) -> st.SearchStrategy[bytes]:
    head = image(types.Nested(of))
    if of.tail is None:
        return head
    if of.tail.of is None:
        rest: st.SearchStrategy[bytes] = st.text(st.characters(exclude_categories=["Cs"]), max_size=9).map(str.encode)
    else:
        rest = st.lists(image(of.tail.of), max_size=4).map(b"".join)
    return st.builds(bytes.__add__, head, rest)


def plain(value: Any, of: types.Type | types.Tail | types.Record) -> Any:
    """A value of a class, as the native decoder gives it."""
    match of:
        case types.Record():
            names = {**ringway.typed.codec.attributes(of)}
            found: dict[str, Any] = {}
            parts: list[Any] =  [*of.fields, *([of.tail] if of.tail else [])]
            for part in parts:
                inner = part if isinstance(part, types.Tail) else part.type
                if not part.name.startswith("_"):
                    found[part.name] = plain(getattr(value, names[part.name]), inner)
            return found
        case types.Nested():
            return plain(value, of.record)
        case types.Enumeration():
            assert isinstance(value, enum.IntEnum)
            return value.name
        case types.Array() | types.Tail() if of.of is not None and not isinstance(value, bytes):
            return [plain(element, of.of) for element in value]
        case types.Maybe() if value is not None:
            return (plain(value[0], of.of),) if isinstance(of.of, types.Maybe) else plain(value, of.of)
        case _:
            return value


def same(one: Any, other: Any) -> bool:
    """Equal, and what is no number equals itself."""
    return repr(one) == repr(other)


def shown(told: dict[str, Any]) -> dict[str, Any]:
    """Without padding, at whatever depth."""
    return {
        name: shown(value) if isinstance(value, dict) else [shown(each) if isinstance(each, dict) else each for each in value] if isinstance(value, list) else value
        for name, value in told.items()
        if not name.startswith("_")
    }


@RELAXED
@given(st.data())
def test_a_frame_says_the_same_in_both(data: st.DataObject) -> None:
    of = data.draw(records())
    schema = ringway.Schema({"records": [of.describe()]})
    lane = lane_from(schema)
    assert lane.schema == schema
    payload = data.draw(frame(of))
    message = lane.reader(None).decode(0, payload)
    told = schema.decode(payload)
    assert same(plain(message, of), shown(told))
    # Padding is zero again, and bytes that nobody looks at.
    again = lane.encode(message)[1]
    assert same(lane.reader(None).decode(0, again), message)
    native = schema.encode({name: value for name, value in told.items() if not name.startswith("_")})
    assert again == native


@RELAXED
@given(st.data())
def test_any_bytes_are_a_message_in_both_or_in_none(data: st.DataObject) -> None:
    of = data.draw(records())
    schema = ringway.Schema({"records": [of.describe()]})
    payload = bytearray(data.draw(frame(of)))
    for _ in range(data.draw(st.integers(1, 3))):
        if payload:
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        payload = payload[: data.draw(st.integers(0, len(payload)))] + data.draw(st.binary(max_size=3))
    reader = lane_from(schema).reader(None)
    try:
        told = schema.decode(bytes(payload))
    except ringway.SchemaError as error:
        with pytest.raises(Invalid) as found:
            reader.decode(0, bytes(payload))
        if found.value.path:
            # The field is the same.
            assert f"`{found.value.path}`" in str(error)
        return
    assert same(plain(reader.decode(0, bytes(payload)), of), shown(told))


@RELAXED
@given(st.data())
def test_arrays_are_judged_as_messages_are(data: st.DataObject) -> None:
    from ringway.typed import array, dtype, messages
    from ringway.typed.arrays import columns_of

    np = pytest.importorskip("numpy")
    of = data.draw(records().filter(lambda of: of.tail is None and of.size > 0))
    made = lane_from(ringway.Schema({"records": [of.describe()]})).only
    assert dtype(made).itemsize == of.size
    frames = data.draw(st.lists(frame(of), min_size=1, max_size=4))
    raw = bytearray(b"".join(frames))
    rows = np.frombuffer(raw, dtype(made))
    assert same(messages(made, array(made, messages(made, rows))), messages(made, rows))
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    shape = made.__ringway__
    decode = shape.decoder(of.size)
    bad = []
    for at in range(0, len(raw), of.size):
        try:
            decode(bytes(raw[at : at + of.size]))
            bad.append(False)
        except Invalid:
            bad.append(True)
    found = columns_of(shape).wrong(np.frombuffer(raw, dtype(made)))
    assert (found.tolist() if found is not None else [False] * len(bad)) == bad
