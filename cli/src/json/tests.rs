//! There and back, and what is told of JSON that is no message.

use proptest::prelude::*;
use ringway::schema::{Content, Enumeration, Field, Record, Shared, Tail, Type, Value, Variant};

use super::{Shown, Tree, encode};

#[path = "../../../src/schema/tests/any.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the library's own tests use all of it"
)]
mod any;

/// As the library's rules have it.
fn align(ty: &Type) -> u32 {
    match ty {
        Type::Unsigned(size) | Type::Signed(size) | Type::Float(size) => u32::from(*size),
        Type::Enumeration(enumeration) => u32::from(enumeration.size),
        Type::Array(of, _) | Type::Maybe(of) => align(of),
        Type::Record(record) => record.align,
        _ => 1,
    }
}

fn flag(of: &Type) -> u64 {
    u64::from(align(of))
}

fn written(record: &Record, frame: &[u8]) -> String {
    serde_json::to_string(&Shown(&record.decode(frame).unwrap())).unwrap()
}

fn back(record: &Record, text: &str) -> Result<Vec<u8>, String> {
    let tree: Tree = serde_json::from_str(text).unwrap();
    encode(record, &tree).map_err(|wrong| wrong.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_survives(record in any::records(), seed in any::<u64>(), elements in 0usize..4) {
        let frame = any::frame(&record, seed, elements);
        let text = written(&record, &frame);
        prop_assert_eq!(back(&record, &text), Ok(frame), "{}", text);
    }

    #[test]
    fn every_number_survives(long in any::<u64>(), short in any::<u32>(), huge in any::<u128>()) {
        let record = any::record("N", &[
            ("d", Type::Float(8)), ("f", Type::Float(4)), ("u", Type::Unsigned(16)), ("i", Type::Signed(16)),
        ]);
        let mut frame = long.to_le_bytes().to_vec();
        frame.extend(short.to_le_bytes());
        frame.extend(huge.to_le_bytes());
        frame.extend((huge >> (long % 128)).to_le_bytes());
        prop_assert_eq!(back(&record, &written(&record, &frame)), Ok(frame));
    }
}

#[test]
fn values_are_written_as_the_table_says() {
    let shown = |value: Value<'static>| serde_json::to_string(&Shown(&value)).unwrap();
    assert_eq!(shown(Value::Unsigned(1 << 53)), "9007199254740992");
    assert_eq!(
        shown(Value::Unsigned((1 << 53) + 1)),
        "\"9007199254740993\""
    );
    assert_eq!(shown(Value::Signed(-(1 << 53))), "-9007199254740992");
    assert_eq!(
        shown(Value::Signed(i128::MIN)),
        format!("\"{}\"", i128::MIN)
    );
    assert_eq!(shown(Value::Float(0.1)), "0.1");
    assert_eq!(shown(Value::Double(-0.0)), "-0.0");
    assert_eq!(shown(Value::Double(f64::NAN)), "\"NaN\"");
    assert_eq!(
        shown(Value::Float(f32::from_bits(0xffc0_0001))),
        "\"NaN(ffc00001)\""
    );
    assert_eq!(shown(Value::Float(f32::NEG_INFINITY)), "\"-inf\"");
    assert_eq!(shown(Value::Bytes(vec![0, 0xab])), "\"00ab\"");
    let absent = Value::Maybe(None);
    assert_eq!(
        shown(Value::Maybe(Some(Box::new(absent.clone())))),
        "[null]"
    );
    assert_eq!(shown(absent), "null");
    let padded = vec![
        ("z", Value::Bool(true)),
        ("_pad", Value::Bytes(vec![0])),
        ("a", Value::Variant("Buy")),
    ];
    assert_eq!(shown(Value::Record(padded)), r#"{"z":true,"a":"Buy"}"#);
    assert_eq!(
        shown(Value::Record(vec![("_pad", Value::Bytes(vec![7]))])),
        r#"{"_pad":"07"}"#
    );
}

fn side() -> Type {
    let variants = ["Buy", "Sell"].iter().zip(0..);
    let variants: Vec<Variant> = variants
        .map(|(name, value)| Variant {
            name: any::text(name),
            value,
        })
        .collect();
    let (name, variants) = (any::text("Side"), variants.into());
    Type::Enumeration(
        Enumeration {
            name,
            size: 1,
            signed: false,
            variants,
        }
        .into(),
    )
}

/// What is told of `json` as the only field of a record.
fn told(ty: Type, json: &str) -> String {
    let record = any::record("R", &[("f", ty)]);
    back(&record, &format!("{{\"f\":{json}}}")).unwrap_err()
}

#[test]
fn json_that_is_no_value_is_told_with_its_place() {
    let leg = any::record("Leg", &[("size", Type::Unsigned(1)), ("open", Type::Bool)]);
    let legs = Type::Array(Type::Record(leg.into()).into(), 2);
    let good = r#"{"size":1,"open":true}"#;
    for (ty, json, expected) in [
        (
            Type::Unsigned(1),
            "256",
            "field `f`: 256 is too large for u8",
        ),
        (
            Type::Unsigned(8),
            "-1",
            "field `f`: -1 is out of the range of u64",
        ),
        (
            Type::Signed(1),
            "-129",
            "field `f`: -129 does not fit into i8",
        ),
        (
            Type::Unsigned(4),
            "1.5",
            "field `f`: the number 1.5, where u32 is expected: ",
        ),
        (
            Type::Unsigned(16),
            "99999999999999999999",
            "it may be a text",
        ),
        (
            Type::Unsigned(16),
            "\"twelve\"",
            "no whole number in range, where u128 is expected",
        ),
        (
            Type::Float(4),
            "1e300",
            "field `f`: the number is out of the range of f32",
        ),
        (
            Type::Float(8),
            "\"nan\"",
            "field `f`: a text, where f64 is expected",
        ),
        (
            Type::Float(4),
            "\"NaN(3f800000)\"",
            "field `f`: a text, where f32 is expected",
        ),
        (
            Type::Float(8),
            "null",
            "field `f`: null, where f64 is expected",
        ),
        (
            Type::Bool,
            "1",
            "field `f`: a whole number, where true or false is expected",
        ),
        (
            Type::Text(2),
            "7",
            "field `f`: a whole number, where a text is expected",
        ),
        (
            Type::Text(2),
            "\"abc\"",
            "field `f`: 3 bytes, where there is room for 2",
        ),
        (Type::Bytes(2), "\"abc\"", "hexadecimal digits"),
        (
            side(),
            "\"Hold\"",
            "field `f`: \"Hold\", where the name of a value of `Side` is expected: Buy, Sell",
        ),
        (side(), "1", "field `f`: a whole number, where the name"),
        (
            Type::Array(Type::Bool.into(), 2),
            "[true]",
            "field `f`: 1 elements, where there are 2",
        ),
        (
            legs.clone(),
            &format!("[{good},{{\"size\":1,\"open\":2}}]"),
            "field `f[1].open`: a whole number",
        ),
        (
            legs.clone(),
            &format!("[{good},{{\"size\":1,\"shut\":2}}]"),
            "field `f[1].shut`: `Leg` has no such field; it has size, open",
        ),
        (
            legs,
            &format!("[{{\"size\":1}},{good}]"),
            "field `f[0].open`: it is missing, and has no default",
        ),
        (
            Type::Maybe(Type::Maybe(Type::Bool.into()).into()),
            "[]",
            "a list, where null, or a list of one value",
        ),
        (
            Type::Bool,
            "true,\"f\":true",
            "field `f`: it is given twice",
        ),
    ] {
        let words = told(ty, json);
        assert!(words.contains(expected), "{json}: {words}");
    }
    let record = any::record("R", &[("f", Type::Bool)]);
    assert_eq!(
        back(&record, "[]"),
        Err("a list, where an object with the fields of `R` is expected".to_owned())
    );
}

#[test]
fn what_is_left_out_has_its_default_or_is_absent() {
    let maybe = Type::Maybe(Type::Unsigned(2).into());
    let mut record = any::record("R", &[("id", Type::Unsigned(4)), ("limit", maybe)]);
    let mut fields: Vec<Field> = record.fields.to_vec();
    fields[0].default = vec![7, 0, 0, 0].into();
    record.fields = fields.into();
    assert_eq!(back(&record, "{}"), Ok(vec![7, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(
        back(&record, r#"{"limit":null,"id":1}"#),
        Ok(vec![1, 0, 0, 0, 0, 0, 0, 0])
    );
    let bytes = any::record("B", &[("b", Type::Array(Type::Unsigned(1).into(), 2))]);
    assert_eq!(
        back(&bytes, r#"{"b":[1,"255"]}"#),
        back(&bytes, r#"{"b":"01FF"}"#)
    );
}
