"""What type checkers must take, and what they must not: without a plugin. `# E` marks the lines that are wrong."""

from enum import IntEnum
from typing import Annotated, assert_type

import ringway
from ringway import Maybe, enumeration, f64, field, lane, message, padding, u8, u32, u64
from ringway.typed import Array, Bytes, Connection, Text


@enumeration(u8)
class Side(IntEnum):
    Buy = 1
    Sell = 2


@message
class Quote:
    bid: f64
    ask: f64
    size: u32
    _pad: Annotated[bytes, Array(u8, 3)] = padding()
    side: Side
    symbol: Annotated[str, Text(8)]
    key: Annotated[bytes, Bytes(6)]
    venue: Maybe[u64] = field(since=2, default=None)
    levels: list[f64] = field(default=())


@message(kind=2)
class Trade:
    price: f64


quote = Quote(1.0, 2.0, 3, Side.Buy, "EURUSD", b"key", None, [1.0])
Quote(bid=1.0, ask=2.0, size=3, side=Side.Buy, symbol="EURUSD", key=b"", levels=[])
assert_type(quote.bid, float)
assert_type(quote.size, int)
assert_type(quote.side, Side)
assert_type(quote.symbol, str)
assert_type(quote.key, bytes)
assert_type(quote.venue, int | None)
assert_type(quote.levels, list[float])
Quote(bid="x", ask=2.0, size=3, side=Side.Buy, symbol="EURUSD", key=b"", levels=[])  # E
Quote(1.0)  # E
Trade(prise=1.0)  # E


def one(connection: Connection[Quote, Trade]) -> None:
    assert_type(connection.recv(), Trade)
    assert_type(connection.recv_batch(), list[Trade])
    connection.send(quote)
    connection.send(Trade(1.0))  # E


def calls() -> None:
    connection = ringway.connect("x", sends=Quote, expects=Trade)
    assert_type(connection, Connection[Quote, Trade])
    several = ringway.connect("x", sends=lane(Quote, Trade), expects=lane(Quote, Trade))
    assert_type(several.recv(), Quote | Trade)
    several.send(quote)
    several.send(Trade(1.0))
    several.send(1.0)  # E
    assert_type(ringway.connect("x"), ringway.Connection)
    assert_type(ringway.connect("x", expects=Trade).recv(), Trade)
    with ringway.listen("x", sends=Quote, expects=Trade) as listener:
        assert_type(listener.accept(timeout=1.0).recv(), Trade)
    assert_type(ringway.typed.decode(Trade, b""), Trade)
