//! A table of one kind of message: a column for each field, nested ones by their path (`legs[0].price`).
//!
//! The columns are the record's, not the message's: an absent value is an empty cell, and so is the priority where a connection has only one. What has no fixed number of parts (a list at the end, a `Maybe` in
//! a `Maybe`), or too many of them, is one column, in JSON. Padding has no column.

use ringway::schema::{Record, Schema, Type, Value};

use super::render::{Content, Frame, Message, plain};
use crate::exit::{Code, Failure};
use crate::text::harmless;

/// The most elements of an array that get columns of their own.
const MOST: u32 = 64;

/// What a table is of.
#[derive(Debug, PartialEq)]
enum Of {
    /// A record.
    Record(Box<Record>),
    /// Frames of bytes.
    Bytes,
}

/// A table that is being written.
#[derive(Debug, Default)]
pub(crate) struct Table {
    of: Option<Of>,
}

impl Table {
    /// Takes up a lane that carries `schema`, of whose messages those of `kind` (all, if there is none) are wanted, and returns the table's
    /// header if this is the first that has some.
    ///
    /// # Errors
    /// A second kind of message: a table has the columns of one.
    pub(crate) fn admit(
        &mut self,
        schema: Option<&Schema>,
        kind: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let mut found = Vec::new();
        match schema {
            // Bytes have numbers only.
            None if kind.is_some_and(|kind| kind.parse::<u16>().is_err()) => {}
            None => found.push(Of::Bytes),
            Some(schema) => {
                let records = schema.records.iter();
                let wanted = records.filter(|record| kind.is_none_or(|kind| is(record, kind)));
                found.extend(wanted.map(|record| Of::Record(Box::new(record.clone()))));
            }
        }
        let mut header = None;
        for of in found {
            match &self.of {
                // Of another version of the same message too: what it lacks is empty, and what it has besides is not shown.
                Some(known) if goes_with(known, &of) => {}
                None => {
                    header = Some(columns(&of));
                    self.of = Some(of);
                }
                Some(known) => {
                    let (one, other) = (name(known), name(&of));
                    let words = format!(
                        "a table has the columns of one message, and there are {one} and {other}: choose one by --kind, or by --direction; text and JSON have all"
                    );
                    return Err(Failure::new(Code::Usage, words));
                }
            }
        }
        Ok(header)
    }

    /// The row of a message. `None`: it is no message of the table's record.
    pub(crate) fn row(&self, frame: &Frame<'_>, message: &Message<'_, '_>) -> Option<String> {
        let mut cells = vec![
            frame.connection.to_string(),
            frame.direction.to_owned(),
            frame.position.to_string(),
            frame
                .priority
                .map_or_else(String::new, |priority| priority.to_string()),
        ];
        match (&self.of, &message.content) {
            (Some(Of::Bytes), Content::Bytes(bytes)) => {
                cells.push(frame.kind.to_string());
                cells.push(bytes.len().to_string());
                cells.push(crate::hex::hex(bytes));
            }
            (Some(Of::Record(record)), Content::Fields(value))
                if message.record.is_some_and(|own| is_same(own, record)) =>
            {
                cells.push(message.index.to_string());
                cells.push(record.name.to_string());
                walk(record, Some(value), "", &mut |_, value| {
                    cells.push(value.map(plain).unwrap_or_default());
                });
            }
            _ => return None,
        }
        Some(joined(&cells))
    }
}

fn goes_with(known: &Of, other: &Of) -> bool {
    match (known, other) {
        (Of::Record(known), Of::Record(other)) => is_same(known, other),
        _ => known == other,
    }
}

fn is_same(one: &Record, other: &Record) -> bool {
    one.kind == other.kind && one.name == other.name
}

/// Whether a record is the one with that name or number.
pub(super) fn is(record: &Record, kind: &str) -> bool {
    *record.name == *kind || kind.parse() == Ok(record.kind)
}

fn name(of: &Of) -> String {
    match of {
        Of::Record(record) => format!("{} ({})", &*record.name, record.kind),
        Of::Bytes => "bytes".to_owned(),
    }
}

fn columns(of: &Of) -> String {
    let mut names: Vec<String> = ["connection", "direction", "position", "priority"]
        .map(str::to_owned)
        .into();
    match of {
        Of::Bytes => names.extend(["kind", "length", "bytes"].map(str::to_owned)),
        Of::Record(record) => {
            names.extend(["index", "message"].map(str::to_owned));
            walk(record, None, "", &mut |path, _| names.push(path.to_owned()));
        }
    }
    joined(&names)
}

type Sink<'a> = &'a mut dyn FnMut(&str, Option<&Value<'_>>);

/// Every column of a record, in its order, with its value, if there is one.
fn walk(record: &Record, value: Option<&Value<'_>>, path: &str, out: Sink<'_>) {
    let values = match value {
        Some(Value::Record(values)) => values.as_slice(),
        _ => &[],
    };
    let of = |name: &str| {
        values
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    let dot = if path.is_empty() { "" } else { "." };
    for field in record
        .fields
        .iter()
        .filter(|field| !field.name.starts_with('_'))
    {
        let path = format!("{path}{dot}{}", &*field.name);
        part(&field.ty, of(&field.name), &path, out);
    }
    if let Some(tail) = &record.tail {
        out(&tail.name, of(&tail.name));
    }
}

fn part(ty: &Type, value: Option<&Value<'_>>, path: &str, out: Sink<'_>) {
    match ty {
        Type::Record(record) => walk(record, value, path, out),
        Type::Array(of, count) if *count <= MOST && !matches!(**of, Type::Unsigned(1)) => {
            let values = match value {
                Some(Value::List(values)) => values.as_slice(),
                _ => &[],
            };
            for index in 0..*count as usize {
                part(of, values.get(index), &format!("{path}[{index}]"), out);
            }
        }
        Type::Maybe(of) if !matches!(**of, Type::Maybe(_)) => {
            let inner = match value {
                Some(Value::Maybe(Some(inner))) => Some(&**inner),
                _ => None,
            };
            part(of, inner, path, out);
        }
        _ => out(path, value),
    }
}

/// Cells as RFC 4180 has them, without the end of the line.
fn joined(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| {
        let cell = harmless(cell);
        if cell.contains([',', '"']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    });
    cells.collect::<Vec<_>>().join(",")
}
