//! A frame as values with names, read by whoever has only the schema.
//!
//! Every byte that is not padding is looked at, and what the typed receiver refuses is refused here too.

use core::fmt;

use super::{Content, Enumeration, MAX_FIELDS, Record, Schema, Type};
use crate::planted::{Check, is_left_out};

/// What a frame, or a part of it, says. Names are the schema's.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'s> {
    /// An unsigned integer.
    Unsigned(u128),
    /// A signed integer.
    Signed(i128),
    /// A number of 32 bits.
    Float(f32),
    /// A number of 64 bits.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// The name of a value of an enumeration.
    Variant(&'s str),
    /// A text, without the zeros that fill it up.
    Text(String),
    /// Bytes: a field of bounded length, or an array or a list of `u8`.
    Bytes(Vec<u8>),
    /// An array, or a variable part of elements.
    List(Vec<Value<'s>>),
    /// The fields of a record in their order, and the variable part behind them.
    Record(Vec<(&'s str, Value<'s>)>),
    /// A value that may be absent.
    Maybe(Option<Box<Value<'s>>>),
}

/// A frame that is not what its record says, or a value that no frame can hold: which field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    path: String,
    what: String,
}

impl Invalid {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            what: what.into(),
        }
    }

    /// The same, inside of the field `name`.
    pub(super) fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }

    /// The same, inside of an element.
    pub(super) fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// The field, as `legs[3].price`; empty where the frame as a whole is wrong.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return out.write_str(&self.what);
        }
        write!(out, "field `{}`: {}", self.path, self.what)
    }
}

impl std::error::Error for Invalid {}

impl Schema {
    /// The record of a kind. `None`: this schema does not know frames of it.
    pub fn record(&self, kind: u16) -> Option<&Record> {
        let place = self
            .records
            .binary_search_by_key(&kind, |record| record.kind);
        place.ok().map(|place| &self.records[place])
    }
}

impl Record {
    /// The values of a frame that was written by this record. The record is that of the writer, of a schema that keeps the rules
    /// ([`Schema::check`]). The values take some ten times the memory of the frame, more where its elements are small.
    ///
    /// # Errors
    /// The first field whose bytes are no value, or a frame of the wrong length; or more values than any frame has whose fields have bytes, where a schema has many that have none.
    pub fn decode(&self, payload: &[u8]) -> Result<Value<'_>, Invalid> {
        let (len, fixed) = (payload.len(), self.size as usize);
        let Some((head, rest)) = payload.split_at_checked(fixed) else {
            let what = format!("{len} bytes, where at least {fixed} were expected");
            return Err(Invalid::new(what));
        };
        let mut left = Left::of(payload);
        let mut values = fields(self, head, &mut left)?;
        match &self.tail {
            None if rest.is_empty() => {}
            None => {
                let what = format!("{len} bytes, where {fixed} were expected");
                return Err(Invalid::new(what));
            }
            Some(tail) => {
                let value = content(&tail.content, rest, &mut left);
                values.push((
                    &*tail.name,
                    value.map_err(|invalid| invalid.within(&tail.name))?,
                ));
            }
        }
        Ok(Value::Record(values))
    }
}

/// How many values there may still be. A field of no bytes costs a peer that lies nothing, and whoever reads a value of it memory: in each of a million elements a thousand of them.
struct Left(usize);

impl Left {
    /// Where each field has bytes there are less than eight values of each, as no more types lie in each other. The rest is for fields that have none.
    fn of(payload: &[u8]) -> Self {
        Self(
            payload
                .len()
                .saturating_mul(8)
                .saturating_add(16 * MAX_FIELDS),
        )
    }

    fn one(&mut self) -> Result<(), Invalid> {
        match self.0.checked_sub(1) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(Invalid::new("too many of the frame's fields have no bytes")),
        }
    }
}

fn fields<'s>(
    record: &'s Record,
    bytes: &[u8],
    left: &mut Left,
) -> Result<Vec<(&'s str, Value<'s>)>, Invalid> {
    let values = record.fields.iter().map(|field| {
        let from = field.offset as usize;
        let own = bytes.get(from..from.saturating_add(field.size as usize));
        let own = own.ok_or_else(|| Invalid::new("it lies outside of its record"));
        let value = own.and_then(|own| value(&field.ty, own, left));
        let value = value.map_err(|invalid| invalid.within(&field.name))?;
        Ok((&*field.name, value))
    });
    values.collect()
}

fn content<'s>(content: &'s Content, rest: &[u8], left: &mut Left) -> Result<Value<'s>, Invalid> {
    match content {
        Content::Text => text(rest),
        Content::Elements(ty, size) => {
            let (len, size) = (rest.len(), *size as usize);
            if size == 0 || len % size != 0 {
                let what = format!("{len} bytes are no whole number of elements of {size} bytes");
                return Err(Invalid::new(what));
            }
            elements(ty, size, rest, left)
        }
    }
}

fn elements<'s>(
    ty: &'s Type,
    size: usize,
    bytes: &[u8],
    left: &mut Left,
) -> Result<Value<'s>, Invalid> {
    if matches!(ty, Type::Unsigned(1)) {
        return Ok(Value::Bytes(bytes.to_vec()));
    }
    let elements = bytes.chunks_exact(size.max(1)).enumerate();
    let values = elements
        .map(|(index, element)| value(ty, element, left).map_err(|invalid| invalid.at(index)));
    values.collect::<Result<_, _>>().map(Value::List)
}

fn value<'s>(ty: &'s Type, bytes: &[u8], left: &mut Left) -> Result<Value<'s>, Invalid> {
    left.one()?;
    Ok(match ty {
        Type::Unsigned(_) => Value::Unsigned(unsigned(bytes)),
        Type::Signed(_) => Value::Signed(signed(bytes)),
        Type::Float(4) => Value::Float(f32::from_le_bytes(exact(bytes)?)),
        Type::Float(_) => Value::Double(f64::from_le_bytes(exact(bytes)?)),
        Type::Bool => match bytes {
            [byte @ (0 | 1)] => Value::Bool(*byte == 1),
            other => return Err(Invalid::new(format!("{} is no bool", unsigned(other)))),
        },
        Type::Enumeration(enumeration) => Value::Variant(variant(enumeration, bytes)?),
        Type::Array(of, count) => match bytes.len().checked_div(*count as usize) {
            None => elements(of, 1, &[], left)?,
            Some(size) => elements(of, size, bytes, left)?,
        },
        Type::Record(record) => Value::Record(fields(record, bytes, left)?),
        Type::Text(_) => {
            let end = bytes.iter().position(|&byte| byte == 0);
            let (text_bytes, filling) = bytes.split_at(end.unwrap_or(bytes.len()));
            if filling.iter().any(|&byte| byte != 0) {
                return Err(Invalid::new("the text is not filled up with zeros"));
            }
            text(text_bytes)?
        }
        Type::Bytes(room) => {
            let Some((count, rest)) = bytes.split_first_chunk() else {
                return Err(Invalid::new("its bytes are missing"));
            };
            let count = usize::from(u16::from_le_bytes(*count));
            if is_left_out(Check::BytesRoom) {
                return Ok(Value::Bytes(rest[..count].to_vec()));
            }
            let held = rest.get(..count).ok_or_else(|| {
                Invalid::new(format!("{count} bytes, where there is room for {room}"))
            })?;
            Value::Bytes(held.to_vec())
        }
        Type::Maybe(of) => {
            let flag = super::rules::flag(of) as usize;
            let split = bytes.len().checked_sub(flag);
            let split = split.ok_or_else(|| Invalid::new("its bytes are missing"))?;
            let (inner, flag) = bytes.split_at(split);
            let there = match flag {
                [there @ (0 | 1), rest @ ..] if rest.iter().all(|&byte| byte == 0) => *there == 1,
                _ => {
                    let what = "whether the value is there is neither 0 nor 1";
                    return Err(Invalid::new(what));
                }
            };
            // Looked at even if it is absent: the typed receiver does so, and both give one verdict.
            let inner = value(of, inner, left)?;
            Value::Maybe(there.then(|| Box::new(inner)))
        }
    })
}

/// As many bytes as a number has.
fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Invalid> {
    bytes
        .try_into()
        .map_err(|_| Invalid::new("its bytes are missing"))
}

/// At most 16 bytes, as every sound type has.
fn unsigned(bytes: &[u8]) -> u128 {
    let bytes = bytes.iter().rev().take(16);
    bytes.fold(0, |value, &byte| value << 8 | u128::from(byte))
}

fn signed(bytes: &[u8]) -> i128 {
    let shift = 128 - 8 * bytes.len().clamp(1, 16);
    let value = i128::from_ne_bytes(unsigned(bytes).to_ne_bytes());
    value << shift >> shift
}

fn variant<'s>(enumeration: &'s Enumeration, bytes: &[u8]) -> Result<&'s str, Invalid> {
    let number = if enumeration.signed {
        signed(bytes)
    } else {
        i128::try_from(unsigned(bytes)).unwrap_or(i128::MAX)
    };
    // They ascend; a peer may have thousands of them, and as many elements as fill a frame.
    let place = enumeration
        .variants
        .binary_search_by_key(&number, |variant| enumeration.number(variant.value));
    if let Ok(place) = place {
        return Ok(&enumeration.variants[place].name);
    }
    let what = format!("{number} is no value of `{}`", &*enumeration.name);
    Err(Invalid::new(what))
}

impl Enumeration {
    /// The number that a variant's 64 bits stand for: those of an unsigned enumeration may lie beyond what `i64` can say.
    pub fn number(&self, value: i64) -> i128 {
        if self.signed {
            i128::from(value)
        } else {
            i128::from(u64::from_ne_bytes(value.to_ne_bytes()))
        }
    }
}

fn text<'s>(bytes: &[u8]) -> Result<Value<'s>, Invalid> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok(Value::Text(text.to_owned())),
        Err(_) => Err(Invalid::new("the text is no UTF-8")),
    }
}
