"""The same for `Text[16]` and its like: pyright takes them as they are, mypy with the plugin."""

from typing import assert_type

from ringway.typed import Array, Bytes, Text, f64, message, u32


@message
class Quote:
    bid: f64
    symbol: Text[8]
    key: Bytes[6]


@message
class Book:
    levels: Array[f64, 4]
    count: u32


quote = Quote(1.0, "EURUSD", b"key")
assert_type(quote.symbol, str)
assert_type(quote.key, bytes)
Quote(1.0, 3, b"")  # E
Book([1.0, 2.0, 3.0, 4.0], 3)
for level in Book([1.0, 2.0, 3.0, 4.0], 3).levels:
    print(level)
