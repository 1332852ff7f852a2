//! What the derive macros say about a type.

use ringway::schema::{Content, Type, decode, encode, fingerprint};
use ringway::typed::{Field, Message, Messages, Nothing};

use super::kinds::{Everything, Leg, Level, Note, Order, Request, Side};

#[test]
fn a_record_has_every_field_at_its_place() {
    let record = Everything::RECORD;
    assert_eq!((record.kind, &*record.name), (0, "Everything"));
    assert_eq!(&*record.doc, "One field of each type.");
    assert_eq!(record.size as usize, size_of::<Everything>());
    assert_eq!(record.align, 16);
    assert!(record.tail.is_none());
    let mut end = 0;
    for field in record.fields.iter() {
        assert_eq!(field.offset, end, "{:?}", field.name);
        assert_eq!((field.since, &*field.deprecated), (1, ""));
        assert_eq!(field.offset % field.align, 0, "{:?}", field.name);
        end += field.size;
    }
    assert_eq!(end, record.size);
    let legs = record.fields.iter().find(|field| &*field.name == "legs");
    let legs = legs.unwrap();
    assert_eq!(&*legs.doc, "What is asked for.");
    let Type::Array(leg, 2) = &legs.ty else {
        panic!("{:?}", legs.ty);
    };
    assert_eq!(**leg, Type::Record(Leg::RECORD.clone().into()));
    let limit = record.fields.iter().find(|field| &*field.name == "limit");
    assert_eq!((limit.unwrap().size, limit.unwrap().align), (16, 8));
}

#[test]
fn an_enumeration_has_its_values_in_order() {
    let Type::Enumeration(level) = Level::TYPE else {
        panic!("no enumeration");
    };
    assert_eq!((level.size, level.signed), (4, true));
    let values: Vec<_> = level.variants.iter().map(|v| (&*v.name, v.value)).collect();
    assert_eq!(values, [("Low", -70_000), ("Middle", 0), ("High", 1)]);
    let Type::Enumeration(side) = Side::TYPE else {
        panic!("no enumeration");
    };
    assert_eq!((&*side.name, side.size, side.signed), ("Side", 1, false));
}

#[test]
fn a_variable_part_is_behind_the_fixed_one() {
    let order = Order::RECORD;
    assert_eq!((order.size, order.align, order.fields.len()), (16, 8, 3));
    let tail = order.tail.as_ref().unwrap();
    assert_eq!((&*tail.name, &*tail.doc), ("legs", "As many as there are."));
    assert_eq!(tail.content, Content::Elements(Leg::TYPE, 16));
    assert_eq!(Note::RECORD.tail.as_ref().unwrap().content, Content::Text);
}

#[test]
fn what_is_derived_keeps_the_rules_and_survives_its_table() {
    for schema in [
        Request::SCHEMA,
        Leg::SCHEMA,
        Everything::SCHEMA,
        Order::SCHEMA,
        Note::SCHEMA,
        Nothing::SCHEMA,
    ] {
        schema.check().unwrap();
        let table = encode(schema).unwrap();
        assert_eq!(decode(&table).unwrap(), *schema);
    }
}

#[test]
fn the_fingerprint_is_a_constant() {
    const REQUEST: [u8; 16] = Request::FINGERPRINT;
    assert_eq!(REQUEST, fingerprint(Request::SCHEMA));
    assert_ne!(REQUEST, Leg::FINGERPRINT);
    // The same for every compiler.
    assert_eq!(
        u128::from_le_bytes(Leg::FINGERPRINT),
        0xad7d_71f5_08ef_3d96_aa7d_56d1_3967_514a
    );
}

#[test]
fn a_schema_lists_the_messages_by_kind() {
    let names: Vec<_> = Request::SCHEMA
        .records
        .iter()
        .map(|r| (r.kind, r.name.to_string()))
        .collect();
    let names: Vec<_> = names.iter().map(|(kind, name)| (*kind, &**name)).collect();
    assert_eq!(
        names,
        [(2, "Cancel"), (5, "Note"), (7, "Everything"), (9, "Order")]
    );
    assert_eq!(Leg::SCHEMA.records.len(), 1);
    assert_eq!(Leg::SCHEMA.records[0], *Leg::RECORD);
    assert!(Nothing::SCHEMA.records.is_empty());
}
