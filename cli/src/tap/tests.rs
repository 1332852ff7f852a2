//! Frames in all three forms.

use ringway::schema::{Content as Part, Field, Record, Schema, Shared, Tail, Type};

use super::csv::Table;
use super::pace::Lost;
use super::render::{Content, Frame, Message, json_line, lost_line, messages, text_line};

fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

pub(super) fn record(kind: u16, name: &str, fields: &[(&str, Type, u32)]) -> Record {
    let mut offset = 0;
    let fields: Vec<Field> = fields
        .iter()
        .map(|(name, ty, size)| {
            let field = Field {
                name: text(name),
                doc: text(""),
                ty: ty.clone(),
                offset,
                size: *size,
                align: 1,
                since: 1,
                deprecated: text(""),
                default: Vec::new().into(),
            };
            offset += size;
            field
        })
        .collect();
    let (name, doc, fields) = (text(name), text(""), fields.into());
    Record {
        kind,
        name,
        doc,
        size: offset,
        align: 8,
        fields,
        tail: None,
    }
}

pub(super) fn schema(records: Vec<Record>) -> Schema {
    let records = records.into();
    Schema { records }
}

/// `Order { symbol: Text<8>, legs: [Leg { size: u8, open: bool }; 2], limit: Maybe<u8>, _pad: [u8; 2] }`
fn order() -> Record {
    let leg = record(
        0,
        "Leg",
        &[("size", Type::Unsigned(1), 1), ("open", Type::Bool, 1)],
    );
    let legs = Type::Array(Type::Record(leg.into()).into(), 2);
    let limit = Type::Maybe(Type::Unsigned(1).into());
    let pad = Type::Array(Type::Unsigned(1).into(), 2);
    let fields = [
        ("symbol", Type::Text(8), 8),
        ("legs", legs, 4),
        ("limit", limit, 2),
        ("_pad", pad, 2),
    ];
    record(3, "Order", &fields)
}

const ONE: &[u8] = b"EUR\x1b[2J\0\x07\x01\x08\x00\x05\x01\0\0";
const TWO: &[u8] = b"a,\"b\0\0\0\0\x01\x00\x02\x01\0\0\0\0";

fn frame(kind: u16, payload: &[u8]) -> Frame<'_> {
    Frame {
        connection: 2,
        direction: "from-client",
        position: 4096,
        kind,
        priority: None,
        payload,
    }
}

#[test]
fn a_message_is_shown_by_the_names_of_its_fields() {
    let schema = schema(vec![order()]);
    let frame = frame(3, ONE);
    let seen = messages(Some(&schema), 0, &frame);
    assert_eq!(seen.len(), 1);
    assert_eq!(
        text_line(&frame, &seen[0]),
        r#"2 from-client @4096 Order symbol="EUR\u{1b}[2J" legs=[{size=7 open=true} {size=8 open=false}] limit=5"#
    );
    assert_eq!(
        json_line(&frame, &seen[0]),
        r#"{"connection":2,"direction":"from-client","position":4096,"index":0,"kind":3,"message":"Order","fields":{"symbol":"EUR\u001b[2J","legs":[{"size":7,"open":true},{"size":8,"open":false}],"limit":5}}"#
    );
    let mut table = Table::default();
    assert_eq!(
        table.admit(Some(&schema), None).unwrap().as_deref(),
        Some(
            "connection,direction,position,priority,index,message,symbol,legs[0].size,legs[0].open,legs[1].size,legs[1].open,limit"
        )
    );
    assert_eq!(table.admit(Some(&schema), None).unwrap(), None);
    assert_eq!(
        table.row(&frame, &seen[0]).as_deref(),
        Some(r"2,from-client,4096,,0,Order,EUR\u{1b}[2J,7,true,8,false,5")
    );
}

#[test]
fn a_batch_is_a_line_for_each_message() {
    let schema = schema(vec![order()]);
    let both = [ONE, TWO].concat();
    let frame = frame(3, &both);
    let seen = messages(Some(&schema), 0, &frame);
    assert_eq!(seen.len(), 2);
    assert_eq!(
        text_line(&frame, &seen[1]),
        r#"2 from-client @4096[1] Order symbol="a,\"b" legs=[{size=1 open=false} {size=2 open=true}] limit=absent"#
    );
    let mut table = Table::default();
    table.admit(Some(&schema), Some("Order")).unwrap();
    let urgent = Frame {
        priority: Some(1),
        ..frame
    };
    let row = table.row(&urgent, &seen[0]).unwrap();
    assert!(row.starts_with("2,from-client,4096,1,0,Order,"), "{row}");
    assert_eq!(
        table.row(&frame, &seen[1]).as_deref(),
        Some(r#"2,from-client,4096,,1,Order,"a,""b",1,false,2,true,"#)
    );
}

#[test]
fn what_nothing_says_the_meaning_of_is_shown_as_bytes() {
    let schema = schema(vec![order()]);
    for (known, codec, kind) in [(None, 0, 3), (Some(&schema), 7, 3), (Some(&schema), 0, 4)] {
        let frame = frame(kind, &[0, 0xab]);
        let seen = messages(known, codec, &frame);
        let begin = format!("2 from-client @4096 kind {kind}, 2 bytes: 00ab");
        assert_eq!(text_line(&frame, &seen[0]), begin);
        let json = json_line(&frame, &seen[0]);
        assert!(
            json.ends_with(&format!(
                "\"kind\":{kind},\"length\":2,\"bytes\":\"00ab\"}}"
            )),
            "{json}"
        );
    }
    let mut table = Table::default();
    let header = table.admit(None, None).unwrap();
    assert_eq!(
        header.as_deref(),
        Some("connection,direction,position,priority,kind,length,bytes")
    );
    let frame = frame(0, &[]);
    let row = table.row(&frame, &messages(None, 0, &frame)[0]);
    assert_eq!(row.as_deref(), Some("2,from-client,4096,,0,0,"));
}

#[test]
fn bytes_that_are_no_message_of_their_record_say_so() {
    let schema = schema(vec![order()]);
    let mut bad = ONE.to_vec();
    bad[9] = 9;
    let frame = frame(3, &bad);
    let seen: Vec<Message<'_, '_>> = messages(Some(&schema), 0, &frame);
    assert!(matches!(&seen[0].content, Content::Invalid(bytes, _) if *bytes == bad));
    assert!(
        text_line(&frame, &seen[0])
            .contains("Order is no message (field `legs[0].open`: 9 is no bool), 16 bytes: ")
    );
    assert!(
        json_line(&frame, &seen[0]).contains("\"invalid\":\"field `legs[0].open`: 9 is no bool\"")
    );
    let mut table = Table::default();
    table.admit(Some(&schema), None).unwrap();
    assert_eq!(table.row(&frame, &seen[0]), None);
    let short = Frame {
        payload: &ONE[..3],
        ..frame
    };
    assert!(matches!(
        messages(Some(&schema), 0, &short)[0].content,
        Content::Invalid(..)
    ));
}

#[test]
fn a_table_is_of_one_message() {
    let mut note = record(5, "Note", &[("id", Type::Unsigned(1), 1)]);
    let (name, doc) = (text("words"), text(""));
    note.tail = Some(Tail {
        name,
        doc,
        content: Part::Elements(Type::Unsigned(2), 2),
    });
    let both = schema(vec![order(), note]);
    let words = Table::default()
        .admit(Some(&both), None)
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("Order (3) and Note (5)") && words.contains("--kind"),
        "{words}"
    );
    let mut table = Table::default();
    let header = table.admit(Some(&both), Some("5")).unwrap();
    assert_eq!(
        header.as_deref(),
        Some("connection,direction,position,priority,index,message,id,words")
    );
    assert!(table.admit(None, None).is_err());
    // What has no fixed number of parts is one cell, in JSON; and is never taken for a batch.
    let frame = frame(5, &[1, 2, 0, 3, 0]);
    let seen = messages(Some(&both), 0, &frame);
    assert_eq!(
        table.row(&frame, &seen[0]).as_deref(),
        Some("2,from-client,4096,,0,Note,1,\"[2,3]\"")
    );
}

#[test]
fn what_was_lost_is_a_line_of_json() {
    let lost = Lost {
        frames: 3,
        bytes: 72,
    };
    assert_eq!(lost_line(lost), r#"{"lost":{"frames":3,"bytes":72}}"#);
}

#[test]
fn letters_that_json_leaves_alone_are_made_harmless_too() {
    let schema = schema(vec![record(0, "T", &[("t", Type::Text(8), 8)])]);
    let payload = "\u{9b}1m\u{202e}a".as_bytes();
    let frame = frame(0, payload);
    let seen = messages(Some(&schema), 0, &frame);
    let json = json_line(&frame, &seen[0]);
    assert!(json.ends_with("{\"t\":\"\\u009b1m\\u202ea\"}}"), "{json}");
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

#[test]
fn a_priority_is_told_where_there_are_several() {
    let schema = schema(vec![order()]);
    let plain = frame(3, ONE);
    let urgent = Frame {
        priority: Some(0),
        ..plain
    };
    let seen = messages(Some(&schema), 0, &urgent);
    assert!(text_line(&urgent, &seen[0]).starts_with("2 from-client @4096 priority 0 Order "));
    assert!(json_line(&urgent, &seen[0]).contains("\"kind\":3,\"priority\":0,"));
    assert!(!text_line(&plain, &seen[0]).contains("priority"));
    assert!(!json_line(&plain, &seen[0]).contains("priority"));
}
