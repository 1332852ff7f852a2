"""Typed connections between two ends in Python."""

import pickle
import sys
import threading
from types import FrameType
from typing import Any

import pytest
import typed_shapes as shapes
from typed_pair import typed

import ringway
from conftest import HANDSHAKE
from ringway.typed import Invalid, Maybe, array, f64, field, lane, message, u8, u32, u64

np = pytest.importorskip("numpy")


@message
class Quote:
    bid: f64
    ask: f64


@message(kind=3)
class Trade:
    price: f64
    open: bool
    _pad: ringway.Array[u8, 7] = ringway.padding()


@message(kind=4)
class Text:
    text: str


def test_messages_and_batches(place: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        client.send(Quote(bid=1.0, ask=2.0))
        assert server.recv(timeout=20) == Quote(1.0, 2.0)
        assert server.try_recv() is None
        assert client.try_send(Quote(3.0, 4.0))
        assert server.try_recv() == Quote(3.0, 4.0)
        assert client.send_batch(Quote(float(n), 0.0) for n in range(10)) == 10
        assert [quote.bid for quote in server.recv_batch(timeout=20)] == list(range(10))
        with pytest.raises(ringway.TimedOut):
            server.recv(timeout=0.01)
        client.close()
        assert list(server) == []
        with pytest.raises(ringway.Closed):
            server.recv()


def test_a_message_is_what_it_was_sent_as_whoever_receives_the_next_one(place: str) -> None:
    with typed(place, lane(Trade, Text), lane(Trade, Text)) as (client, server):
        client.send(Text("first"))
        client.send(Trade(1.0, True))
        others: list[int] = []

        def another_thread(frame: FrameType, event: str, _: Any) -> None:
            if event == "c_return" and frame.f_code.co_name == "try_recv" and not others:
                others.append(server.untyped.recv_kind()[0])

        sys.setprofile(another_thread)
        try:
            found = server.try_recv()
        finally:
            sys.setprofile(None)
        assert others == [3]
        assert found == Text("first")


@message
class Picky:
    number: u32
    open: bool
    _pad: ringway.Array[u8, 3] = ringway.padding()

    def __post_init__(self) -> None:
        if self.number == 2:
            raise ValueError("two is refused")


@pytest.mark.parametrize("arrays", [False, True])
def test_a_message_that_its_class_refuses_costs_no_other(place: str, arrays: bool) -> None:
    with typed(place, Picky, Picky) as (client, server):
        sent = Picky(1, True)
        for number in (1, 2, 3):
            sent.number = number
            client.send(sent)
        if arrays:
            # The first row is no message, and what comes behind it is kept as messages.
            client.untyped.send(b"\1\0\0\0\2\0\0\0")
            for number in (2, 3):
                sent.number = number
                client.send(sent)
            assert [row["number"] for row in server.recv_array(timeout=20)] == [1, 2, 3]
            with pytest.raises(Invalid):
                server.recv_array(timeout=20)
        else:
            assert server.recv_batch(timeout=20) == [Picky(1, True)]
        with pytest.raises(ValueError, match="two is refused"):
            server.recv_batch(timeout=20)
        assert server.recv_batch(timeout=20) == [Picky(3, True)]


def test_what_a_lane_does_not_carry_is_refused_before_it_is_sent(place: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        with pytest.raises(TypeError, match="the lane carries Quote, not `Trade`"):
            client.send(Trade(1.0, True))
        with pytest.raises(Invalid, match="message `Quote`, field `bid`: a text, where f64 is expected"):
            client.send(Quote("x", 1.0))  # type: ignore[arg-type]
        assert server.try_recv() is None


@pytest.mark.parametrize("several", [(Trade, Text), Trade | Text, lane(Trade, Text), {3: Trade, 4: Text}])
def test_several_messages_by_kind(place: str, several: Any) -> None:
    with typed(place, several, Trade | Text) as (client, server):
        sent = [Trade(1.0, True), Text("ö"), Text(""), Trade(2.0, False)]
        assert client.send_batch(sent) == 4
        assert [server.recv(timeout=20), *server.recv_batch(timeout=20)] == sent


def test_arrays_among_other_messages(place: str) -> None:
    with typed(place, Trade | Text, Trade | Text) as (client, server):
        client.send_batch([Trade(1.0, True), Trade(2.0, True), Text("x"), Trade(3.0, True)])
        assert server.recv_array(timeout=20, of=Trade)["price"].tolist() == [1.0, 2.0]
        with pytest.raises(TypeError, match="the next message is a `Text`, not a `Trade`"):
            server.recv_array(timeout=20, of=Trade)
        assert server.recv(timeout=20) == Text("x")
        assert server.recv_array(timeout=20, of=Trade)["price"].tolist() == [3.0]
        with pytest.raises(TypeError, match="say which"):
            server.recv_array()
        with pytest.raises(TypeError, match="variable part"):
            server.recv_array(of=Text)


def test_several_lanes_and_arrays(place: str) -> None:
    with typed(place, Quote, Quote, lanes=2) as (client, server):
        client.send_array(array(Quote, [Quote(float(n), 0.0) for n in range(5)]))
        found: list[float] = []
        while len(found) < 5:
            found += server.recv_array(timeout=20)["bid"].tolist()
        assert found == list(range(5))


def test_an_array_that_is_given_is_filled(place: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        out = array(Quote, 8)
        client.send_array(array(Quote, [Quote(float(n), 0.0) for n in range(12)]))
        found = server.recv_array(timeout=20, out=out)
        assert np.shares_memory(found, out) and found["bid"].tolist() == list(range(8))
        assert server.recv_array(100, timeout=20, out=out)["bid"].tolist() == [8, 9, 10, 11]
        with pytest.raises(TypeError, match="out has to be an array"):
            server.recv_array(out=np.zeros(3))


def test_a_row_that_is_no_message_costs_no_other(place: str) -> None:
    with typed(place, Trade, Trade) as (client, server):
        rows = array(Trade, [Trade(float(n), True) for n in range(5)])
        raw = bytearray(rows.tobytes())
        raw[2 * 16 + 8] = 7
        client.sender.untyped.send_batch_from(raw, 16, kind=3)
        assert server.recv_array(timeout=20)["price"].tolist() == [0.0, 1.0]
        with pytest.raises(Invalid, match="message `Trade`, field `open`: 7 is no bool"):
            server.recv_array(timeout=20)
        assert server.recv_array(timeout=20)["price"].tolist() == [3.0, 4.0]
        # And none of it leaves here.
        with pytest.raises(Invalid, match=r"message `Trade`, field `\[2\].open`: 7 is no bool"):
            client.send_array(np.frombuffer(raw, rows.dtype))
        assert server.try_recv() is None


def test_a_dtype_with_the_same_fields_is_copied_and_another_is_refused(place: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        other = np.array([(1.0, 2.0)], dtype=[("bid", "f4"), ("ask", "f8")])
        assert client.send_array(other) == 1
        assert server.recv(timeout=20) == Quote(1.0, 2.0)
        with pytest.raises(TypeError, match="is none of `Quote`"):
            client.send_array(np.zeros(3))


def test_frames_of_several_messages(place: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        rows = array(Quote, [Quote(float(n), 0.0) for n in range(6)])
        for _ in range(3):
            client.send_array(rows, together=True)
        assert [quote.bid for quote in server.recv_batch(1, timeout=20)] == list(range(6))
        assert server.recv_array(4, timeout=20)["bid"].tolist() == [0, 1, 2, 3]
        assert server.recv_array(timeout=20)["bid"].tolist() == [4, 5]
        with pytest.raises(Invalid, match="message `Quote`: 96 bytes, where 16 were expected"):
            server.recv(timeout=20)


def test_messages_are_written_in_the_ring(place: str) -> None:
    with typed(place, Trade, Trade) as (client, server):

        def fill(rows: Any) -> None:
            assert len(rows) == 5 and rows["price"].tolist() == [0.0] * 5
            rows["price"] = range(5)
            rows["open"][3] = True

        # More often than the ring has room for: what was there before does not show.
        for _ in range(2000):
            client.fill_array(5, fill)
            found = server.recv_array(5, timeout=20)
            assert found["price"].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0] and found["open"].tolist() == [0, 0, 0, 1, 0]
        client.fill_array(0, fill)
        assert server.try_recv() is None
        with pytest.raises(ValueError, match="count is -1"):
            client.fill_array(-1, fill)


def test_messages_that_are_not_filled_are_not_sent(place: str) -> None:
    kept: list[Any] = []

    def wrong(rows: Any) -> None:
        rows.view(np.uint8)[16 + 8] = 7

    def stops(rows: Any) -> None:
        raise ZeroDivisionError

    with typed(place, Trade, Trade) as (client, server):
        with pytest.raises(Invalid, match=r"message `Trade`, field `\[1\].open`: 7 is no bool"):
            client.fill_array(2, wrong)
        with pytest.raises(ZeroDivisionError):
            client.fill_array(2, stops)
        # Whoever handles it can send.
        try:
            client.fill_array(2, stops)
        except ZeroDivisionError:
            client.send(Trade(1.0, True))
        assert server.recv(timeout=20) == Trade(1.0, True)
        with pytest.raises(BufferError, match="`fill` has kept the array, or a part of it: nothing was sent"):
            client.fill_array(2, kept.append)
        # Until it is let go the half is in use.
        with pytest.raises(ringway.InUse):
            client.send(Trade(1.0, True))
        kept.clear()
        client.send(Trade(2.0, True))
        assert server.recv(timeout=20) == Trade(2.0, True)
        assert server.try_recv() is None


GENERATIONS: list[Any] = []


def generations() -> list[Any]:
    if not GENERATIONS:
        from ringway.typed import types

        fields: list[tuple[str, types.Type, dict[str, Any]]] = [
            ("id", types.Unsigned(8), {}),
            ("price", types.Float(8), {}),
            ("venue", types.Maybe(types.Unsigned(4)), {"since": 2}),
            ("flags", types.Unsigned(8), {"since": 3, "default": b"\1" + bytes(7)}),
            ("note", types.Text(8), {"since": 4, "default": b"-" * 8}),
        ]
        for count in (2, 3, 4, 5):
            told: list[types.Field] = []
            offset = 0
            for name, of, more in fields[:count]:
                told.append(types.Field(name, of, offset, of.align, **more))
                offset += of.size
            record = types.Record("Quote", tuple(told), offset, 8)
            GENERATIONS.append(ringway.typed.lane_from(ringway.Schema({"records": [record.describe()]})))
    return GENERATIONS


@pytest.mark.parametrize("writer", range(4))
@pytest.mark.parametrize("reader", range(4))
def test_four_generations_read_each_other(place: str, writer: int, reader: int) -> None:
    theirs, ours = generations()[writer], generations()[reader]
    with typed(place, theirs, ours) as (client, server):
        sent = theirs.only(7, 1.5)
        client.send_batch([sent] * 3)
        found = server.recv(timeout=20)
        assert (found.id, found.price) == (7, 1.5)
        if reader >= 1:
            assert found.venue is None
        if reader >= 2:
            assert found.flags == 1
        if reader == 3:
            assert found.note == "-" * 8
        rows = server.recv_array(timeout=20)
        assert ringway.typed.messages(ours.only, rows) == [found] * len(rows)


def test_old_messages_with_a_variable_part(place: str) -> None:
    @message(name="Note")
    class Old:
        id: u64
        text: str

    @message(name="Note")
    class New:
        id: u64
        size: u64 = field(since=2, default=5)
        text: str = ""

    with typed(place, Old, New) as (client, server):
        client.send(Old(1, "ä"))
        assert server.recv(timeout=20) == New(1, 5, "ä")
    with typed(place, New, Old) as (client, server):
        client.send(New(1, 6, "ä"))
        assert server.recv(timeout=20) == Old(1, "ä")


def test_a_deprecated_field_is_told_once(place: str) -> None:
    @message
    class Told:
        old: u64 = field(deprecated="use new")
        new: Maybe[u32]

    with pytest.warns(DeprecationWarning, match="field `old` of `Told` is deprecated: use new"):
        with typed(place, Told, Told) as (client, _):
            assert client.deprecated[0].note == "use new"
    with typed(place, Told, Told) as (client, server):
        assert len(client.deprecated) == len(server.deprecated) == 1


def test_one_direction_may_be_bytes(place: str) -> None:
    with ringway.listen(place, sends=Quote, handshake_timeout=HANDSHAKE) as listener:
        made: list[Any] = []
        thread = threading.Thread(target=lambda: made.append(ringway.connect(place, expects=Quote, handshake_timeout=HANDSHAKE)))
        thread.start()
        with listener.accept(timeout=20) as server:
            thread.join()
            with made[0] as client:
                server.send(Quote(1.0, 2.0))
                assert client.recv(timeout=20) == Quote(1.0, 2.0)
                client.send(b"bytes")
                assert server.recv(timeout=20) == b"bytes"


def test_who_sends_bytes_is_refused(place: str) -> None:
    with pytest.raises(ringway.SchemaError, match="without a schema"):
        with typed(place, None, Quote):
            pass


def test_a_fault_can_be_sent_to_another_process() -> None:
    fault = Invalid("7 is no bool", "open", "Trade")
    again = pickle.loads(pickle.dumps(fault))
    assert str(again) == str(fault) and (again.message, again.path, again.fault) == ("Trade", "open", "7 is no bool")


@pytest.mark.parametrize("call", ["recv_array", "recv_batch"])
def test_a_frame_of_nothing_is_no_batch_and_holds_nobody_up(place: str, call: str) -> None:
    with typed(place, Quote, Quote) as (client, server):
        client.sender.untyped.send(b"")
        client.send(Quote(1.0, 2.0))
        with pytest.raises(Invalid, match="message `Quote`: 0 bytes are no whole number of elements of 16 bytes"):
            getattr(server, call)(timeout=20)
        assert len(getattr(server, call)(timeout=20)) == 1


@pytest.mark.parametrize("names", [("a²", "a2"), ("ﬁ", "fi"), ("﹍﹍class﹍﹍", "class"), ("None", "none"), ("self", "m"), ("p", "v1"), ("mro", "name")])
def test_a_peer_may_name_its_fields_as_it_likes(names: tuple[str, str]) -> None:
    values = [{"name": name, "value": number} for number, name in enumerate([*names, "_", "__x", "_a_"])]
    colour = {"enumeration": names[0], "integer": "u8", "values": values}
    fields = [{"name": name, "type": colour, "offset": place, "size": 1, "align": 1} for place, name in enumerate(names)]
    told = ringway.Schema({"records": [{"name": names[1], "size": 2, "align": 1, "fields": fields}]})
    made = ringway.typed.lane_from(told)
    for payload in (b"\0\1", b"\2\3", b"\4\0"):
        message = made.reader(None).decode(0, payload)
        assert made.encode(message) == (0, payload)
    assert made.schema == told


def test_numpy_arrays_are_variable_parts(place: str) -> None:
    with typed(place, shapes.Reals, shapes.Reals) as (client, server):
        client.send(shapes.Reals(1, np.arange(3.0)))
        assert server.recv(timeout=20).rest == [0.0, 1.0, 2.0]
        client.send(shapes.Reals(1, np.arange(3)))
        assert server.recv(timeout=20).rest == [0.0, 1.0, 2.0]
