//! Schemas of every kind, and four generations of one message.

mod comparing;
mod golden;
mod table;
mod values;

use proptest::collection::vec;
use proptest::prelude::*;

use super::rules::{align, flag};
use super::{Content, Enumeration, Field, Record, Schema, Shared, Tail, Type, Variant};

pub(crate) fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

/// Bytes of a sound type.
pub(crate) fn size(ty: &Type) -> u32 {
    match ty {
        Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => u32::from(*size),
        Type::Bool => 1,
        Type::Enumeration(enumeration) => u32::from(enumeration.size),
        Type::Array(of, count) => size(of) * count,
        Type::Record(record) => record.size,
        Type::Text(size) => *size,
        Type::Bytes(size) => size + 2,
        Type::Maybe(of) => size(of) + u32::try_from(flag(of)).unwrap(),
    }
}

/// A field behind `offset` bytes.
pub(crate) fn field(name: &str, ty: Type, offset: u32) -> Field {
    Field {
        name: text(name),
        doc: text(""),
        offset,
        size: size(&ty),
        align: align(&ty),
        since: 1,
        deprecated: text(""),
        default: Vec::new().into(),
        ty,
    }
}

/// A record of these fields, as dense as can be.
pub(crate) fn record(name: &str, types: &[(&str, Type)]) -> Record {
    let mut offset = 0;
    let fields: Vec<Field> = types
        .iter()
        .map(|(name, ty)| {
            let mut field = field(name, ty.clone(), offset);
            // Whether it would have to be padded is the derive macro's business.
            field.align = 1 << field.align.trailing_zeros().min(offset.trailing_zeros());
            offset += field.size;
            field
        })
        .collect();
    Record {
        kind: 0,
        name: text(name),
        doc: text("What it is."),
        size: offset,
        align: 64,
        fields: fields.into(),
        tail: None,
    }
}

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

fn integers() -> impl Strategy<Value = Type> {
    let sizes = prop::sample::select(vec![1u8, 2, 4, 8, 16]);
    (sizes, any::<bool>()).prop_map(|(size, signed)| {
        if signed {
            Type::Signed(size)
        } else {
            Type::Unsigned(size)
        }
    })
}

fn enumerations() -> impl Strategy<Value = Type> {
    let sizes = prop::sample::select(vec![1u8, 2, 4, 8]);
    (sizes, any::<bool>(), 1i64..5).prop_map(|(size, signed, count)| {
        let variants: Vec<Variant> = (0..count)
            .map(|n| Variant {
                name: text(&format!("V{n}")),
                // One of them is 0: all zeros are a value then, as what may be absent needs.
                value: (n - if signed { count / 2 } else { 0 }) * 7,
            })
            .collect();
        Type::Enumeration(
            Enumeration {
                name: text("Colour"),
                size,
                signed,
                variants: variants.into(),
            }
            .into(),
        )
    })
}

/// Types that lie up to two deep in each other.
pub(crate) fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        integers(),
        prop::sample::select(vec![Type::Float(4), Type::Float(8), Type::Bool]),
        enumerations(),
        (0u32..20).prop_map(Type::Text),
        (0u32..20).prop_map(Type::Bytes),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0u32..5)
                .prop_filter("elements have bytes", |(of, _)| size(of) > 0)
                .prop_map(|(of, count)| Type::Array(of.into(), count)),
            inner.clone().prop_map(|of| Type::Maybe(of.into())),
            vec(inner, 1..4).prop_map(|types| {
                let names = ["a", "b", "c"];
                let fields: Vec<(&str, Type)> = names.into_iter().zip(types).collect();
                Type::Record(record("Inner", &fields).into())
            }),
        ]
    })
}

/// Records with every kind of field and of variable part.
pub(crate) fn records() -> impl Strategy<Value = Record> {
    let tails = prop_oneof![
        Just(None),
        Just(Some(Content::Text)),
        types()
            .prop_filter("elements have bytes", |ty| size(ty) > 0)
            .prop_map(|ty| {
                let size = size(&ty);
                Some(Content::Elements(ty, size))
            }),
    ];
    (vec(types(), 0..6), tails).prop_map(|(types, tail)| {
        let names = ["id", "price", "größe", "side", "note", "last"];
        let fields: Vec<(&str, Type)> = names.into_iter().zip(types).collect();
        let mut record = record("Quote", &fields);
        record.tail = tail.map(|content| Tail {
            name: text("rest"),
            doc: text(""),
            content,
        });
        record
    })
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
