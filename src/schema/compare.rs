//! Whether one side can read what the other writes, and if not, what differs first.
//!
//! Records are matched by their kinds. Of two that match, the fields of one are those of the other, or the first of them: fields are only
//! ever appended. A field that the writer does not know must have a value without it: a default, or a type that has one for "absent".
//! A record that only one side knows is in nobody's way: the reader refuses its frames one by one, the writer never sends it.

use core::fmt;

use super::tables::side_by_side;
use super::{Field, Record, Schema, Type};

/// Why a reader cannot read what a writer writes. Displayed, it is one line; [`tables`](Self::tables) shows both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    what: String,
    /// The writer's record and the reader's.
    records: Option<Box<(Record, Record)>>,
}

impl Difference {
    /// Both records as tables, side by side; `writer` and `reader` are their headings. Empty where the schemas differ as a whole.
    pub fn tables(&self, writer: &str, reader: &str) -> String {
        self.records
            .as_deref()
            .map_or_else(String::new, |(theirs, ours)| {
                side_by_side((writer, theirs), (reader, ours))
            })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl std::error::Error for Difference {}

/// Checks that who knows `reader` can read what is written by `writer`. Equal fingerprints spare the question.
///
/// # Errors
/// The first difference that matters.
pub fn compare(writer: &Schema, reader: &Schema) -> Result<(), Difference> {
    let mut common = 0;
    for ours in reader.records.iter() {
        let theirs = writer
            .records
            .iter()
            .find(|theirs| theirs.kind == ours.kind);
        if let Some(theirs) = theirs {
            common += 1;
            records(theirs, ours).map_err(|what| Difference {
                what,
                records: Some(Box::new((theirs.clone(), ours.clone()))),
            })?;
        }
    }
    if common == 0 && !reader.records.is_empty() && !writer.records.is_empty() {
        return Err(Difference {
            what: "they have no message in common".to_owned(),
            records: None,
        });
    }
    Ok(())
}

fn records(writer: &Record, reader: &Record) -> Result<(), String> {
    let name = &*reader.name;
    if writer.name != reader.name {
        let kind = reader.kind;
        return Err(format!(
            "kind {kind} is `{}` where it is written, and `{name}` where it is read",
            &*writer.name
        ));
    }
    let mut fields = writer.fields.iter().zip(reader.fields.iter());
    if let Some((theirs, ours)) = fields.find(|(theirs, ours)| !same(theirs, ours)) {
        return Err(format!(
            "field `{}` of `{name}`: {} where it is written, {} where it is read",
            &*ours.name,
            described(theirs),
            described(ours)
        ));
    }
    let unknown = &reader.fields[writer.fields.len().min(reader.fields.len())..];
    if let Some(field) = unknown.iter().find(|field| !can_be_absent(field)) {
        return Err(format!(
            "field `{}` of `{name}` is not written, and has no default where it is read",
            &*field.name
        ));
    }
    match (&writer.tail, &reader.tail) {
        (None, None) => Ok(()),
        (Some(theirs), Some(ours))
            if theirs.name == ours.name && theirs.content.bytes_are_those_of(&ours.content) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "the variable part of `{name}` is another where it is written than where it is read"
        )),
    }
}

fn can_be_absent(field: &Field) -> bool {
    !field.default.is_empty() || matches!(field.ty, Type::Maybe(_))
}

fn described(field: &Field) -> String {
    format!("`{}: {}` at byte {}", &*field.name, field.ty, field.offset)
}

/// Whether two fields mean the same bytes; documentation, versions and defaults may differ.
fn same(one: &Field, other: &Field) -> bool {
    one.name == other.name
        && one.offset == other.offset
        && one.size == other.size
        && one.ty.bytes_are_those_of(&other.ty)
}

impl super::Content {
    fn bytes_are_those_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text, Self::Text) => true,
            (Self::Elements(one, size), Self::Elements(other, same)) => {
                size == same && one.bytes_are_those_of(other)
            }
            _ => false,
        }
    }
}

impl Type {
    fn bytes_are_those_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record(one), Self::Record(other)) => {
                one.name == other.name
                    && one.fields.len() == other.fields.len()
                    && one
                        .fields
                        .iter()
                        .zip(other.fields.iter())
                        .all(|(one, other)| same(one, other))
            }
            (Self::Array(one, count), Self::Array(other, same)) => {
                count == same && one.bytes_are_those_of(other)
            }
            (Self::Maybe(one), Self::Maybe(other)) => one.bytes_are_those_of(other),
            _ => self == other,
        }
    }
}
