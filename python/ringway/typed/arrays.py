"""Messages as NumPy arrays: structured dtypes with the places of a record, batches received into them, and their validation column by column.

NumPy is imported here and nowhere else, when it is first asked for: the extra ``numpy`` of this package.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ringway._ringway as native
from ringway.typed import explain, types
from ringway.typed.shape import Shape, shape_of

try:
    import numpy as np
except ImportError as error:
    raise ImportError("arrays of messages need NumPy: pip install 'numpy>=2'") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringway.typed.halves import Receiver

_FLAGS = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}


def dtype(of: Any) -> np.dtype[np.void]:
    """The structured dtype of a class of messages: each field at its place, padding as gaps between them.

    A text is ``S``; bytes are ``count`` and ``bytes``; what may be absent is ``value`` and ``present``; an integer of 16 bytes is ``low`` and ``high``; an enumeration is its
    integer. A message with a variable part has none.

    >>> from ringway.typed import dtype, f64, message, u32
    >>> @message
    ... class Level:
    ...     price: f64
    ...     size: u32
    ...     orders: u32
    >>> dtype(Level)
    dtype([('price', '<f8'), ('size', '<u4'), ('orders', '<u4')])
    """
    return columns_of(shape_of(of)).dtype


def array(of: Any, messages: int | Iterable[Any]) -> NDArray[np.void]:
    """So many messages as an array, each with the defaults of its fields; or these messages.

    >>> from ringway.typed import array, f64, message
    >>> @message
    ... class Point:
    ...     x: f64
    ...     y: f64
    >>> points = array(Point, [Point(1.0, 2.0), Point(3.0, 4.0)])
    >>> float(points["x"].sum())
    4.0
    >>> len(array(Point, 5))
    5
    """
    columns = columns_of(shape_of(of))
    shape = columns.shape
    image = shape.default * messages if isinstance(messages, int) else b"".join(map(shape.encode, messages))
    return np.frombuffer(bytearray(image), columns.dtype)


def messages(of: Any, array: NDArray[Any]) -> list[Any]:
    """The elements of an array as messages.

    Raises :class:`ringway.typed.Invalid` for bytes that are no value of their field.
    """
    shape = columns_of(shape_of(of)).shape
    size = shape.record.size
    raw = ready(of, array).tobytes()
    decode = shape.decoder(size)
    return [decode(raw[at : at + size]) for at in range(0, len(raw), size)]


def fill(of: Any, memory: memoryview, fill: Callable[[NDArray[np.void]], object]) -> None:
    """Has ``fill`` write messages into `memory`, which has the defaults before, and judges them. Nothing made of it is left, but for what ``fill`` keeps."""
    columns = columns_of(shape_of(of))
    default = columns.shape.default
    records = np.frombuffer(memory, columns.dtype)
    if any(default):
        records[:] = np.frombuffer(default, columns.dtype)
    else:
        np.frombuffer(memory, np.uint8)[:] = 0
    try:
        fill(records)
        _judge(columns, records)
    except BaseException as error:
        # What is raised keeps the frames that it came through, and these the array: whoever handles it may want to send something.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        del records


def ready(of: Any, array: NDArray[Any]) -> NDArray[Any]:
    """The array as it can be sent: of the message's dtype, without gaps between its elements, and with values only."""
    columns = columns_of(shape_of(of))
    shape, wanted = columns.shape, columns.dtype
    if not isinstance(array, np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"an array of NumPy is wanted, and not `{type(array).__name__}`: make it with ringway.typed.array, or send messages by send_batch")
    if array.dtype is wanted or array.dtype == wanted:
        made = array if array.ndim == 1 and array.flags.c_contiguous else np.ascontiguousarray(array).reshape(-1)
    elif array.dtype.names == wanted.names and wanted.names is not None:
        made = np.frombuffer(bytearray(shape.default * array.size), wanted)
        flat = array.reshape(-1)
        for name in wanted.names:
            made[name] = flat[name]
    else:
        raise TypeError(f"an array of {array.dtype} is none of `{shape.record.name}`, whose dtype is {wanted}: make it with ringway.typed.array")
    _judge(columns, made)
    return made


def _judge(columns: Columns, made: NDArray[Any]) -> None:
    """Raises the first of them that is no message."""
    if len(made) and (wrong := columns.wrong(made)) is not None:
        first = int(wrong.argmax())
        found = explain.batch(columns.shape.record, made[first : first + 1].tobytes())
        if found is not None:
            raise type(found)(found.fault, found.path.replace("[0]", f"[{first}]", 1), found.message)


def receive(receiver: Receiver[Any], max: int, timeout: float | None, of: Any, out: NDArray[Any] | None) -> NDArray[Any]:
    """See :meth:`ringway.typed.Receiver.recv_array`."""
    reader = receiver.reader
    if reader is None:
        raise TypeError("this side expects bytes: say what they are with expects=")
    made = reader.lane.only if of is None else of
    kind = reader.lane.kind_of(made)
    columns = columns_of(shape_of(made))
    shape, wanted = columns.shape, columns.dtype
    stride = reader.fixed.get(kind)
    if max < 1:
        raise ValueError(f"max is {max}: it must be at least 1")
    if out is None:
        target = np.empty(max, wanted)
    elif out.dtype != wanted or not out.flags.c_contiguous or out.ndim != 1:
        raise TypeError(f"out has to be an array of {wanted}, of one dimension and without gaps between its elements")
    else:
        target = out[:max]
    if len(target) == 0:
        raise ValueError("there has to be room for a message")
    while True:
        if receiver.later or (receiver.frames and receiver.frames[0] is not None):
            kept = _of_later(receiver, made, shape, target)
            if kept is not None:
                return kept
            continue
        if not stride:
            receiver.receive(1, timeout)
            continue
        exact = stride == shape.record.size
        raw: Any = target.view(np.uint8) if exact else np.empty(len(target) * stride, np.uint8)
        told: list[int] = []
        try:
            native.recv_records(receiver.untyped, raw, stride, kind, timeout, told)
            count = told[0]
            found = target[:count]
            if not exact:
                _widen(shape, raw[: count * stride].reshape(count, stride), found)
            wrong = columns.wrong(found) if count else None
            # Behind the first row that is none everything is kept for later calls, which raise what is wrong with it.
            first = count if wrong is None else int(wrong.argmax())
            rows = _frames(kind, raw, stride, first, count)
            found = target[:first]
        except BaseException:
            # A signal's handler has ended it: what was received is the next call's.
            if told:
                receiver.frames[:0] = _frames(kind, raw, stride, 0, told[0])
            raise
        receiver.frames[:0] = rows
        if first:
            return found
        if not count:
            # Another message, a batch that is larger than the array, or several lanes.
            receiver.receive(1, timeout)


class Columns:
    """The dtypes of a message: worked out once."""

    __slots__ = ("checked", "dtype", "plain", "record", "shape")

    def __init__(self, shape: Shape) -> None:
        if shape.record.tail is not None:
            raise TypeError(f"`{shape.record.name}` has a variable part, so it is no element of an array: receive it with recv or recv_batch")
        self.shape, self.record = shape, shape.record
        self.dtype = _record_dtype(shape.record, False)
        # The same, but that a truth value and a text are plain bytes, to be looked at.
        self.plain = _record_dtype(shape.record, True)
        self.checked = any(types.is_checked(field.type) for field in shape.record.fields)

    def wrong(self, rows: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Which rows are no messages; ``None`` if all are."""
        if not self.checked:
            return None
        found = _record_wrong(self.record, rows.view(self.plain))
        return None if found is None or not found.any() else found


def columns_of(shape: Shape) -> Columns:
    """The columns of a message without a variable part."""
    if shape.columns is None:
        shape.columns = Columns(shape)
    found: Columns = shape.columns
    return found


def _widen(shape: Shape, theirs: NDArray[np.uint8], target: NDArray[Any]) -> None:
    """From the writer's layout to ours: one is the beginning of the other."""
    ours = target.view(np.uint8).reshape(len(target), shape.record.size)
    known = min(theirs.shape[1], ours.shape[1])
    ours[:, :known] = theirs[:, :known]
    ours[:, known:] = np.frombuffer(shape.default, np.uint8)[known:]


def _frames(kind: int, raw: NDArray[np.uint8], size: int, first: int, end: int) -> list[tuple[int, bytes]]:
    """Rows, as frames that a receiver keeps."""
    return [(kind, raw[at * size : (at + 1) * size].tobytes()) for at in range(first, end)]


def _of_later(receiver: Receiver[Any], made: Any, shape: Shape, target: NDArray[Any]) -> NDArray[Any] | None:
    """What was kept and is of that class, as an array. ``None``: another thread was faster."""
    receiver.decode()
    room = len(target)
    given, kept = receiver.given, receiver.later[:room]
    if not kept:
        return None
    first = kept[0]
    if isinstance(first, Exception):
        if given != receiver.given:
            return None
        receiver.given = given + 1
        del receiver.later[0]
        raise first
    if type(first) is not made:
        raise TypeError(f"the next message is a `{type(first).__name__}`, not a `{made.__name__}`: receive it with recv")
    image = bytearray()
    count = 0
    while count < len(kept) and type(kept[count]) is made:
        image += shape.encode(kept[count])
        count += 1
    target[:count] = np.frombuffer(image, target.dtype)
    found = target[:count]
    if given != receiver.given:
        return None
    receiver.given = given + 1
    del receiver.later[:count]
    return found


# Layout.


def _record_dtype(record: types.Record, plain: bool) -> np.dtype[Any]:
    fields = [field for field in record.fields if field.size and not (field.is_padding and not (plain and types.is_checked(field.type)))]
    return np.dtype(
        {
            "names": [field.name for field in fields],
            "formats": [_dtype(field.type, plain) for field in fields],
            "offsets": [field.offset for field in fields],
            "itemsize": record.size,
        }
    )


def _dtype(type: types.Type, plain: bool) -> Any:
    match type:
        case types.Unsigned() if type.size <= 8:
            return f"<u{type.size}"
        case types.Signed() if type.size <= 8:
            return f"<i{type.size}"
        case types.Unsigned():
            return np.dtype([("low", "<u8"), ("high", "<u8")])
        case types.Signed():
            return np.dtype([("low", "<u8"), ("high", "<i8")])
        case types.Float():
            return f"<f{type.size}"
        case types.Bool():
            return "u1" if plain else "?"
        case types.Enumeration():
            return _dtype(type.integer, plain)
        case types.Array():
            return np.dtype((_dtype(type.of, plain), (type.count,)))
        case types.Text():
            return np.dtype(("u1", (type.size,))) if plain else f"S{type.size}"
        case types.Bytes():
            return np.dtype([("count", "<u2"), ("bytes", "u1", (type.room,))]) if type.room else np.dtype([("count", "<u2")])
        case types.Maybe():
            flag = _FLAGS.get(type.align) or np.dtype([("low", "<u8"), ("high", "<u8")])
            inner = [("value", _dtype(type.of, plain))] if type.of.size else []
            return np.dtype([*inner, ("present", flag)])
        case types.Nested():
            return _record_dtype(type.record, plain)


# Validation.


def _record_wrong(record: types.Record, rows: NDArray[Any]) -> NDArray[np.bool_] | None:
    found: NDArray[np.bool_] | None = None
    for field in record.fields:
        if field.size and types.is_checked(field.type):
            found = _either(found, _bad(field.type, rows[field.name]))
    return found


def _either(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one | other


def _bad(type: types.Type, values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which values are none."""
    found: Any
    inner: NDArray[np.bool_] | None
    match type:
        case types.Bool():
            found = values > 1
        case types.Enumeration():
            known = [value for _, value in type.values]
            if known[-1] - known[0] == len(known) - 1:
                found = (values < known[0]) | (values > known[-1])
            else:
                found = ~np.isin(values, np.array(known, values.dtype))
        case types.Array():
            inner = _bad(type.of, values) if types.is_checked(type.of) else None
            if inner is None:
                return None
            found = inner.any(axis=-1)
        case types.Text():
            found = _bad_text(values)
        case types.Bytes():
            found = values["count"] > type.room
        case types.Maybe():
            flag = values["present"]
            found = (flag["low"] > 1) | (flag["high"] != 0) if type.align == 16 else flag > 1
            if type.of.size and types.is_checked(type.of):
                return _either(found, _bad(type.of, values["value"]))
        case types.Nested():
            return _record_wrong(type.record, values)
        case _:
            return None
    judged: NDArray[np.bool_] = np.asarray(found)
    return judged


def _bad_text(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    there = values != 0
    found: NDArray[np.bool_] = (there[..., 1:] & ~there[..., :-1]).any(axis=-1)
    beyond = (values >= 0x80).any(axis=-1)
    if beyond.any():
        for place in zip(*np.nonzero(beyond), strict=True):
            try:
                values[place].tobytes().rstrip(b"\0").decode()
            except UnicodeDecodeError:
                found[place] = True
    return found
