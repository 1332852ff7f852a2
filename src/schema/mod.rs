//! What the bytes of a frame mean: a table that travels with the connection.
//!
//! A [`Schema`] says what one lane carries: one [`Record`] for each type of message, told apart by the kind in a frame's header. The derive
//! macro makes it at compile time; a peer's is decoded from its segment. Both are of the same types, so that one comparison, one
//! printer and one decoder serve all. Absent on purpose: connections, and Rust's own types (`typed`).

mod build;
mod compare;
mod decode;
mod fingerprint;
mod json;
mod rules;
mod shared;
mod table;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod value;

pub use compare::{Difference, compare};
pub use decode::{DecodeError, decode};
pub use fingerprint::fingerprint;
pub use json::to_json;
pub use rules::{MAX_DEPTH, MAX_FIELDS, MAX_RECORDS, MAX_TABLE, Unsound};
pub use shared::Shared;
pub use table::{EncodeError, encode};
pub use value::{Invalid, Value};

/// What one lane carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// One for each type of message, in ascending order of their kinds.
    pub records: Shared<[Record]>,
}

/// The layout of one type of message: fixed fields at fixed places, and perhaps a variable part behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The number in the header of its frames: 0 where a lane carries one type only. Of a nested record: 0.
    pub kind: u16,
    /// The type's name.
    pub name: Shared<str>,
    /// What it means, for people.
    pub doc: Shared<str>,
    /// Bytes of the fixed part. The variable part begins here.
    pub size: u32,
    /// What the record's address is a multiple of.
    pub align: u32,
    /// In the order of their offsets, without gaps.
    pub fields: Shared<[Field]>,
    /// The variable part, if there is one.
    pub tail: Option<Tail>,
}

/// One field at a fixed place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: Shared<str>,
    /// What it means, for people.
    pub doc: Shared<str>,
    /// What its bytes are.
    pub ty: Type,
    /// Bytes before it in its record.
    pub offset: u32,
    /// Bytes that it takes.
    pub size: u32,
    /// What its offset is a multiple of.
    pub align: u32,
    /// The version of the record that added it: 1 for the first.
    pub since: u16,
    /// Why it should no longer be used, and what to use; empty: it may be.
    pub deprecated: Shared<str>,
    /// Its bytes where the writer did not know it. Empty: all zero, which only types say that have a value for "absent".
    pub default: Shared<[u8]>,
}

/// The variable part of a record: what is left of the frame behind the fixed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The field's name.
    pub name: Shared<str>,
    /// What it means, for people.
    pub doc: Shared<str>,
    /// What it is made of.
    pub content: Content,
}

/// What a variable part is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// UTF-8.
    Text,
    /// Elements of one type, each of so many bytes, one behind the other.
    Elements(Type, u32),
}

/// What the bytes of a field are. Numbers are little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// An unsigned integer of 1, 2, 4, 8 or 16 bytes.
    Unsigned(u8),
    /// A signed integer in two's complement, of 1, 2, 4, 8 or 16 bytes.
    Signed(u8),
    /// A number of IEEE 754, of 4 or 8 bytes.
    Float(u8),
    /// One byte: 0 or 1.
    Bool,
    /// An integer that has one of some named values.
    Enumeration(Shared<Enumeration>),
    /// So many of one type, one behind the other.
    Array(Shared<Type>, u32),
    /// A record inside a record.
    Record(Shared<Record>),
    /// UTF-8 of at most so many bytes, filled up with zeros.
    Text(u32),
    /// At most so many bytes: their number in two bytes, then room for all of them.
    Bytes(u32),
    /// A value and behind it a number as wide as the value's alignment: 1 if the value is there, else 0.
    Maybe(Shared<Type>),
}

/// An integer type with named values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumeration {
    /// The type's name.
    pub name: Shared<str>,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether the integer is signed.
    pub signed: bool,
    /// In the order of their values.
    pub variants: Shared<[Variant]>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: Shared<str>,
    /// Its value, as two's complement of 64 bits.
    pub value: i64,
}
