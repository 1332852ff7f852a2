//! Fingerprints and comparisons.

use super::super::{Content, Record, Schema, Tail, Type, compare, fingerprint};
use super::schemas;
use super::{enumeration, record, schema, text};
use proptest::prelude::*;

const U64: Type = Type::Unsigned(8);

/// Four generations of one message: each has one field more.
fn generation(count: usize) -> Record {
    let fields = [
        ("id", U64),
        ("price", Type::Float(8)),
        ("venue", Type::Maybe(Type::Unsigned(4).into())),
        ("flags", Type::Unsigned(4)),
        ("note", Type::Text(12)),
    ];
    let mut record = record("Quote", &fields[..=count]);
    let mut fields = record.fields.to_vec();
    for (since, field) in (1..).zip(fields.iter_mut().skip(1)) {
        field.since = since;
    }
    if let Some(flags) = fields.get_mut(3) {
        flags.default = vec![1, 0, 0, 0].into();
    }
    if let Some(note) = fields.get_mut(4) {
        note.default = vec![b'-'; 12].into();
    }
    record.fields = fields.into();
    record
}

fn told(writer: Record, reader: Record) -> String {
    compare(&schema(vec![writer]), &schema(vec![reader]))
        .unwrap_err()
        .to_string()
}

#[test]
fn four_generations_read_each_other() {
    for writer in 1..=4 {
        for reader in 1..=4 {
            let (writer, reader) = (
                schema(vec![generation(writer)]),
                schema(vec![generation(reader)]),
            );
            compare(&writer, &reader).unwrap();
            assert_eq!(
                writer == reader,
                fingerprint(&writer) == fingerprint(&reader)
            );
        }
    }
}

#[test]
fn the_first_difference_is_named() {
    let old = record("Quote", &[("id", U64), ("price", Type::Float(8))]);
    let cases = [
        (
            record("Quote", &[("id", U64), ("price", U64)]),
            "field `price` of `Quote`: `price: f64` at byte 8 where it is written, `price: u64` at byte 8 where it is read",
        ),
        (
            record("Quote", &[("key", U64), ("price", Type::Float(8))]),
            "field `key` of `Quote`: `id: u64` at byte 0 where it is written, `key: u64` at byte 0 where it is read",
        ),
        (
            record(
                "Quote",
                &[("id", U64), ("price", Type::Float(8)), ("size", U64)],
            ),
            "field `size` of `Quote` is not written, and has no default where it is read",
        ),
        (
            record("Trade", &[("id", U64), ("price", Type::Float(8))]),
            "kind 0 is `Quote` where it is written, and `Trade` where it is read",
        ),
    ];
    for (new, words) in cases {
        assert_eq!(told(old.clone(), new), words);
    }
    let mut tailed = old.clone();
    tailed.tail = Some(Tail {
        name: text("levels"),
        doc: text(""),
        content: Content::Text,
    });
    assert_eq!(
        told(old.clone(), tailed.clone()),
        "variable part `levels` of `Quote`: nothing where it is written, `levels: str` where it is read"
    );
    assert_eq!(
        told(tailed.clone(), old.clone()),
        "variable part `levels` of `Quote`: `levels: str` where it is written, nothing where it is read"
    );
    let mut other = old.clone();
    other.kind = 1;
    assert_eq!(
        told(old, other),
        "they have no message in common: `Quote` of kind 0 where it is written, `Quote` of kind 1 where it is read"
    );
}

/// Two types of one name are told apart by what is inside of them.
#[test]
fn a_difference_deep_inside_is_named_with_its_path() {
    let side = |values: &[(&str, i64)], size| enumeration("Side", size, values);
    let leg = |size: Type, side: Type| {
        Type::Record(record("Leg", &[("size", size), ("side", side)]).into())
    };
    let quote = |leg: Type| record("Quote", &[("legs", Type::Array(leg.into(), 2))]);
    let known: &[(&str, i64)] = &[("Buy", 0), ("Sell", 1)];
    let old = quote(leg(U64, side(known, 1)));
    let cases = [
        (
            quote(leg(Type::Signed(8), side(known, 1))),
            "field `legs.size` of `Quote`: `size: u64` at byte 0 where it is written, `size: i64` at byte 0 where it is read",
        ),
        (
            quote(leg(U64, side(known, 2))),
            "field `legs.side` of `Quote`: `Side` as u8 where it is written, `Side` as u16 where it is read",
        ),
        (
            quote(leg(U64, side(&[("Buy", 0), ("Sell", 2)], 1))),
            "field `legs.side` of `Quote`: `Side::Sell = 1` where it is written, `Side::Sell = 2` where it is read",
        ),
        (
            quote(leg(U64, side(&[("Buy", 0), ("Sell", 1), ("Hold", 3)], 1))),
            "field `legs.side` of `Quote`: nothing where it is written, `Side::Hold = 3` where it is read",
        ),
    ];
    for (new, words) in cases {
        assert_eq!(told(old.clone(), new.clone()), words);
        assert!(compare(&schema(vec![new.clone()]), &schema(vec![old.clone()])).is_err());
        let list = |record: &Record| {
            let ty = record.fields[0].ty.clone();
            let mut tailed = record.clone();
            (tailed.size, tailed.fields) = (0, Vec::new().into());
            tailed.tail = Some(Tail {
                name: text("legs"),
                doc: text(""),
                content: Content::Elements(ty, record.size),
            });
            tailed
        };
        let words = words.replace("field", "variable part");
        assert_eq!(told(list(&old), list(&new)), words);
    }
    let shorter = record("Leg", &[("size", U64)]);
    let shorter = quote(Type::Record(shorter.into()));
    assert!(
        told(old, shorter)
            .contains("2 fields in 9 bytes, aligned to 64 where it is written, 1 fields in 8")
    );
}

#[test]
fn both_tables_are_shown() {
    let old = record("Quote", &[("id", U64), ("price", Type::Float(8))]);
    let new = record(
        "Quote",
        &[
            ("id", U64),
            ("price", Type::Signed(8)),
            ("note", Type::Text(4)),
        ],
    );
    let difference = compare(&schema(vec![old]), &schema(vec![new])).unwrap_err();
    let expected = "\
client                       server
Quote (kind 0, 16 bytes)  |  Quote (kind 0, 20 bytes)
    0  id: u64                   0  id: u64
    8  price: f64         |      8  price: i64
                          |     16  note: Text<4>
";
    assert_eq!(difference.tables("client", "server"), expected);
}

#[test]
fn long_tables_are_cut_around_the_difference() {
    let names: Vec<String> = (0..200)
        .map(|at| format!("{at}{}", "é".repeat(60)))
        .collect();
    let fields: Vec<(&str, Type)> = names.iter().map(|name| (&**name, U64)).collect();
    let old = record("Quote", &fields);
    let mut fields = fields.clone();
    fields[100].1 = Type::Signed(8);
    let new = record("Quote", &fields);
    let difference = compare(&schema(vec![old]), &schema(vec![new])).unwrap_err();
    let shown = difference.tables(&"w".repeat(60), "reader");
    assert!(shown.lines().count() <= 64, "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 100),
        "{shown}"
    );
    assert!(shown.contains("\n  800  100é"), "{shown}");
    assert!(
        shown.contains("... 81 more") && shown.ends_with("... 60 more\n"),
        "{shown}"
    );
}

/// Both lines read `side: Side`.
#[test]
fn a_difference_inside_is_marked() {
    let quote = |values: &[(&str, i64)]| {
        record(
            "Quote",
            &[("id", U64), ("side", enumeration("Side", 1, values))],
        )
    };
    let (old, new) = (quote(&[("Buy", 0)]), quote(&[("Buy", 0), ("Sell", 1)]));
    let difference = compare(&schema(vec![old]), &schema(vec![new])).unwrap_err();
    assert!(
        difference
            .tables("a", "b")
            .contains("    8  side: Side        |      8  side: Side\n"),
        "{}",
        difference.tables("a", "b")
    );
}

#[test]
fn a_fingerprint_is_of_the_bytes_and_not_of_words_about_them() {
    let one = schema(vec![generation(4)]);
    let same = |change: fn(&mut Record)| {
        let mut record = generation(4);
        change(&mut record);
        fingerprint(&schema(vec![record])) == fingerprint(&one)
    };
    assert!(same(|record| record.doc = text("other words")));
    assert!(same(|record| {
        let mut fields = record.fields.to_vec();
        fields[2].deprecated = text("use another");
        fields[3].default = vec![0; 4].into();
        fields[3].since = 9;
        record.fields = fields.into();
    }));
    assert!(!same(|record| record.name = text("Quotes")));
    assert!(!same(|record| record.kind = 1));
    assert!(!same(|record| {
        let mut fields = record.fields.to_vec();
        fields[1].ty = Type::Signed(8);
        record.fields = fields.into();
    }));
}

/// It is part of the protocol: whoever changes it changes the version of the table.
#[test]
fn the_fingerprint_of_a_known_schema_does_not_change() {
    const EMPTY: Schema = Schema {
        records: super::Shared::Static(&[]),
    };
    const AT_COMPILE_TIME: [u8; 16] = fingerprint(&EMPTY);
    assert_eq!(AT_COMPILE_TIME, fingerprint(&schema(Vec::new())));
    let hex = |bytes: [u8; 16]| -> String {
        use core::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    assert_eq!(hex(AT_COMPILE_TIME), "3df0802e9de806b8777275167c38ad66");
    assert_eq!(
        hex(fingerprint(&schema(vec![generation(4)]))),
        "74721eafb2c79c1712ba83a3cc04c144"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is compared and what is hashed are one and the same.
    #[test]
    fn two_that_are_one_have_one_fingerprint(one in schemas(), other in schemas()) {
        prop_assert!(compare(&one, &one).is_ok());
        let same = fingerprint(&one) == fingerprint(&other);
        prop_assert_eq!(same, one == other);
        if same {
            prop_assert!(compare(&one, &other).is_ok());
        }
    }
}
