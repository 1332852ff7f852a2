"""A Rust program at the other end."""

from typing import Any

import pytest
import typed_shapes as shapes
from typed_pair import rust

import ringway
from conftest import HANDSHAKE
from ringway.typed import Invalid, Maybe, f64, field, i64, lane, message, schema, u32, u64

pytestmark = pytest.mark.filterwarnings("ignore:field .* is deprecated:DeprecationWarning")

REQUEST = lane(shapes.Order, shapes.Cancel, shapes.Note, shapes.Everything)


@message
class Tick:
    id: u64
    price: f64
    size: f64
    venue: u32
    flags: u32


def leg(price: float) -> shapes.Leg:
    return shapes.Leg(price, 7, shapes.Side.Sell, True)


EVERYTHING = shapes.Everything(
    1 << 127, -5, 2.5, [leg(1.0), leg(2.0)], None, 0.25, shapes.Level.Low, shapes.Level.High, [1, -2, 3], True, "Größe", b"\0k", [True, False], "abc", b"xy"
)


def test_every_message_goes_there_and_back(place: str) -> None:
    with rust("echo", place), ringway.connect(place, sends=REQUEST, expects=REQUEST, handshake_timeout=HANDSHAKE) as connection:
        # Equal fingerprints: the same schema object comes back.
        assert connection.untyped.peer_sends == REQUEST.schema
        messages: list[Any] = [shapes.Cancel(3), EVERYTHING, shapes.Note(1, "öß"), shapes.Order(2, shapes.Side.Buy, [leg(1.5)] * 3), shapes.Order(2, shapes.Side.Buy, [])]
        for sent in messages:
            connection.send(sent)
            found = connection.recv(timeout=20)
            assert found == sent and type(found) is type(sent)
        assert connection.send_batch(messages) == 5
        found_all: list[object] = []
        while len(found_all) < 5:
            found_all += connection.recv_batch(timeout=20)
        assert found_all == messages


def test_classes_from_the_tables_of_a_service_speak_with_it(place: str) -> None:
    with rust("echo", place), ringway.connect_as_told(place, handshake_timeout=HANDSHAKE) as connection:
        assert connection.sends is not None and connection.sends.schema.fingerprint == REQUEST.schema.fingerprint
        Cancel, Everything = connection.sends["Cancel"], connection.sends[7]
        connection.send(Cancel(number=5))
        assert connection.recv(timeout=20).number == 5
        sent = ringway.typed.decode(Everything, ringway.typed.encode(EVERYTHING))
        assert sent.name == "Größe" and sent.level.name == "Low"
        connection.send(sent)
        found = connection.recv(timeout=20)
        assert ringway.typed.encode(found) == ringway.typed.encode(EVERYTHING)


def test_a_plain_connection_builds_classes_and_dtypes_from_the_peer(place: str) -> None:
    np = pytest.importorskip("numpy")
    with rust("stream", place, "1000"), ringway.connect(place, sends=ringway.Schema({"records": []}), handshake_timeout=HANDSHAKE) as plain:
        told = plain.schema()
        assert told.message.__name__ == "Tick"
        assert told.dtype.names == ("id", "price", "size", "venue", "flags")
        typed = told.typed()
        assert typed.recv(timeout=20).id == 0
        ids: list[int] = []
        while len(ids) < 999:
            array = typed.recv_array(timeout=20)
            assert array.dtype == told.dtype
            ids += array["id"].tolist()
        assert ids == list(range(1, 1000))
        assert np.issubdtype(told.dtype["price"], np.floating)


@pytest.mark.parametrize("role", ["stream", "batches"])
@pytest.mark.parametrize("max", [100, 4096])
def test_a_batch_arrives_as_one_array(place: str, role: str, max: int) -> None:
    pytest.importorskip("numpy")
    with rust(role, place, "5000"), ringway.connect(place, sends=(), expects=Tick, handshake_timeout=HANDSHAKE) as connection:
        ids: list[int] = []
        while len(ids) < 5000:
            array = connection.recv_array(max, timeout=20)
            assert 0 < len(array) <= max
            assert (array["price"] == array["id"] % 1000).all() and (array["venue"] == 7).all()
            ids += array["id"].tolist()
        assert ids == list(range(5000))


@pytest.mark.parametrize("together", [False, True])
def test_an_array_is_a_batch_of_messages(place: str, together: bool) -> None:
    np = pytest.importorskip("numpy")
    with rust("sum", place, "3000") as service, ringway.connect(place, sends=Tick, expects=(), handshake_timeout=HANDSHAKE) as connection:
        array = ringway.typed.array(Tick, 3000)
        array["price"] = np.arange(3000)
        if together:
            # A frame of several is for `recv_batch` in Rust; its `recv` refuses it, and goes on.
            connection.send_array(array[:1], together=True)
            assert connection.send_array(array[1:]) == 2999
        else:
            assert connection.send_array(array) == 3000
        assert service.stdout is not None
        assert float(service.stdout.readline()) == 2999 * 3000 / 2


@message
class Old:
    id: u64
    price: f64


@message
class New:
    id: u64
    price: f64
    venue: Maybe[u32] = field(since=2, default=None)
    flags: u64 = field(since=3, default=1)
    note: ringway.Text[8] = field(since=4, default="new")


@message
class Stranger:
    id: u64
    price: i64


def named(made: type, name: str) -> ringway.typed.Lane[Any]:
    from ringway.typed import Lane
    from ringway.typed.shape import Shape, shape_of
    import dataclasses

    shape = shape_of(made)
    return Lane({0: Shape(dataclasses.replace(shape.record, name=name), made, None)})


def test_an_older_and_a_newer_program_understand_rust(place: str) -> None:
    with rust("quotes", place):
        quote = named(Old, "Quote")
        with ringway.connect(place, sends=quote, expects=quote, handshake_timeout=HANDSHAKE) as connection:
            # Rust fills in what it knows and we do not, and we skip it.
            connection.send(Old(7, 1.5))
            assert connection.recv(timeout=20) == Old(7, 1.5)
            assert [str(told) for told in connection.deprecated] == ["field `price` of `Quote` is deprecated: use `venue`"]
    with rust("quotes", place):
        quote = named(New, "Quote")
        with ringway.connect(place, sends=quote, expects=quote, handshake_timeout=HANDSHAKE) as connection:
            connection.send(New(8, 2.5, 3, 9, "gone"))
            # It does not know the note, and we have a default for it.
            assert connection.recv(timeout=20) == New(8, 2.5, 3, 9, "new")
            pytest.importorskip("numpy")
            connection.send_batch([New(id, 1.0, None, 2, "x") for id in range(3)])
            count = 0
            while count < 3:
                array = connection.recv_array(timeout=20)
                assert set(array["note"]) == {b"new"} and array["venue"]["present"].sum() == 0
                count += len(array)


def test_a_field_that_differs_is_refused_with_the_words_of_rust(place: str) -> None:
    with rust("quotes", place) as service:
        quote = named(Stranger, "Quote")
        with pytest.raises(ringway.SchemaError) as found:
            ringway.connect(place, sends=quote, expects=quote, handshake_timeout=HANDSHAKE)
        text = str(found.value)
        service.kill()
    assert "field `price` of `Quote`: `price: f64` at byte 8 where it is written, `price: i64` at byte 8 where it is read" in text
    assert "8  price: i64" in text, "the tables"


# Kind, frame, and what Rust's own receiver says of it: `tests/typed/invalid.rs` has the same frames.
GOOD = ringway.typed.encode(EVERYTHING)


def changed(field_name: str, at: int, raw: bytes) -> bytes:
    fields = {told["name"]: told["offset"] for told in schema(shapes.Everything).to_dict()["records"][0]["fields"]}
    place = fields[field_name] + at
    return GOOD[:place] + raw + GOOD[place + len(raw) :]


LIES = [
    (7, changed("legs", 28, b"\3"), "message `Everything`, field `legs[1].side`: 3 is no value of `Side`"),
    (7, changed("legs", 29, b"\xff"), "message `Everything`, field `legs[1].hidden`: 255 is no bool"),
    (7, changed("level", 0, (-70_001).to_bytes(4, "little", signed=True)), "message `Everything`, field `level`: -70001 is no value of `Level`"),
    (7, changed("yes", 0, b"\2"), "message `Everything`, field `yes`: 2 is no bool"),
    (7, changed("flags", 1, b"\x09"), "message `Everything`, field `flags[1]`: 9 is no bool"),
    (7, changed("name", 0, b"\xc3"), "message `Everything`, field `name`: the text is no UTF-8 filled up with zeros"),
    (7, changed("name", 8, b"x"), "message `Everything`, field `name`: the text is no UTF-8 filled up with zeros"),
    (7, changed("key", 0, b"\7"), "message `Everything`, field `key`: 7 bytes are more than the 6 that there is room for"),
    (7, changed("limit", 8, b"\2"), "message `Everything`, field `limit`: whether the value is there is neither 0 nor 1"),
    (7, changed("limit", 15, b"\1"), "message `Everything`, field `limit`: whether the value is there is neither 0 nor 1"),
    (7, changed("maybe_level", 0, b"\5"), "message `Everything`, field `maybe_level`: 5 is no value of `Level`"),
    (7, changed("maybe_name", 0, b"\xff"), "message `Everything`, field `maybe_name`: the text is no UTF-8 filled up with zeros"),
    (3, bytes(8), "kind 3 is not known"),
    (0, bytes(8), "kind 0 is not known"),
    (2, bytes(9), "message `Cancel`: 9 bytes, where 8 were expected"),
    (2, b"", "message `Cancel`: 0 bytes, where 8 were expected"),
    (5, bytes(7), "message `Note`: 7 bytes, where 8 were expected"),
    (5, b"12345678\xc3", "message `Note`, field `text`: the text is no UTF-8 filled up with zeros"),
    (9, bytes(8) + b"\1" + bytes(7) + bytes(17), "message `Order`, field `legs`: 17 bytes are no whole number of elements of 16 bytes"),
    (9, bytes(8) + b"\1" + bytes(7) + bytes(16), "message `Order`, field `legs[0].side`: 0 is no value of `Side`"),
    (9, bytes(8) + b"\0" + bytes(7) + bytes(16), "message `Order`, field `side`: 0 is no value of `Side`"),
]


def test_arrays_are_judged_as_messages_are() -> None:
    np = pytest.importorskip("numpy")
    from ringway.typed.arrays import columns_of
    from ringway.typed.shape import shape_of

    columns = columns_of(shape_of(shapes.Everything))
    looked = 0
    for kind, payload, _ in LIES:
        if kind == 7:
            found = columns.wrong(np.frombuffer(GOOD + payload + GOOD, columns.dtype))
            assert found is not None and found.tolist() == [False, True, False]
            looked += 1
    assert looked == 12
    assert columns.wrong(np.frombuffer(GOOD * 3, columns.dtype)) is None


def test_a_value_beyond_64_bits_with_a_sign_is_told_as_rust_tells_it() -> None:
    frame = (2**64 - 2).to_bytes(8, "little") + bytes(8)
    with pytest.raises(Invalid, match="message `Values`, field `high`: -2 is no value of `High`"):
        ringway.typed.decode(shapes.Values, frame)


def test_a_lie_is_an_error_that_names_the_field_and_the_connection_goes_on(place: str) -> None:
    with rust("lies", place), ringway.connect(place, sends=REQUEST, expects=REQUEST, handshake_timeout=HANDSHAKE) as connection:

        def ask(kind: int, payload: bytes) -> None:
            connection.send(shapes.Note(0, f"{kind} {payload.hex()}"))

        for kind, payload, text in LIES:
            ask(kind, payload)
            with pytest.raises(Invalid) as found:
                connection.recv(timeout=20)
            assert str(found.value) == text
            ask(7, GOOD)
            assert connection.recv(timeout=20) == EVERYTHING
