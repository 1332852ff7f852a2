//! Frames as values: there and back, and every way in which bytes can be no value.

use proptest::prelude::*;

use super::super::{Content, Field, Record, Tail, Type, Value};
use super::{enumeration, frame, record, records, text};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_survives(record in records(), seed in any::<u64>(), elements in 0usize..4) {
        let bytes = frame(&record, seed, elements);
        let value = record.decode(&bytes).unwrap();
        prop_assert_eq!(record.encode(&value).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_value(record in records(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(value) = record.decode(&bytes) {
            // Only what lies in the room behind bytes, or where nothing is, may come back otherwise.
            let again = record.encode(&value).unwrap();
            prop_assert_eq!(again.len(), bytes.len());
            prop_assert_eq!(record.encode(&record.decode(&again).unwrap()).unwrap(), again);
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_spoiled_does_no_harm(record in records(), seed in any::<u64>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = frame(&record, seed, 2);
        for end in 0..(record.size as usize).min(bytes.len()) {
            prop_assert!(record.decode(&bytes[..end]).is_err());
        }
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = record.decode(&bytes);
        }
    }
}

/// One field, at the front.
fn alone(ty: Type) -> Record {
    record("R", &[("f", ty)])
}

fn wrong(ty: Type, bytes: &[u8]) -> String {
    alone(ty).decode(bytes).unwrap_err().to_string()
}

fn side() -> Type {
    enumeration("Side", 1, &[("Buy", 0), ("Sell", 1)])
}

/// Of a table of 64 KiB, and a frame of a byte for each element: each byte would become two thousand values. All that has bytes is read, however deep it lies.
#[test]
fn fields_without_bytes_are_read_so_often_and_no_more() {
    let list = |element: Record| {
        let size = element.size;
        let tail = Tail {
            name: text("list"),
            doc: text(""),
            content: Content::Elements(Type::Record(element.into()), size),
        };
        Record {
            tail: Some(tail),
            ..record("R", &[])
        }
    };
    let names: Vec<String> = (0..1000).map(|number| format!("f{number}")).collect();
    let mut types: Vec<(&str, Type)> = vec![("byte", Type::Unsigned(1))];
    types.extend(names.iter().map(|name| (name.as_str(), Type::Text(0))));
    let wide = list(record("Wide", &types));
    super::schema(vec![wide.clone()]).check().unwrap();
    assert!(wide.decode(&[7; 60]).is_ok());
    let Err(refused) = wide.decode(&[7; 600]) else {
        panic!("it has been read");
    };
    let refused = refused.to_string();
    assert!(refused.contains("have no bytes"), "{refused}");

    let mut deep = record("Deep", &[("byte", Type::Unsigned(1))]);
    while super::schema(vec![list(deep.clone())]).check().is_ok() {
        deep = record("Deep", &[("inner", Type::Record(deep.into()))]);
    }
    let Type::Record(deepest) = &deep.fields[0].ty else {
        panic!("a record in a record");
    };
    assert!(list((**deepest).clone()).decode(&vec![7; 50_000]).is_ok());
}

#[test]
fn what_is_no_value_is_told_with_its_place() {
    assert_eq!(wrong(Type::Bool, &[2]), "field `f`: 2 is no bool");
    assert_eq!(wrong(side(), &[2]), "field `f`: 2 is no value of `Side`");
    assert_eq!(
        wrong(Type::Text(3), &[0xff, 0, 0]),
        "field `f`: the text is no UTF-8"
    );
    assert_eq!(
        wrong(Type::Text(3), b"a\0b"),
        "field `f`: the text is not filled up with zeros"
    );
    assert_eq!(
        wrong(Type::Bytes(2), &[3, 0, 1, 1]),
        "field `f`: 3 bytes, where there is room for 2"
    );
    let maybe = Type::Maybe(Type::Unsigned(2).into());
    for flag in [[2, 0], [0, 1], [1, 1]] {
        assert_eq!(
            wrong(maybe.clone(), &[0, 0, flag[0], flag[1]]),
            "field `f`: whether the value is there is neither 0 nor 1"
        );
    }
    assert_eq!(
        wrong(Type::Unsigned(2), &[1]),
        "1 bytes, where at least 2 were expected"
    );
    assert_eq!(
        wrong(Type::Unsigned(2), &[1, 2, 3]),
        "3 bytes, where 2 were expected"
    );
    let leg = record("Leg", &[("size", Type::Unsigned(1)), ("open", Type::Bool)]);
    let legs = Type::Array(Type::Record(leg.into()).into(), 2);
    assert_eq!(
        wrong(legs.clone(), &[9, 1, 9, 7]),
        "field `f[1].open`: 7 is no bool"
    );
    let mut tailed = alone(Type::Unsigned(1));
    tailed.tail = Some(Tail {
        name: text("legs"),
        doc: text(""),
        content: Content::Elements(legs, 4),
    });
    let told = |bytes: &[u8]| tailed.decode(bytes).unwrap_err().to_string();
    assert_eq!(
        told(&[0, 1, 1, 1, 1, 1]),
        "field `legs`: 5 bytes are no whole number of elements of 4 bytes"
    );
    assert_eq!(
        told(&[0, 1, 1, 1, 1, 1, 3, 1, 1]),
        "field `legs[1][0].open`: 3 is no bool"
    );
    assert!(
        matches!(tailed.decode(&[0]), Ok(Value::Record(values)) if values[1].1 == Value::List(Vec::new()))
    );
}

#[test]
fn values_are_what_the_bytes_say() {
    let value = |ty: Type, bytes: &[u8]| match alone(ty).decode(bytes).unwrap() {
        Value::Record(values) => format!("{:?}", values[0].1),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        value(Type::Unsigned(16), &[0xff; 16]),
        format!("Unsigned({})", u128::MAX)
    );
    assert_eq!(value(Type::Signed(16), &[0xff; 16]), "Signed(-1)");
    assert_eq!(value(Type::Signed(2), &[0, 0x80]), "Signed(-32768)");
    assert_eq!(value(Type::Float(4), &0.1f32.to_le_bytes()), "Float(0.1)");
    assert_eq!(value(Type::Text(3), b"ab\0"), "Text(\"ab\")");
    assert_eq!(
        value(Type::Array(Type::Unsigned(1).into(), 2), &[1, 2]),
        "Bytes([1, 2])"
    );
    assert_eq!(value(side(), &[1]), "Variant(\"Sell\")");
    assert_eq!(
        value(Type::Maybe(Type::Bool.into()), &[0, 0]),
        "Maybe(None)"
    );
    // Its value is more than an i64 can say.
    let wide = enumeration("Wide", 8, &[("Low", 0), ("High", -1)]);
    assert_eq!(value(wide, &[0xff; 8]), "Variant(\"High\")");
}

#[test]
fn a_value_that_no_frame_holds_is_told_with_its_place() {
    let told = |ty: Type, value: Value<'static>| {
        let whole = Value::Record(vec![("f", value)]);
        alone(ty).encode(&whole).unwrap_err().to_string()
    };
    assert_eq!(
        told(Type::Unsigned(1), Value::Unsigned(256)),
        "field `f`: 256 is too large for u8"
    );
    assert_eq!(
        told(Type::Signed(1), Value::Signed(128)),
        "field `f`: 128 does not fit into i8"
    );
    assert_eq!(
        told(Type::Bool, Value::Unsigned(1)),
        "field `f`: an unsigned integer, where bool is expected"
    );
    assert_eq!(
        told(side(), Value::Variant("Hold")),
        "field `f`: `Hold` is no value of `Side`"
    );
    assert!(told(Type::Text(2), Value::Text("abc".into())).contains("room for 2"));
    assert!(told(Type::Text(2), Value::Text("\0".into())).contains("cannot hold one"));
    assert!(told(Type::Bytes(2), Value::Bytes(vec![0; 3])).contains("room for 2"));
    let pair = Type::Array(Type::Bool.into(), 2);
    assert!(
        told(pair.clone(), Value::List(vec![Value::Bool(true)]))
            .contains("1 elements, where there are 2")
    );
    let mixed = Value::List(vec![Value::Bool(true), Value::Float(1.0)]);
    assert!(told(pair, mixed).starts_with("field `f[1]`"));
    let encode = |values| alone(Type::Bool).encode(&Value::Record(values));
    let error = |values| encode(values).unwrap_err().to_string();
    assert_eq!(
        error(vec![]),
        "field `f`: it is missing, and has no default"
    );
    assert_eq!(
        error(vec![("f", Value::Bool(true)), ("g", Value::Bool(true))]),
        "field `g`: `R` has no such field"
    );
    assert_eq!(
        error(vec![("f", Value::Bool(true)), ("f", Value::Bool(true))]),
        "field `f`: it is given twice"
    );
    assert!(alone(Type::Bool).encode(&Value::Bool(true)).is_err());
}

#[test]
fn what_is_left_out_has_its_default() {
    let mut quote = record(
        "Quote",
        &[
            ("id", Type::Unsigned(4)),
            ("_pad", Type::Unsigned(4)),
            ("limit", Type::Maybe(Type::Unsigned(2).into())),
        ],
    );
    let mut fields: Vec<Field> = quote.fields.to_vec();
    fields[0].default = vec![7, 0, 0, 0].into();
    quote.fields = fields.into();
    let bytes = quote.encode(&Value::Record(Vec::new())).unwrap();
    assert_eq!(bytes, [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_record_is_found_by_its_kind() {
    let schema = super::golden::tables().pop().unwrap().1;
    assert_eq!(schema.record(0), Some(&schema.records[0]));
    assert_eq!(schema.record(1), None);
    let several = &super::golden::tables()[1].1;
    assert_eq!(&*several.record(0xffff).unwrap().name, "Note");
    assert_eq!(several.record(0), None);
}
