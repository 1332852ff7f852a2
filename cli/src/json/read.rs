//! A frame from JSON, by the record that says what the frame is.

use std::fmt;

use ringway::schema::{Content, Enumeration, Field, Invalid, Record, Type, Value};

use super::{NAN_32, NAN_64, Tree};
use crate::hex::unhex;

/// JSON that is no message of the record: which field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    path: String,
    what: String,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        let (path, what) = (String::new(), what.into());
        Self { path, what }
    }

    /// The same, inside of the field `name`.
    fn within(mut self, name: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return out.write_str(&self.what);
        }
        write!(out, "field `{}`: {}", self.path, self.what)
    }
}

impl From<Invalid> for Wrong {
    fn from(invalid: Invalid) -> Self {
        let (path, what) = (invalid.path().to_owned(), invalid.what().to_owned());
        Self { path, what }
    }
}

/// The payload of the frame that an object says, whose keys are the names of the record's fields.
pub(crate) fn encode(record: &Record, json: &Tree) -> Result<Vec<u8>, Wrong> {
    let value = fields(record, json)?;
    Ok(record.encode(&value)?)
}

/// What is left out, or given twice, is for `Record::encode` to say.
fn fields<'s>(record: &'s Record, json: &Tree) -> Result<Value<'s>, Wrong> {
    let Tree::Object(entries) = json else {
        return Err(is_no(
            json,
            &format!("an object with the fields of `{}`", &*record.name),
        ));
    };
    let values = entries.iter().map(|(key, json)| {
        let named = |name: &str| name == key;
        let field = record.fields.iter().find(|field| named(&field.name));
        let tail = record.tail.as_ref().filter(|tail| named(&tail.name));
        let (name, value) = match (field, tail) {
            (Some(Field { name, ty, .. }), _) => (name, value(ty, json)),
            (None, Some(tail)) => (&tail.name, content(&tail.content, json)),
            (None, None) => return Err(unknown(record).within(key)),
        };
        let value = value.map_err(|wrong| wrong.within(key))?;
        Ok((&**name, value))
    });
    values.collect::<Result<_, _>>().map(Value::Record)
}

fn unknown(record: &Record) -> Wrong {
    let fields = record.fields.iter().map(|field| &*field.name);
    let names = fields.filter(|name| !name.starts_with('_'));
    let names: Vec<&str> = names
        .chain(record.tail.iter().map(|tail| &*tail.name))
        .collect();
    let what = format!(
        "`{}` has no such field; it has {}",
        &*record.name,
        names.join(", ")
    );
    Wrong::new(what)
}

fn content<'s>(content: &'s Content, json: &Tree) -> Result<Value<'s>, Wrong> {
    match (content, json) {
        (Content::Text, Tree::Text(text)) => Ok(Value::Text(text.clone())),
        (Content::Text, other) => Err(is_no(other, "a text")),
        (Content::Elements(ty, _), json) => elements(ty, json),
    }
}

fn elements<'s>(ty: &'s Type, json: &Tree) -> Result<Value<'s>, Wrong> {
    match json {
        Tree::Text(_) if matches!(ty, Type::Unsigned(1)) => bytes(json),
        Tree::List(items) => list(items, |item| value(ty, item)).map(Value::List),
        other => Err(is_no(other, &format!("a list of {ty}"))),
    }
}

fn list<'s>(
    items: &[Tree],
    mut make: impl FnMut(&Tree) -> Result<Value<'s>, Wrong>,
) -> Result<Vec<Value<'s>>, Wrong> {
    let items = items.iter().enumerate();
    items
        .map(|(index, item)| make(item).map_err(|wrong| wrong.within(&format!("[{index}]"))))
        .collect()
}

fn value<'s>(ty: &'s Type, json: &Tree) -> Result<Value<'s>, Wrong> {
    match ty {
        Type::Unsigned(_) => whole::<u128>(json, ty).map(Value::Unsigned),
        Type::Signed(_) => whole::<i128>(json, ty).map(Value::Signed),
        Type::Float(4) => single(json, ty).map(Value::Float),
        Type::Float(_) => double(json, ty).map(Value::Double),
        Type::Bool => match json {
            Tree::Bool(value) => Ok(Value::Bool(*value)),
            other => Err(is_no(other, "true or false")),
        },
        Type::Enumeration(enumeration) => variant(enumeration, json).map(Value::Variant),
        Type::Array(of, _) => elements(of, json),
        Type::Record(record) => fields(record, json),
        Type::Text(_) => match json {
            Tree::Text(text) => Ok(Value::Text(text.clone())),
            other => Err(is_no(other, "a text")),
        },
        Type::Bytes(_) => bytes(json),
        Type::Maybe(of) => {
            let inner = match json {
                Tree::Null => return Ok(Value::Maybe(None)),
                Tree::List(items) if matches!(**of, Type::Maybe(_)) => match items.as_slice() {
                    [item] => value(of, item)?,
                    _ => return Err(is_no(json, "null, or a list of one value")),
                },
                other => value(of, other)?,
            };
            Ok(Value::Maybe(Some(Box::new(inner))))
        }
        other => Err(Wrong::new(format!("this version has no JSON for {other}"))),
    }
}

/// A whole number, or its decimal digits. Whether it fits into the type is for `Record::encode` to say, but for its sign and 128 bits.
fn whole<T: TryFrom<i128> + std::str::FromStr>(json: &Tree, ty: &Type) -> Result<T, Wrong> {
    match json {
        Tree::Integer(number) => T::try_from(*number)
            .map_err(|_| Wrong::new(format!("{number} is out of the range of {ty}"))),
        Tree::Text(digits) => digits.parse().map_err(|_| {
            let what = "a text that is no whole number in range, where";
            Wrong::new(format!("{what} {ty} is expected"))
        }),
        Tree::Float(number) => {
            let cure = "a whole number, without a point or exponent; beyond 2^53 it may be a text";
            Err(Wrong::new(format!(
                "the number {number}, where {ty} is expected: {cure}"
            )))
        }
        other => Err(is_no(other, &ty.to_string())),
    }
}

/// The nearest number.
#[allow(
    clippy::cast_precision_loss,
    reason = "it is what a number with as many digits is"
)]
fn double(json: &Tree, ty: &Type) -> Result<f64, Wrong> {
    match json {
        Tree::Integer(number) => Ok(*number as f64),
        Tree::Float(number) => Ok(*number),
        Tree::Text(text) => {
            let usual = special(text, f64::from_bits(NAN_64), f64::INFINITY);
            let noted = || {
                bits(text, 16)
                    .map(f64::from_bits)
                    .filter(|number| number.is_nan())
            };
            usual.or_else(noted).ok_or_else(|| no_number(ty))
        }
        other => Err(is_no(other, &ty.to_string())),
    }
}

/// The nearest number.
#[allow(
    clippy::cast_precision_loss,
    reason = "it is what a number with as many digits is"
)]
fn single(json: &Tree, ty: &Type) -> Result<f32, Wrong> {
    let number = match json {
        Tree::Integer(number) => *number as f32,
        Tree::Float(number) => *number as f32,
        Tree::Text(text) => {
            let usual = special(text, f32::from_bits(NAN_32), f32::INFINITY);
            let short = || bits(text, 8).and_then(|bits| u32::try_from(bits).ok());
            let noted = || short().map(f32::from_bits).filter(|number| number.is_nan());
            return usual.or_else(noted).ok_or_else(|| no_number(ty));
        }
        other => return Err(is_no(other, &ty.to_string())),
    };
    if number.is_infinite() {
        return Err(Wrong::new(format!(
            "the number is out of the range of {ty}"
        )));
    }
    Ok(number)
}

fn no_number(ty: &Type) -> Wrong {
    Wrong::new(format!(
        "a text, where {ty} is expected: a number, or \"NaN\", \"inf\" or \"-inf\""
    ))
}

fn special<T: std::ops::Neg<Output = T>>(text: &str, nan: T, infinity: T) -> Option<T> {
    match text {
        "NaN" => Some(nan),
        "inf" => Some(infinity),
        "-inf" => Some(-infinity),
        _ => None,
    }
}

/// The bits of a NaN, as `NaN(7ff8000000000001)`.
fn bits(text: &str, digits: usize) -> Option<u64> {
    let inside = text.strip_prefix("NaN(")?.strip_suffix(')')?;
    let plain = inside.len() == digits && inside.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(inside, 16).ok().filter(|_| plain)
}

fn variant<'s>(enumeration: &'s Enumeration, json: &Tree) -> Result<&'s str, Wrong> {
    // A schema may have thousands of them.
    const SHOWN: usize = 12;
    let names = enumeration.variants.iter().map(|variant| &*variant.name);
    if let Tree::Text(text) = json {
        if let Some(name) = names.clone().find(|name| name == text) {
            return Ok(name);
        }
    }
    let mut shown: Vec<&str> = names.clone().take(SHOWN).collect();
    if names.len() > SHOWN {
        shown.push("...");
    }
    let what = match json {
        Tree::Text(text) => format!("{text:?}"),
        other => other.what().to_owned(),
    };
    let (of, shown) = (&*enumeration.name, shown.join(", "));
    Err(Wrong::new(format!(
        "{what}, where the name of a value of `{of}` is expected: {shown}"
    )))
}

fn bytes<'s>(json: &Tree) -> Result<Value<'s>, Wrong> {
    let expected = "bytes as pairs of hexadecimal digits";
    match json {
        Tree::Text(digits) => unhex(digits).map(Value::Bytes).ok_or_else(|| {
            Wrong::new(format!(
                "a text that is not that, where {expected} are expected"
            ))
        }),
        other => Err(is_no(other, expected)),
    }
}

fn is_no(json: &Tree, expected: &str) -> Wrong {
    Wrong::new(format!("{}, where {expected} is expected", json.what()))
}
