//! Tables: there and back, and whatever else somebody may send.

use proptest::prelude::*;

use super::super::{DecodeError, Type, decode, encode, fingerprint};
use super::{record, schema, schemas, text};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_schema_survives(schema in schemas()) {
        let table = encode(&schema).unwrap();
        let back = decode(&table).unwrap();
        prop_assert_eq!(&back, &schema);
        prop_assert_eq!(fingerprint(&back), fingerprint(&schema));
        prop_assert_eq!(encode(&back).unwrap(), table);
    }

    #[test]
    fn a_table_that_is_cut_or_spoiled_is_an_error_or_a_schema(
        schema in schemas(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut table = encode(&schema).unwrap();
        let place = place.index(table.len());
        prop_assert!(decode(&table[..place]).is_err());
        table[place] = byte;
        if let Ok(other) = decode(&table) {
            other.check().unwrap();
            prop_assert_eq!(encode(&other).unwrap(), table);
        }
    }

    #[test]
    fn no_bytes_do_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..400), framed in any::<bool>()) {
        if framed {
            bytes.splice(..0, *b"RWSCHEM\x01\x01\0\0\0");
        }
        let _ = decode(&bytes);
    }
}

/// One record of each shape, with every type.
fn dense() -> Vec<u8> {
    super::golden::tables()
        .into_iter()
        .map(|(_, schema)| encode(&schema).unwrap())
        .max_by_key(Vec::len)
        .unwrap()
}

#[test]
fn every_cut_is_an_error_and_every_byte_may_be_any_other() {
    let mut table = dense();
    let (mut refused, mut taken) = (0, 0);
    for place in 0..table.len() {
        assert!(decode(&table[..place]).is_err(), "cut at {place}");
        let was = table[place];
        for byte in 0..=u8::MAX {
            table[place] = byte;
            match decode(&table) {
                Ok(schema) => {
                    assert_eq!(encode(&schema).unwrap(), table, "one schema, one table");
                    taken += 1;
                }
                Err(_) => refused += 1,
            }
        }
        table[place] = was;
    }
    assert!(
        refused > 10_000 && taken > 1000,
        "{refused}, {taken}: it proves nothing"
    );
    table.push(0);
    assert_eq!(decode(&table), Err(DecodeError::Surplus(1)));
}

/// Sizes beyond every number: an addition to them once wrapped around, to a size that a frame could have.
#[test]
fn what_has_more_bytes_than_can_be_counted_is_refused() {
    let nest = |ty: Type| Type::Array(ty.into(), u32::MAX);
    let huge = nest(nest(nest(Type::Unsigned(16))));
    let around = super::field("f", Type::Bool, 0);
    for size in [0, 15, 16] {
        let mut field = around.clone();
        (field.ty, field.size) = (Type::Maybe(huge.clone().into()), size);
        let mut record = record("R", &[]);
        (record.fields, record.size) = (vec![field].into(), size);
        assert!(schema(vec![record]).check().is_err(), "{size}");
    }
}

#[test]
fn types_that_no_frame_holds_are_refused() {
    let rule = |ty: Type| {
        let told = schema(vec![record("R", &[("f", ty)])]).check();
        told.unwrap_err().to_string()
    };
    let empty = Type::Array(Type::Text(0).into(), u32::MAX);
    assert!(rule(empty).contains("the elements of an array have no bytes"));
    assert!(rule(Type::Bytes(1 << 16)).contains("two bytes"));
    assert!(rule(Type::Unsigned(3)).contains("1, 2, 4, 8 or 16"));
    assert!(rule(Type::Float(2)).contains("4 or 8"));
    let wide = super::enumeration("E", 1, &[("A", 256)]);
    assert!(rule(wide).contains("does not fit"));
    let never = super::enumeration("E", 1, &[("A", 1)]);
    assert!(rule(Type::Maybe(never.into())).contains("all zeros"));
    assert!(rule(super::enumeration("E", 1, &[])).contains("no value"));
    assert!(rule(super::enumeration("E", 1, &[("A", 1), ("B", 0)])).contains("ascend"));
    assert!(rule(super::enumeration("E", 1, &[("A", 0), ("A", 1)])).contains("one name"));
    let mut nested = record("N", &[]);
    nested.tail = Some(super::Tail {
        name: text("t"),
        doc: text(""),
        content: super::Content::Text,
    });
    assert!(rule(Type::Record(nested.into())).contains("and has a variable part"));
    let deep = (0..8).fold(Type::Bool, |ty, _| Type::Array(ty.into(), 1));
    assert!(rule(deep).contains("too deep"));
}

#[test]
fn words_that_would_steer_a_terminal_are_refused() {
    let check = |change: fn(&mut super::Field)| {
        let mut field = super::field("f", Type::Bool, 0);
        change(&mut field);
        let mut record = record("R", &[("f", Type::Bool)]);
        record.fields = vec![field].into();
        schema(vec![record]).check()
    };
    assert!(check(|field| field.name = text("a\u{202e}b")).is_err());
    assert!(check(|field| field.doc = text("\u{1b}[2J")).is_err());
    assert!(check(|field| field.deprecated = text("\r")).is_err());
    assert!(check(|field| field.doc = text("Two\n\tlines.")).is_ok());
}

#[test]
fn a_number_alone_reserves_nothing() {
    let mut table = b"RWSCHEM\x01".to_vec();
    table.extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode(&table).unwrap_err(), DecodeError::Truncated);
    assert_eq!(
        decode(b"RWSCHEM\x02\0\0\0\0").unwrap_err(),
        DecodeError::Foreign
    );
    assert_eq!(decode(&vec![0; 70_000]).unwrap_err(), DecodeError::TooLong);
}

#[test]
fn types_that_lie_too_deep_are_refused_without_following_them() {
    let mut table = b"RWSCHEM\x01".to_vec();
    table.extend_from_slice(&1u32.to_le_bytes());
    table.extend_from_slice(&[0, 0, 1, 0, 0, 0, b'R', 0, 0, 0, 0]);
    table.extend_from_slice(&[0; 8]);
    table.extend_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, b'f', 0, 0, 0, 0]);
    table.extend(std::iter::repeat_n(10u8, 60_000));
    assert!(matches!(decode(&table), Err(DecodeError::Nonsense(_))));
}

#[test]
fn broken_rules_are_named_with_their_place() {
    let sound = record("Quote", &[("id", Type::Unsigned(8)), ("last", Type::Bool)]);
    let broken = |change: fn(&mut super::Record)| {
        let mut record = sound.clone();
        change(&mut record);
        schema(vec![record]).check().unwrap_err().to_string()
    };
    assert_eq!(
        broken(|record| record.size = 8),
        "`Quote`: it has 8 bytes, and its fields end at 9: padding is a field too"
    );
    assert_eq!(
        broken(|record| record.name = text("a\u{1b}[2J")),
        "a name is empty, too long or not printable"
    );
    assert_eq!(
        broken(|record| {
            let mut fields = record.fields.to_vec();
            fields[1].name = text("id");
            record.fields = fields.into();
        }),
        "`Quote.id`: two fields have this name"
    );
    assert_eq!(
        broken(|record| {
            let mut fields = record.fields.to_vec();
            fields[1].offset = 9;
            record.fields = fields.into();
        }),
        "`Quote.last`: it begins at 9, and what is before it ends at 8: padding is a field too"
    );
    let twice = schema(vec![sound.clone(), sound]);
    assert_eq!(
        twice.check().unwrap_err().to_string(),
        "kinds do not ascend"
    );
}
