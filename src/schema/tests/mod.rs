//! Schemas of every kind, and four generations of one message.

mod any;
mod comparing;
mod golden;
mod table;
mod values;

use proptest::collection::vec;
use proptest::prelude::*;

use super::rules::{align, flag};
use super::{Content, Enumeration, Field, Record, Schema, Shared, Tail, Type, Variant};
pub(crate) use any::{field, frame, record, records, text};

pub(crate) fn schema(records: Vec<Record>) -> Schema {
    Schema {
        records: records.into(),
    }
}

pub(crate) fn enumeration(name: &str, size: u8, values: &[(&str, i64)]) -> Type {
    let variants = values.iter().map(|(name, value)| Variant {
        name: text(name),
        value: *value,
    });
    Type::Enumeration(
        Enumeration {
            name: text(name),
            size,
            signed: false,
            variants: variants.collect::<Vec<_>>().into(),
        }
        .into(),
    )
}

/// Schemas of up to three records.
pub(crate) fn schemas() -> impl Strategy<Value = Schema> {
    vec(records(), 0..4).prop_map(|mut records| {
        for (kind, record) in (3..).zip(&mut records) {
            record.kind = kind;
        }
        schema(records)
    })
}
