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
        "`Quote`: the size is that of the fields"
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
        "`Quote.last`: a field begins where the one before it ends"
    );
    let twice = schema(vec![sound.clone(), sound]);
    assert_eq!(
        twice.check().unwrap_err().to_string(),
        "kinds do not ascend"
    );
}
