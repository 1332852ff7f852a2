//! JSON from a frame's values.

use ringway::schema::Value;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{EXACT, NAN_32, NAN_64};
use crate::hex::hex;

/// A value that is written as JSON.
#[derive(Debug)]
pub(crate) struct Shown<'a, 's>(pub(crate) &'a Value<'s>);

impl Serialize for Shown<'_, '_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Unsigned(number) => match u64::try_from(*number) {
                Ok(small) if *number <= EXACT => out.serialize_u64(small),
                _ => out.collect_str(number),
            },
            Value::Signed(number) => match i64::try_from(*number) {
                Ok(small) if number.unsigned_abs() <= EXACT => out.serialize_i64(small),
                _ => out.collect_str(number),
            },
            Value::Float(number) if number.is_nan() && number.to_bits() != NAN_32 => {
                out.collect_str(&format_args!("NaN({:08x})", number.to_bits()))
            }
            Value::Double(number) if number.is_nan() && number.to_bits() != NAN_64 => {
                out.collect_str(&format_args!("NaN({:016x})", number.to_bits()))
            }
            // "NaN", "inf" or "-inf".
            Value::Float(number) if !number.is_finite() => out.collect_str(number),
            Value::Double(number) if !number.is_finite() => out.collect_str(number),
            Value::Float(number) => out.serialize_f64(widened(*number)),
            Value::Double(number) => out.serialize_f64(*number),
            Value::Bool(value) => out.serialize_bool(*value),
            Value::Variant(name) => out.serialize_str(name),
            Value::Text(text) => out.serialize_str(text),
            Value::Bytes(bytes) => out.serialize_str(&hex(bytes)),
            Value::List(values) => {
                let mut list = out.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Shown(value))?;
                }
                list.end()
            }
            Value::Record(values) => {
                let mut object = out.serialize_map(None)?;
                for (name, value) in values {
                    if !(name.starts_with('_') && is_zero(value)) {
                        object.serialize_entry(name, &Shown(value))?;
                    }
                }
                object.end()
            }
            Value::Maybe(None) => out.serialize_none(),
            Value::Maybe(Some(value)) if matches!(**value, Value::Maybe(_)) => {
                out.collect_seq([Shown(value)])
            }
            Value::Maybe(Some(value)) => Shown(value).serialize(out),
            other => Err(serde::ser::Error::custom(format!(
                "this version has no JSON for {other:?}"
            ))),
        }
    }
}

/// The number of 64 bits with the fewest digits that is this one when it is rounded to 32: 0.1, not 0.10000000149011612.
fn widened(number: f32) -> f64 {
    let short = number.to_string().parse().unwrap_or(f64::from(number));
    // Rounded twice, it could have become a neighbour.
    if (short as f32).to_bits() == number.to_bits() {
        short
    } else {
        f64::from(number)
    }
}

/// Whether it says nothing, as padding does.
pub(super) fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Unsigned(number) => *number == 0,
        Value::Signed(number) => *number == 0,
        Value::Bytes(bytes) => bytes.iter().all(|&byte| byte == 0),
        Value::List(values) => values.iter().all(is_zero),
        _ => false,
    }
}
