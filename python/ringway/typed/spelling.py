"""How the types of fields are written in annotations.

Numbers are aliases that type checkers see through: ``f64`` is a ``float``, ``u32`` an ``int``. ``Maybe[T]`` is ``T | None``. ``Text[16]``, ``Bytes[16]`` and
``Array[f64, 4]`` are for the eye; pyright takes them as they are, mypy with the plugin ``ringway.typed.mypy``. ``Annotated[str, Text(16)]`` means the same and needs no plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, overload
from typing import Optional as Maybe

from ringway.typed import types

__all__ = [
    "Array", "Bytes", "Maybe", "Text",
    "f32", "f64", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128",
]  # fmt: skip

u8 = Annotated[int, types.Unsigned(1)]
u16 = Annotated[int, types.Unsigned(2)]
u32 = Annotated[int, types.Unsigned(4)]
u64 = Annotated[int, types.Unsigned(8)]
u128 = Annotated[int, types.Unsigned(16)]
i8 = Annotated[int, types.Signed(1)]
i16 = Annotated[int, types.Signed(2)]
i32 = Annotated[int, types.Signed(4)]
i64 = Annotated[int, types.Signed(8)]
i128 = Annotated[int, types.Signed(16)]
f32 = Annotated[float, types.Float(4)]
f64 = Annotated[float, types.Float(8)]


class Text:
    """``Text[16]``: UTF-8 of at most 16 bytes, filled up with zeros. Its values are ``str``.

    >>> from ringway.typed import Text, message
    >>> @message
    ... class Symbol:
    ...     name: Text[8]
    >>> Symbol("EURUSD")
    Symbol(name='EURUSD')
    """

    def __init__(self, size: int) -> None:
        self.size = _bytes(size, "Text")

    def __class_getitem__(cls, size: int) -> Any:
        return Annotated[str, cls(size)]

    def __repr__(self) -> str:
        return f"Text({self.size})"

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Text: ...
        @overload
        def __get__(self, instance: object, owner: type) -> str: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __set__(self, instance: object, value: str) -> None: ...


class Bytes:
    """``Bytes[16]``: at most 16 bytes; up to 65,535. Its values are ``bytes``."""

    def __init__(self, size: int) -> None:
        self.size = _bytes(size, "Bytes")

    def __class_getitem__(cls, size: int) -> Any:
        return Annotated[bytes, cls(size)]

    def __repr__(self) -> str:
        return f"Bytes({self.size})"

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Bytes: ...
        @overload
        def __get__(self, instance: object, owner: type) -> bytes: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __set__(self, instance: object, value: bytes) -> None: ...


class Array:
    """``Array[f64, 4]``: four of one type. Its values are lists; those of ``Array[u8, 4]`` are ``bytes``.

    For type checkers without the plugin: ``Annotated[list[float], Array(f64, 4)]``.
    """

    def __init__(self, of: Any, count: int) -> None:
        self.of, self.count = of, _bytes(count, "Array")

    def __class_getitem__(cls, parameters: Any) -> Any:
        match parameters:
            case (of, count):
                return Annotated[list[Any], cls(of, count)]
            case _:
                raise TypeError("an array has a type and a number of elements: Array[f64, 4]")

    def __repr__(self) -> str:
        return f"Array({self.of!r}, {self.count})"

    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Array: ...
        @overload
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
        def __set__(self, instance: object, value: Any) -> None: ...


def _bytes(size: object, of: str) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 1 << 32:
        raise TypeError(f"{of}[{size!r}]: a number from 0 on, such as {of}[16], is needed")
    return size
