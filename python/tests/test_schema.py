"""Schemas."""

import json
from typing import Any

import pytest

import ringway
from conftest import HANDSHAKE


def quote(**changes: Any) -> dict[str, Any]:
    record = {
        "kind": 1,
        "name": "Quote",
        "doc": "A price.",
        "size": 48,
        "align": 8,
        "fields": [
            {"name": "price", "type": "f64", "offset": 0, "size": 8, "align": 8},
            {
                "name": "side",
                "type": {
                    "enumeration": "Side",
                    "integer": "u8",
                    "values": [{"name": "Buy", "value": 0}, {"name": "Sell", "value": 1}],
                },
                "offset": 8,
                "size": 1,
                "align": 1,
            },
            {"name": "name", "type": {"text": 7}, "offset": 9, "size": 7, "align": 1},
            {"name": "sizes", "type": {"array": "u32", "count": 4}, "offset": 16, "size": 16, "align": 4},
            {"name": "note", "type": {"bytes": 6}, "offset": 32, "size": 8, "align": 1},
            {
                "name": "seen",
                "type": {"maybe": "u32"},
                "offset": 40,
                "size": 8,
                "align": 4,
                "since": 2,
                "default": "0100000001000000",
            },
        ],
        "tail": {"name": "rest", "elements": "u16", "size": 2},
    }
    return {"records": [record | changes]}


def test_a_schema_tells_what_it_was_made_of() -> None:
    schema = ringway.Schema(quote())
    told = schema.to_dict()
    assert told["records"] == quote()["records"]
    assert bytes.fromhex(told["fingerprint"]) == schema.fingerprint
    for same in (
        ringway.Schema(told),
        ringway.Schema.from_json(schema.json()),
        ringway.Schema.from_table(schema.to_table()),
    ):
        assert same == schema and hash(same) == hash(schema)
    assert json.loads(schema.json()) == told
    assert ringway.Schema(quote(name="Other")) != schema
    assert "Quote" in repr(schema)


def test_a_schema_that_breaks_a_rule_says_which() -> None:
    for wrong, text in (
        ({"records": [{"kind": 1}]}, "needs 'name'|needs \"name\""),
        (quote(size=47), "its fields end at"),
        (quote(nonsense=1), "no \"nonsense\""),
        (quote() | {"schema": 2}, "version 2"),
        (quote() | {"fingerprint": "00" * 16}, "fingerprint is 00"),
    ):
        with pytest.raises((ringway.SchemaError, KeyError), match=text):
            ringway.Schema(wrong)
    with pytest.raises(TypeError, match="dictionary"):
        ringway.Schema([])  # type: ignore[arg-type]
    endless: dict[str, Any] = {"maybe": "u8"}
    endless["maybe"] = endless
    broken = quote()
    broken["records"][0]["fields"][0]["type"] = endless
    with pytest.raises(ringway.SchemaError, match="too deep"):
        ringway.Schema(broken)
    with pytest.raises(ringway.SchemaError):
        ringway.Schema.from_table(b"nonsense")


def test_both_sides_learn_of_schemas(place: str) -> None:
    schema = ringway.Schema(quote())
    with ringway.listen(place, expects=schema, handshake_timeout=HANDSHAKE) as listener:
        with pytest.raises(ringway.SchemaError, match="without a schema"):
            _connect(listener, place)
        with pytest.raises(ringway.SchemaError, match="cannot read"):
            _connect(listener, place, sends=ringway.Schema(quote(name="Other")))
        server, client = _connect(listener, place, sends=schema)
        assert server.peer_sends == schema == client.peer_expects
        assert server.peer_expects is None is client.peer_sends
    schema.check_readable_by(schema)
    with pytest.raises(ringway.SchemaError):
        schema.check_readable_by(ringway.Schema(quote(name="Other")))


def _connect(listener: ringway.Listener, place: str, **options: Any) -> Any:
    import threading

    made: list[Any] = []

    def connect() -> None:
        try:
            made.append(ringway.connect(place, handshake_timeout=HANDSHAKE, **options))
        except ringway.Error as error:
            made.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    server = None
    while server is None and thread.is_alive():
        server = listener.try_accept()
    thread.join(20)
    if isinstance(made[0], ringway.Error):
        raise made[0]
    return server, made[0]


def test_no_schema() -> None:
    left, right = ringway.pair()
    assert (left.peer_sends, right.peer_expects) == (None, None)
