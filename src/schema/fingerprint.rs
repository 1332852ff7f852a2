//! The fingerprint: sixteen bytes that are equal where two schemas mean the same bytes.
//!
//! FNV-1a of 128 bits (draft-eastlake-fnv-21) over what fixes the meaning, in the order and widths of the table (`docs/PROTOCOL.md`):
//! kinds, names, types, offsets, sizes, alignments and values; not documentation, versions, deprecation or defaults. It is no
//! defence: who announces a fingerprint that is not its table's only misleads itself.

use super::{Content, Enumeration, Field, Record, Schema, Tail, Type};

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The fingerprint of a schema, at compile time too.
pub const fn fingerprint(schema: &Schema) -> [u8; 16] {
    let records = schema.records.get();
    let mut hash = Hash(OFFSET).u32(records.len() as u32);
    let mut index = 0;
    while index < records.len() {
        hash = hash.record(&records[index]);
        index += 1;
    }
    hash.0.to_le_bytes()
}

#[derive(Clone, Copy)]
struct Hash(u128);

impl Hash {
    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u128).wrapping_mul(PRIME))
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut index = 0;
        while index < bytes.len() {
            self = self.byte(bytes[index]);
            index += 1;
        }
        self
    }

    const fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    const fn text(self, text: &str) -> Self {
        self.u32(text.len() as u32).bytes(text.as_bytes())
    }

    const fn record(self, record: &Record) -> Self {
        let fields = record.fields.get();
        let mut hash = self
            .bytes(&record.kind.to_le_bytes())
            .text(record.name.get())
            .u32(record.size)
            .u32(record.align)
            .u32(fields.len() as u32);
        let mut index = 0;
        while index < fields.len() {
            hash = hash.field(&fields[index]);
            index += 1;
        }
        match &record.tail {
            None => hash.byte(0),
            Some(tail) => hash.tail(tail),
        }
    }

    const fn field(self, field: &Field) -> Self {
        self.text(field.name.get())
            .ty(&field.ty)
            .u32(field.offset)
            .u32(field.size)
            .u32(field.align)
    }

    const fn tail(self, tail: &Tail) -> Self {
        match &tail.content {
            Content::Text => self.byte(1).text(tail.name.get()),
            Content::Elements(ty, size) => self.byte(2).text(tail.name.get()).ty(ty).u32(*size),
        }
    }

    const fn ty(self, ty: &Type) -> Self {
        let hash = self.byte(ty.code());
        match ty {
            Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => hash.byte(*size),
            Type::Bool => hash,
            Type::Enumeration(enumeration) => hash.enumeration(enumeration.get()),
            Type::Array(of, count) => hash.u32(*count).ty(of.get()),
            Type::Record(record) => hash.record(record.get()),
            Type::Text(size) | Type::Bytes(size) => hash.u32(*size),
            Type::Maybe(of) => hash.ty(of.get()),
        }
    }

    const fn enumeration(self, enumeration: &Enumeration) -> Self {
        let variants = enumeration.variants.get();
        let mut hash = self
            .text(enumeration.name.get())
            .byte(enumeration.size)
            .byte(enumeration.signed as u8)
            .u32(variants.len() as u32);
        let mut index = 0;
        while index < variants.len() {
            let variant = &variants[index];
            hash = hash
                .text(variant.name.get())
                .bytes(&variant.value.to_le_bytes());
            index += 1;
        }
        hash
    }
}

impl Type {
    /// Its number in the table.
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::Unsigned(_) => 1,
            Self::Signed(_) => 2,
            Self::Float(_) => 3,
            Self::Bool => 4,
            Self::Enumeration(_) => 5,
            Self::Array(..) => 6,
            Self::Record(_) => 7,
            Self::Text(_) => 8,
            Self::Bytes(_) => 9,
            Self::Maybe(_) => 10,
        }
    }
}
