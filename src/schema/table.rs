//! The table: a schema as bytes, in the order of `docs/PROTOCOL.md`. Integers are little-endian; a text is its length in four bytes and UTF-8.

use super::rules::{MAX_TABLE, Unsound};
use super::{Content, Enumeration, Field, Record, Schema, Tail, Type};

/// The first bytes of every table: a name and the version of the format.
pub(super) const BEGIN: [u8; 8] = *b"RWSCHEM\x01";

/// A schema cannot be told to a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It breaks a rule.
    #[error("the schema breaks a rule: {0}")]
    Unsound(#[from] Unsound),
    /// Its table is longer than any.
    #[error(
        "the schema's table has {0} bytes, {MAX_TABLE} are the limit: shorten its documentation"
    )]
    TooLong(usize),
}

/// The table of a schema.
///
/// # Errors
/// A broken rule, or more than 64 KiB.
pub fn encode(schema: &Schema) -> Result<Vec<u8>, EncodeError> {
    schema.check()?;
    let mut table = Table(BEGIN.to_vec());
    table.count(schema.records.len());
    for record in schema.records.iter() {
        table.record(record);
    }
    match table.0.len() {
        ..=MAX_TABLE => Ok(table.0),
        length => Err(EncodeError::TooLong(length)),
    }
}

struct Table(Vec<u8>);

impl Table {
    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn record(&mut self, record: &Record) {
        self.0.extend_from_slice(&record.kind.to_le_bytes());
        self.bytes(record.name.as_bytes());
        self.bytes(record.doc.as_bytes());
        self.u32(record.size);
        self.u32(record.align);
        self.count(record.fields.len());
        for field in record.fields.iter() {
            self.field(field);
        }
        match &record.tail {
            None => self.0.push(0),
            Some(tail) => self.tail(tail),
        }
    }

    fn field(&mut self, field: &Field) {
        self.bytes(field.name.as_bytes());
        self.bytes(field.doc.as_bytes());
        self.ty(&field.ty);
        self.u32(field.offset);
        self.u32(field.size);
        self.u32(field.align);
        self.0.extend_from_slice(&field.since.to_le_bytes());
        self.bytes(field.deprecated.as_bytes());
        self.bytes(&field.default);
    }

    fn tail(&mut self, tail: &Tail) {
        self.0.push(match tail.content {
            Content::Text => 1,
            Content::Elements(..) => 2,
        });
        self.bytes(tail.name.as_bytes());
        self.bytes(tail.doc.as_bytes());
        if let Content::Elements(ty, size) = &tail.content {
            self.ty(ty);
            self.u32(*size);
        }
    }

    fn ty(&mut self, ty: &Type) {
        self.0.push(ty.code());
        match ty {
            Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => self.0.push(*size),
            Type::Bool => {}
            Type::Enumeration(enumeration) => self.enumeration(enumeration),
            Type::Array(of, count) => {
                self.u32(*count);
                self.ty(of);
            }
            Type::Record(record) => self.record(record),
            Type::Text(size) | Type::Bytes(size) => self.u32(*size),
            Type::Maybe(of) => self.ty(of),
        }
    }

    fn enumeration(&mut self, enumeration: &Enumeration) {
        self.bytes(enumeration.name.as_bytes());
        self.0.push(enumeration.size);
        self.0.push(enumeration.signed.into());
        self.count(enumeration.variants.len());
        for variant in enumeration.variants.iter() {
            self.bytes(variant.name.as_bytes());
            self.0.extend_from_slice(&variant.value.to_le_bytes());
        }
    }
}
