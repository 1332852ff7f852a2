//! Schemas as people read them.

use core::fmt::{self, Write};

use super::compare::differing;
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

/// Letters of a line of either side, at most.
const WIDTH: usize = 46;
/// Lines above the first difference, and from it on, at most: a peer may have thousands of fields.
const BEFORE: usize = 20;
const AFTER: usize = 40;

/// Two records beside each other, a mark between lines that differ. Of long ones the part around the first difference.
pub(super) fn side_by_side(left: (&str, &Record), right: (&str, &Record)) -> String {
    let (one, other) = (lines(left.1), lines(right.1));
    let rows = one.len().max(other.len());
    let differ =
        |index: usize| one.get(index) != other.get(index) || differ_inside(left.1, right.1, index);
    let first = (0..rows).find(|&index| index > 0 && differ(index));
    let first = first.unwrap_or(0);
    let shown = first.saturating_sub(BEFORE)..rows.min(first.saturating_add(AFTER));
    let heading = cut(left.0);
    let width = one[shown.start.min(one.len())..shown.end.min(one.len())]
        .iter()
        .map(|line| cut(line).chars().count())
        .max();
    let width = width.unwrap_or(0).max(heading.chars().count());
    let mut text = format!("{heading:<width$}     {}\n", cut(right.0));
    // Writing to a string does not fail.
    let more = |count: usize, text: &mut String| {
        if count > 0 {
            let _ = writeln!(text, "... {count} more");
        }
    };
    more(shown.start, &mut text);
    for index in shown.clone() {
        let part = |lines: &[String]| lines.get(index).map(|line| cut(line)).unwrap_or_default();
        let (one, other) = (part(&one), part(&other));
        let mark = if differ(index) { '|' } else { ' ' };
        let _ = writeln!(
            text,
            "{}",
            format!("{one:<width$}  {mark}  {other}").trim_end()
        );
    }
    more(rows - shown.end, &mut text);
    text
}

/// Whether the fields of a line that reads alike are of types that differ inside.
fn differ_inside(one: &Record, other: &Record, line: usize) -> bool {
    let field = line.checked_sub(1);
    let fields = field.and_then(|at| one.fields.get().get(at).zip(other.fields.get().get(at)));
    fields.is_some_and(|(one, other)| differing("", one, other).is_some())
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}
