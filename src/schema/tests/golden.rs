//! Holds tables, their JSON and their fingerprints to the files under `tests/golden/schema`, and so to `docs/PROTOCOL.md`.
//!
//! Where a change of the format is meant, `RINGWAY_GOLDEN=write cargo test --lib golden` writes the files anew.

use super::super::{Content, Field, Schema, Tail, Type, decode, encode, fingerprint, to_json};
use super::{enumeration, record, schema, text};
use file::hold;

/// The schemas that are held, by the names of their files.
pub(super) fn tables() -> Vec<(&'static str, Schema)> {
    vec![
        ("empty", schema(Vec::new())),
        ("everything", everything()),
        ("quote", quote()),
    ]
}

fn with(record: &mut super::Record, index: usize, change: impl FnOnce(&mut Field)) {
    let mut fields = record.fields.to_vec();
    change(&mut fields[index]);
    record.fields = fields.into();
}

/// A message as people write it: three versions, a note, a default, a list behind.
fn quote() -> Schema {
    let side = enumeration("Side", 4, &[("Buy", 0), ("Sell", 1)]);
    let leg = record(
        "Leg",
        &[("price", Type::Float(8)), ("size", Type::Unsigned(8))],
    );
    let mut quote = record(
        "Quote",
        &[
            ("id", Type::Unsigned(8)),
            ("side", side),
            ("rank", Type::Signed(4)),
            ("limit", Type::Maybe(Type::Float(8).into())),
            ("venue", Type::Text(8)),
        ],
    );
    (quote.align, quote.doc) = (
        8,
        text("The best price.\nOf \"now\", or \\ of a moment ago."),
    );
    with(&mut quote, 0, |field| {
        field.doc = text("Größer than the last.");
    });
    with(&mut quote, 2, |field| {
        (field.since, field.deprecated) = (2, text("use `limit`"));
        field.default = (-1i32).to_le_bytes().to_vec().into();
    });
    with(&mut quote, 3, |field| field.since = 2);
    with(&mut quote, 4, |field| {
        (field.since, field.default) = (3, b"home\0\0\0\0".to_vec().into());
    });
    quote.tail = Some(Tail {
        name: text("legs"),
        doc: text("As many as there are."),
        content: Content::Elements(Type::Record(leg.into()), 16),
    });
    schema(vec![quote])
}

/// Every type and every variable part.
fn everything() -> Schema {
    let mut all = record(
        "Everything",
        &[
            ("u128", Type::Unsigned(16)),
            ("i128", Type::Signed(16)),
            ("f32", Type::Float(4)),
            ("f64", Type::Float(8)),
            ("done", Type::Bool),
            ("wide", enumeration("Wide", 8, &[("Low", 0), ("High", -1)])),
            (
                "grid",
                Type::Array(Type::Array(Type::Unsigned(2).into(), 3).into(), 2),
            ),
            (
                "inner",
                Type::Record(record("Inner", &[("open", Type::Bool)]).into()),
            ),
            ("text", Type::Text(3)),
            ("bytes", Type::Bytes(5)),
            ("maybe", Type::Maybe(Type::Unsigned(1).into())),
        ],
    );
    all.kind = 2;
    let mut note = record("Note", &[]);
    (note.kind, note.tail) = (
        0xffff,
        Some(Tail {
            name: text("text"),
            doc: text(""),
            content: Content::Text,
        }),
    );
    schema(vec![all, note])
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(16).map(|line| {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.join(" ") + "\n"
    });
    lines.collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let bytes = text
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16));
    bytes.collect::<Result<_, _>>().expect("hexadecimal digits")
}

#[cfg(test)] // which the tidy test looks for: the layer itself knows no files
mod file {
    use std::path::PathBuf;

    /// Compares with a file, or writes it where that was asked for. Returns the file's text.
    pub(super) fn hold(name: &str, made: &str) -> String {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/schema")
            .join(name);
        if std::env::var_os("RINGWAY_GOLDEN").is_some_and(|value| value == "write") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, made).unwrap();
        }
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(made, text, "{}", path.display());
        text
    }
}

#[test]
fn tables_keep_their_bytes() {
    for (name, schema) in tables() {
        let file = hold(&format!("{name}.hex"), &hex(&encode(&schema).unwrap()));
        assert_eq!(decode(&unhex(&file)).unwrap(), schema, "{name}");
    }
}

#[test]
fn fingerprints_keep_their_bytes() {
    let lines = tables()
        .into_iter()
        .map(|(name, schema)| format!("{name} {}", hex(&fingerprint(&schema))));
    hold("fingerprints.txt", &lines.collect::<String>());
}

/// The command reads these back (`cli/tests/schema.rs`).
#[test]
fn json_keeps_its_text() {
    for (name, schema) in tables() {
        hold(&format!("{name}.json"), &to_json(&schema));
    }
}
