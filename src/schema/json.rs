//! A schema as JSON: for people, for review in a repository, for programs in other languages.
//!
//! The text is the same for the same schema, so that a file of it can be compared line by line. What is empty is left out.
//! `ringway schema` reads it back.

use core::fmt::Write;

use super::{Content, Enumeration, Field, Record, Schema, Tail, Type, fingerprint};

/// Letters of a line that is not broken.
const WIDTH: usize = 120;

enum Json {
    Number(i128),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

/// The schema as JSON, with a line end at its end. The schema should keep the rules ([`Schema::check`]), or nobody reads it back.
pub fn to_json(schema: &Schema) -> String {
    let mut out = String::new();
    whole(schema).write(&mut out, 0);
    out.push('\n');
    out
}

fn whole(schema: &Schema) -> Json {
    Json::Object(vec![
        ("schema", number(1)),
        ("fingerprint", hex(&fingerprint(schema))),
        (
            "records",
            Json::List(schema.records.iter().map(record).collect()),
        ),
    ])
}

fn record(record: &Record) -> Json {
    let mut pairs = vec![("kind", number(record.kind)), ("name", text(&record.name))];
    words(&mut pairs, "doc", &record.doc);
    pairs.extend([
        ("size", number(record.size)),
        ("align", number(record.align)),
        (
            "fields",
            Json::List(record.fields.iter().map(field).collect()),
        ),
    ]);
    if let Some(part) = &record.tail {
        pairs.push(("tail", tail(part)));
    }
    Json::Object(pairs)
}

fn field(field: &Field) -> Json {
    let mut pairs = vec![
        ("name", text(&field.name)),
        ("type", ty(&field.ty)),
        ("offset", number(field.offset)),
        ("size", number(field.size)),
        ("align", number(field.align)),
    ];
    if field.since != 1 {
        pairs.push(("since", number(field.since)));
    }
    words(&mut pairs, "deprecated", &field.deprecated);
    if !field.default.is_empty() {
        pairs.push(("default", hex(&field.default)));
    }
    words(&mut pairs, "doc", &field.doc);
    Json::Object(pairs)
}

fn tail(tail: &Tail) -> Json {
    let mut pairs = vec![("name", text(&tail.name))];
    match &tail.content {
        Content::Text => pairs.push(("content", text("str"))),
        Content::Elements(element, size) => {
            pairs.push(("elements", ty(element)));
            pairs.push(("size", number(*size)));
        }
    }
    words(&mut pairs, "doc", &tail.doc);
    Json::Object(pairs)
}

fn ty(of: &Type) -> Json {
    let pairs = match of {
        Type::Unsigned(_) | Type::Signed(_) | Type::Float(_) | Type::Bool => {
            return text(&of.to_string());
        }
        Type::Enumeration(enumeration) => values(enumeration),
        Type::Array(element, count) => vec![("array", ty(element)), ("count", number(*count))],
        Type::Record(inner) => vec![("record", record(inner))],
        Type::Text(room) => vec![("text", number(*room))],
        Type::Bytes(room) => vec![("bytes", number(*room))],
        Type::Maybe(value) => vec![("maybe", ty(value))],
    };
    Json::Object(pairs)
}

fn values(enumeration: &Enumeration) -> Vec<(&'static str, Json)> {
    let integer = if enumeration.signed {
        Type::Signed(enumeration.size)
    } else {
        Type::Unsigned(enumeration.size)
    };
    let values = enumeration.variants.iter().map(|variant| {
        Json::Object(vec![
            ("name", text(&variant.name)),
            ("value", number(enumeration.number(variant.value))),
        ])
    });
    vec![
        ("enumeration", text(&enumeration.name)),
        ("integer", ty(&integer)),
        ("values", Json::List(values.collect())),
    ]
}

fn number(number: impl Into<i128>) -> Json {
    Json::Number(number.into())
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

fn words(pairs: &mut Vec<(&'static str, Json)>, name: &'static str, words: &str) {
    if !words.is_empty() {
        pairs.push((name, text(words)));
    }
}

fn hex(bytes: &[u8]) -> Json {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(digits, "{byte:02x}"); // to a string: does not fail
    }
    Json::Text(digits)
}

impl Json {
    /// Writes it behind `indent` spaces: on one line if it is short, else an item a line.
    fn write(&self, out: &mut String, indent: usize) {
        let start = out.len();
        self.write_flat(out);
        let deep = indent + 2;
        let long = indent + out[start..].chars().count() > WIDTH;
        let item = |out: &mut String, index: usize| {
            let _ = write!(out, "{}\n{:deep$}", if index == 0 { "" } else { "," }, "");
        };
        match self {
            Self::List(items) if long => {
                out.truncate(start);
                out.push('[');
                for (index, value) in items.iter().enumerate() {
                    item(out, index);
                    value.write(out, deep);
                }
                let _ = write!(out, "\n{:indent$}]", "");
            }
            Self::Object(pairs) if long => {
                out.truncate(start);
                out.push('{');
                for (index, (name, value)) in pairs.iter().enumerate() {
                    item(out, index);
                    let _ = write!(out, "\"{name}\": ");
                    value.write(out, deep);
                }
                let _ = write!(out, "\n{:indent$}}}", "");
            }
            _ => {}
        }
    }

    fn write_flat(&self, out: &mut String) {
        match self {
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Text(text) => quote(out, text),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    item.write_flat(out);
                }
                out.push(']');
            }
            Self::Object(pairs) => {
                out.push_str("{ ");
                for (index, (name, value)) in pairs.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    let _ = write!(out, "\"{name}\": ");
                    value.write_flat(out);
                }
                out.push_str(" }");
            }
        }
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            other if other.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
