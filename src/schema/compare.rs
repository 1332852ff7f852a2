//! Whether one side can read what the other writes, and if not, what differs first.
//!
//! Records are matched by their kinds. Of two that match, the fields of one are those of the other, or the first of them: fields are only
//! ever appended. A field that the writer does not know must have a value without it: a default, or a type that has one for "absent".
//! A record that only one side knows is in nobody's way: the reader refuses its frames one by one, the writer never sends it.

use core::fmt;

use super::tables::side_by_side;
use super::{Content, Enumeration, Field, Record, Schema, Tail, Type};

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
            what: format!(
                "they have no message in common: {} where it is written, {} where it is read",
                kinds(writer),
                kinds(reader)
            ),
            records: None,
        });
    }
    Ok(())
}

/// The messages of a lane, by name and kind; the first of many.
fn kinds(schema: &Schema) -> String {
    const MOST: usize = 8;
    let mut told: Vec<String> = (schema.records.iter().take(MOST))
        .map(|record| format!("`{}` of kind {}", &*record.name, record.kind))
        .collect();
    if let Some(more) = schema
        .records
        .len()
        .checked_sub(MOST)
        .filter(|more| *more > 0)
    {
        told.push(format!("{more} more"));
    }
    told.join(", ")
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
    if let Some(first) = fields.find_map(|(theirs, ours)| differing("", theirs, ours)) {
        return Err(first.told("field", name));
    }
    let unknown = &reader.fields[writer.fields.len().min(reader.fields.len())..];
    if let Some(field) = unknown.iter().find(|field| !can_be_absent(field)) {
        return Err(format!(
            "field `{}` of `{name}` is not written, and has no default where it is read",
            &*field.name
        ));
    }
    let first = match (&writer.tail, &reader.tail) {
        (None, None) => None,
        (Some(theirs), Some(ours)) => differing_tails(theirs, ours),
        (Some(tail), None) => Some(First::new(&tail.name, described_tail(tail), NOTHING.into())),
        (None, Some(tail)) => Some(First::new(&tail.name, NOTHING.into(), described_tail(tail))),
    };
    first.map_or(Ok(()), |first| Err(first.told("variable part", name)))
}

fn can_be_absent(field: &Field) -> bool {
    !field.default.is_empty() || matches!(field.ty, Type::Maybe(_))
}

const NOTHING: &str = "nothing";

/// What differs first inside of two fields: where, and what either side has there.
pub(super) struct First {
    path: String,
    written: String,
    read: String,
}

impl First {
    fn new(path: &str, written: String, read: String) -> Self {
        Self {
            path: path.to_owned(),
            written,
            read,
        }
    }

    fn told(&self, what: &str, of: &str) -> String {
        let Self {
            path,
            written,
            read,
        } = self;
        format!("{what} `{path}` of `{of}`: {written} where it is written, {read} where it is read")
    }
}

fn described(field: &Field) -> String {
    format!("`{}: {}` at byte {}", &*field.name, field.ty, field.offset)
}

fn described_tail(tail: &Tail) -> String {
    format!("`{}: {}`", &*tail.name, tail.content)
}

/// Documentation, versions and defaults may differ; everything else is the same, or this is the first that is not.
pub(super) fn differing(inside: &str, theirs: &Field, ours: &Field) -> Option<First> {
    let dot = if inside.is_empty() { "" } else { "." };
    let path = format!("{inside}{dot}{}", &*ours.name);
    let named = theirs.name == ours.name && theirs.offset == ours.offset;
    // Of two types of one name the difference is deeper.
    if named && theirs.ty.to_string() == ours.ty.to_string() {
        return differing_types(&path, &theirs.ty, &ours.ty);
    }
    let same = named && differing_types(&path, &theirs.ty, &ours.ty).is_none();
    (!same).then(|| First::new(&path, described(theirs), described(ours)))
}

fn differing_tails(theirs: &Tail, ours: &Tail) -> Option<First> {
    let plain = || First::new(&ours.name, described_tail(theirs), described_tail(ours));
    match (&theirs.content, &ours.content) {
        _ if theirs.name != ours.name => Some(plain()),
        (Content::Text, Content::Text) => None,
        (Content::Elements(one, _), Content::Elements(other, _)) => {
            let first = differing_types(&ours.name, one, other);
            let deeper = one.to_string() == other.to_string();
            first.map(|first| if deeper { first } else { plain() })
        }
        _ => Some(plain()),
    }
}

fn differing_types(path: &str, theirs: &Type, ours: &Type) -> Option<First> {
    match (theirs, ours) {
        (Type::Record(one), Type::Record(other)) if one.name == other.name => {
            let mut fields = one.fields.iter().zip(other.fields.iter());
            let first = fields.find_map(|(one, other)| differing(path, one, other));
            first.or_else(|| {
                let described = |record: &Record| {
                    let (fields, size) = (record.fields.len(), record.size);
                    format!(
                        "{fields} fields in {size} bytes, aligned to {}",
                        record.align
                    )
                };
                let (one, other) = (described(one), described(other));
                (one != other).then(|| First::new(path, one, other))
            })
        }
        (Type::Array(one, count), Type::Array(other, same)) if count == same => {
            differing_types(path, one, other)
        }
        (Type::Maybe(one), Type::Maybe(other)) => differing_types(path, one, other),
        (Type::Enumeration(one), Type::Enumeration(other)) if one.name == other.name => {
            differing_enumerations(path, one, other)
        }
        _ => (theirs != ours).then(|| First::new(path, theirs.to_string(), ours.to_string())),
    }
}

fn differing_enumerations(path: &str, theirs: &Enumeration, ours: &Enumeration) -> Option<First> {
    let integer = |enumeration: &Enumeration| {
        let bytes = enumeration.size;
        let signed = enumeration.signed;
        let ty = if signed {
            Type::Signed(bytes)
        } else {
            Type::Unsigned(bytes)
        };
        format!("`{}` as {ty}", &*enumeration.name)
    };
    if (theirs.size, theirs.signed) != (ours.size, ours.signed) {
        return Some(First::new(path, integer(theirs), integer(ours)));
    }
    let value =
        |enumeration: &Enumeration, index: usize| match enumeration.variants.get().get(index) {
            Some(variant) => {
                let number = enumeration.number(variant.value);
                format!("`{}::{} = {number}`", &*enumeration.name, &*variant.name)
            }
            None => NOTHING.to_owned(),
        };
    let most = theirs.variants.len().max(ours.variants.len());
    let index = (0..most)
        .find(|&index| theirs.variants.get().get(index) != ours.variants.get().get(index))?;
    Some(First::new(path, value(theirs, index), value(ours, index)))
}
