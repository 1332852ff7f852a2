"""What the cases `typed`, `variable` and `wrong` carry, and how it is printed: alike in every language."""

import enum

from ringway import Array, Maybe, Text, enumeration, f64, i16, i64, message, padding, u8, u32, u64


@enumeration(u8)
class Side(enum.IntEnum):
    Buy = 1
    Sell = 2


@message
class Leg:
    price: f64
    count: u32
    side: Side
    hidden: bool
    _pad: Array[u8, 2] = padding()


@message
class Sample:
    wide: i64
    leg: Leg
    limit: Maybe[u32]
    absent: Maybe[u32]
    name: Text[9]
    yes: bool
    small: Array[i16, 3]


@message
class Order:
    number: u64
    side: Side
    _pad: Array[u8, 7] = padding()
    legs: list[Leg]


@message
class Quote:
    bid: f64
    ask: f64


@message(name="Quote")
class Other:
    """What somebody else takes for a quote."""

    bid: f64
    size: u64


SAMPLES = [Sample(-5_000_000_000, Leg(1.5, 7, Side.Sell, True), 7, None, "Größe", True, [1, -2, 300])]
ORDERS = [
    Order(9, Side.Buy, [Leg(1.5, 2, Side.Buy, True), Leg(2.5, 3, Side.Sell, False)]),
    Order(10, Side.Sell, []),
]


def shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "none"
        case Side():
            return value.name
        case Leg():
            return "/".join(map(shown, [value.price, value.count, value.side, value.hidden]))
        case Order():
            return " ".join(map(shown, [value.number, value.side, *value.legs]))
        case Sample():
            parts = [value.wide, value.leg, value.limit, value.absent, value.name, value.yes]
            return " ".join(map(shown, parts)) + " " + ",".join(map(shown, value.small))
        case _:
            return str(value)
