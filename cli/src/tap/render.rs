//! A frame as lines: what its messages say by the names of their fields, or its bytes where nothing says what they mean.

use std::fmt::Write;

use ringway::schema::{Record, Schema, Value};
use serde::Serialize;

use super::pace::Lost;
use crate::hex::hex;
use crate::json::Shown;
use crate::text::{acts, harmless};

/// A frame that was read along.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// The number of the connection.
    pub(crate) connection: u64,
    /// `from-client` or `to-client`.
    pub(crate) direction: &'a str,
    pub(crate) position: u64,
    pub(crate) kind: u16,
    /// Where its lane has several.
    pub(crate) priority: Option<usize>,
    pub(crate) payload: &'a [u8],
}

/// One message of a frame.
#[derive(Debug)]
pub(crate) struct Message<'a, 's> {
    /// Its place in the frame: 0, but for those of a batch.
    pub(crate) index: usize,
    pub(crate) record: Option<&'s Record>,
    pub(crate) content: Content<'a, 's>,
}

/// What a message says.
#[derive(Debug)]
pub(crate) enum Content<'a, 's> {
    /// A record's value.
    Fields(Value<'s>),
    /// Bytes that mean nothing to us.
    Bytes(&'a [u8]),
    /// Bytes that are no message of their record, and why.
    Invalid(&'a [u8], String),
}

/// The messages of a frame: one, or those of a batch. Without a schema that knows its kind, and by a codec other than 0, its bytes.
pub(crate) fn messages<'a, 's>(
    schema: Option<&'s Schema>,
    codec: u32,
    frame: &Frame<'a>,
) -> Vec<Message<'a, 's>> {
    let payload = frame.payload;
    let record = schema
        .filter(|_| codec == 0)
        .and_then(|schema| schema.record(frame.kind));
    let Some(record) = record else {
        let (index, content) = (0, Content::Bytes(payload));
        return vec![Message {
            index,
            record,
            content,
        }];
    };
    let size = record.size as usize;
    let many =
        record.tail.is_none() && size > 0 && payload.len() > size && payload.len() % size == 0;
    let each = if many { size } else { payload.len().max(1) };
    let parts: Vec<&[u8]> = if payload.is_empty() {
        vec![payload]
    } else {
        payload.chunks(each).collect()
    };
    let parts = parts.into_iter().enumerate();
    let messages = parts.map(|(index, bytes)| {
        let content = match record.decode(bytes) {
            Ok(value) => Content::Fields(value),
            Err(why) => Content::Invalid(bytes, why.to_string()),
        };
        Message {
            index,
            record: Some(record),
            content,
        }
    });
    messages.collect()
}

/// A line for people: `1 from-client @4096 Quote symbol="EURUSD" price=1.17`.
pub(crate) fn text_line(frame: &Frame<'_>, message: &Message<'_, '_>) -> String {
    let Frame {
        connection,
        direction,
        position,
        kind,
        priority,
        ..
    } = frame;
    let mut line = format!("{connection} {direction} @{position}");
    // Writing to a string does not fail.
    if message.index > 0 {
        let _ = write!(line, "[{}]", message.index);
    }
    if let Some(priority) = priority {
        let _ = write!(line, " priority {priority}");
    }
    match message.record {
        Some(record) => write!(line, " {}", &*record.name),
        None => write!(line, " kind {kind}"),
    }
    .unwrap_or_default();
    match &message.content {
        Content::Fields(Value::Record(values)) => fields(&mut line, " ", values),
        Content::Fields(other) => value(&mut line, other),
        Content::Bytes(bytes) => {
            let _ = write!(line, ", {} bytes: {}", bytes.len(), hex(bytes));
        }
        Content::Invalid(bytes, why) => {
            let _ = write!(
                line,
                " is no message ({why}), {} bytes: {}",
                bytes.len(),
                hex(bytes)
            );
        }
    }
    line.truncate(line.trim_end().len());
    line
}

fn fields(line: &mut String, before: &str, values: &[(&str, Value<'_>)]) {
    let mut between = before;
    for (name, inner) in values.iter().filter(|(name, _)| !name.starts_with('_')) {
        let _ = write!(line, "{between}{name}=");
        value(line, inner);
        between = " ";
    }
}

fn value(line: &mut String, shown: &Value<'_>) {
    match shown {
        Value::Text(text) => {
            let _ = write!(
                line,
                "\"{}\"",
                harmless(&text.replace('\\', "\\\\").replace('"', "\\\""))
            );
        }
        Value::List(values) => {
            line.push('[');
            for (index, inner) in values.iter().enumerate() {
                line.push_str(if index > 0 { " " } else { "" });
                value(line, inner);
            }
            line.push(']');
        }
        Value::Record(values) => {
            line.push('{');
            fields(line, "", values);
            line.push('}');
        }
        Value::Maybe(None) => line.push_str("absent"),
        Value::Maybe(Some(inner)) => value(line, inner),
        other => line.push_str(&plain(other)),
    }
}

/// A value of one word.
pub(super) fn plain(shown: &Value<'_>) -> String {
    match shown {
        Value::Unsigned(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Variant(name) => (*name).to_owned(),
        Value::Text(text) => harmless(text),
        Value::Bytes(bytes) => hex(bytes),
        other => json(&Shown(other)),
    }
}

#[derive(Serialize)]
struct Line<'a, 'v, 's> {
    connection: u64,
    direction: &'a str,
    position: u64,
    index: usize,
    kind: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'s str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Shown<'v, 's>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<&'v str>,
}

/// A line for programs. Its `fields` are what `send --json` takes.
pub(crate) fn json_line(frame: &Frame<'_>, message: &Message<'_, '_>) -> String {
    let (fields, bytes, invalid) = match &message.content {
        Content::Fields(value) => (Some(Shown(value)), None, None),
        Content::Bytes(bytes) => (None, Some(*bytes), None),
        Content::Invalid(bytes, why) => (None, Some(*bytes), Some(why.as_str())),
    };
    json(&Line {
        connection: frame.connection,
        direction: frame.direction,
        position: frame.position,
        index: message.index,
        kind: frame.kind,
        priority: frame.priority,
        message: message.record.map(|record| &*record.name),
        fields,
        length: bytes.map(<[u8]>::len),
        bytes: bytes.map(hex),
        invalid,
    })
}

/// The line of JSON that stands between others where frames were lost: so many so far.
pub(crate) fn lost_line(lost: Lost) -> String {
    let Lost { frames, bytes } = lost;
    format!("{{\"lost\":{{\"frames\":{frames},\"bytes\":{bytes}}}}}")
}

/// JSON without letters that a terminal acts upon: they occur in texts only, where they may be escaped.
fn json(shown: &impl Serialize) -> String {
    let text = serde_json::to_string(shown)
        .unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()));
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            // All of them have 16 bits.
            let _ = write!(line, "\\u{:04x}", u32::from(letter));
        } else {
            line.push(letter);
        }
    }
    line
}
