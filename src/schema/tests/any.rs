//! Any type, any record, and any frame of it: for the properties that hold for all of them. The command's tests read this file too, so it names
//! nothing of the library but what is public; `align` and `flag` are those of the rules.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Content, Enumeration, Field, Record, Shared, Tail, Type, Variant, align, flag};

pub(crate) fn text(text: &str) -> Shared<str> {
    text.to_owned().into()
}

/// Bytes of a sound type.
fn size(ty: &Type) -> u32 {
    match ty {
        Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => u32::from(*size),
        Type::Bool => 1,
        Type::Enumeration(enumeration) => u32::from(enumeration.size),
        Type::Array(of, count) => size(of) * count,
        Type::Record(record) => record.size,
        Type::Text(size) => *size,
        Type::Bytes(size) => size + 2,
        Type::Maybe(of) => size(of) + u32::try_from(flag(of)).unwrap(),
        #[allow(unreachable_patterns, reason = "elsewhere there may be more")]
        other => panic!("{other} is not made here"),
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
fn types() -> impl Strategy<Value = Type> {
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

/// Bytes that are a value of a type, drawn from `seed`.
fn image(ty: &Type, seed: &mut u64, out: &mut Vec<u8>) {
    let mut next = || {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    };
    match ty {
        Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => {
            let bytes = u128::from(next()) << 64 | u128::from(next());
            out.extend_from_slice(&bytes.to_le_bytes()[..usize::from(*size)]);
        }
        Type::Bool => out.push(next() as u8 & 1),
        Type::Enumeration(enumeration) => {
            let count = enumeration.variants.len() as u64;
            let value = enumeration.variants[(next() % count) as usize].value;
            out.extend_from_slice(&value.to_le_bytes()[..usize::from(enumeration.size)]);
        }
        Type::Array(of, count) => (0..*count).for_each(|_| image(of, seed, out)),
        Type::Record(record) => record
            .fields
            .iter()
            .for_each(|field| image(&field.ty, seed, out)),
        Type::Text(room) | Type::Bytes(room) => {
            let (room, length) = (*room as usize, (next() % 30) as usize);
            let length = length.min(room);
            if matches!(ty, Type::Bytes(_)) {
                out.extend_from_slice(&(length as u16).to_le_bytes());
            }
            out.extend((0..length).map(|_| b'a' + (next() % 26) as u8));
            out.resize(out.len() + room - length, 0);
        }
        Type::Maybe(of) => {
            let flag = super::flag(of) as usize;
            let there = next() % 2 == 0;
            if there {
                image(of, seed, out);
            } else {
                out.resize(out.len() + size(of) as usize, 0);
            }
            out.push(u8::from(there));
            out.resize(out.len() + flag - 1, 0);
        }
        #[allow(unreachable_patterns, reason = "elsewhere there may be more")]
        other => panic!("{other} is not made here"),
    }
}

/// A frame of a record, drawn from `seed`, with so many elements in the variable part.
pub(crate) fn frame(record: &Record, mut seed: u64, elements: usize) -> Vec<u8> {
    seed |= 1;
    let mut out = Vec::new();
    for field in record.fields.iter() {
        image(&field.ty, &mut seed, &mut out);
    }
    match record.tail.as_ref().map(|tail| &tail.content) {
        None => {}
        Some(Content::Text) => out.extend("é".repeat(elements).bytes()),
        Some(Content::Elements(ty, _)) => {
            (0..elements).for_each(|_| image(ty, &mut seed, &mut out));
        }
    }
    out
}
