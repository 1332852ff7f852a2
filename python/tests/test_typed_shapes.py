"""Classes are what the Rust derive makes of the same fields: the files under `tests/golden/typed` are written by it."""

from pathlib import Path
from typing import Any

import pytest
import typed_shapes as shapes

from ringway import Schema
from ringway.typed import Lane, decode, encode, lane, lane_from, schema

GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "typed"

ALONE = [
    "Nothing0", "Numbers", "Inner", "Nested", "Absent", "Values", "Point", "Grown", "Letters", "Octets", "Reals", "Legs", "Maybes", "Grid", "Names", "Truths", "Sides", "Tight",
    "Leg", "Everything", "Order", "Note", "Cancel",
]  # fmt: skip

SEVERAL: dict[str, Lane[Any]] = {
    "Several": lane(shapes.Point, shapes.Grown),
    "Request": lane(shapes.Order, shapes.Cancel, shapes.Note, shapes.Everything),
}


def held(name: str) -> Schema:
    return Schema.from_json((GOLDEN / f"{name}.json").read_text())


def test_every_file_is_looked_at() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*ALONE, *SEVERAL}


@pytest.mark.parametrize("name", ALONE)
def test_a_message_has_the_schema_of_the_derive(name: str) -> None:
    from ringway.typed.shape import shape_of

    # Alone its kind is 0 in Rust, whatever it is elsewhere.
    made = Lane[Any]({0: shape_of(getattr(shapes, name))}).schema
    assert made.json() == held(name).json()
    assert made.fingerprint == held(name).fingerprint


@pytest.mark.parametrize("name", SEVERAL)
def test_a_lane_of_several_has_the_schema_of_the_derive(name: str) -> None:
    assert SEVERAL[name].schema.json() == held(name).json()


@pytest.mark.parametrize("name", [*ALONE, *SEVERAL])
def test_classes_from_a_table_have_its_schema(name: str) -> None:
    made = lane_from(held(name))
    assert made.schema == held(name)
    assert made.schema.json() == held(name).json()


def inner(at: int) -> shapes.Inner:
    return shapes.Inner(at, [[1, 2], [3, 4], [5, 6]], 0xFFFF_FFFF)


def leg(price: float) -> shapes.Leg:
    return shapes.Leg(price, 7, shapes.Side.Sell, True)


VALUES: dict[str, Any] = {
    "Numbers": shapes.Numbers(
        1 << 100, -(1 << 100), 2**64 - 1, -(2**63), -0.5, 4_000_000_000, -2_000_000_000, 1.5, 65_535, -32_768, 255, -128, True
    ),
    "Nested": shapes.Nested(
        inner(1),
        [inner(2), inner(3)],
        [[True, False, True], [False, True, False]],
        b"\0\x01keys",
        ["ab", "öß"],
        [b"", b"\0\xff"],
        [shapes.Side.Buy, shapes.Side.Sell, shapes.Side.Buy, shapes.Side.Buy],
        [None, 0],
    ),
    "Absent": shapes.Absent(3, shapes.Point(1.0, -1.0), [1, 2, 3], shapes.Level.High, (None,), "name", None),
    "Values": shapes.Values(shapes.High.All, shapes.Level.Low, shapes.Low.Last, shapes.Small.Down),
    "Grown": shapes.Grown(1, 2.5),
    "Leg": leg(1.25),
    "Letters": shapes.Letters(9, "größer"),
    "Octets": shapes.Octets(9, b"\0\xff"),
    "Reals": shapes.Reals(9, [0.5, -2.0]),
    "Legs": shapes.Legs(9, [leg(1.0), leg(2.0)]),
}

FRAMES = [line.split() for line in (GOLDEN / "frames.txt").read_text().splitlines()]


@pytest.mark.parametrize(("name", "frame"), FRAMES)
def test_a_value_has_the_bytes_that_rust_gives_it(name: str, frame: str) -> None:
    value = VALUES[name]
    made: Any = value.__class__
    assert encode(value).hex() == frame
    assert decode(made, bytes.fromhex(frame)) == value
    # And those of a class that was made from the table.
    made = lane_from(schema(made)).only
    assert encode(decode(made, bytes.fromhex(frame))).hex() == frame


def test_every_value_is_looked_at() -> None:
    assert {name for name, _ in FRAMES} == set(VALUES)
