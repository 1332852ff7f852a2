//! Schemas as people read them.

use core::fmt::{self, Write};

use super::{Content, Record, Type};

impl fmt::Display for Type {
    /// As Rust would write it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(size) => write!(out, "u{}", u32::from(*size) * 8),
            Self::Signed(size) => write!(out, "i{}", u32::from(*size) * 8),
            Self::Float(size) => write!(out, "f{}", u32::from(*size) * 8),
            Self::Bool => out.write_str("bool"),
            Self::Enumeration(enumeration) => out.write_str(&enumeration.name),
            Self::Array(of, count) => write!(out, "[{}; {count}]", **of),
            Self::Record(record) => out.write_str(&record.name),
            Self::Text(size) => write!(out, "Text<{size}>"),
            Self::Bytes(size) => write!(out, "Bytes<{size}>"),
            Self::Maybe(of) => write!(out, "Maybe<{}>", **of),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => out.write_str("str"),
            Self::Elements(ty, _) => write!(out, "[{ty}]"),
        }
    }
}

impl fmt::Display for Record {
    /// A table: offset, name and type of each field, a line each.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(self)
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    }
}

fn lines(record: &Record) -> Vec<String> {
    let mut lines = vec![format!(
        "{} (kind {}, {} bytes)",
        &*record.name, record.kind, record.size
    )];
    for field in record.fields.iter() {
        lines.push(format!(
            "{:>5}  {}: {}",
            field.offset, &*field.name, field.ty
        ));
    }
    if let Some(tail) = &record.tail {
        lines.push(format!(
            "{:>5}  {}: {}",
            record.size, &*tail.name, tail.content
        ));
    }
    lines
}

/// Two records beside each other, a mark between lines that differ.
pub(super) fn side_by_side(left: (&str, &Record), right: (&str, &Record)) -> String {
    let (one, other) = (lines(left.1), lines(right.1));
    let width = one.iter().map(|line| line.chars().count()).max();
    let width = width.unwrap_or(0).max(left.0.chars().count());
    let mut text = format!("{:<width$}     {}\n", left.0, right.0);
    for index in 0..one.len().max(other.len()) {
        let part = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        let (one, other) = (part(&one), part(&other));
        let mark = if one == other { ' ' } else { '|' };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}",
            format!("{one:<width$}  {mark}  {other}").trim_end()
        );
    }
    text
}
