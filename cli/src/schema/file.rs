//! A schema file: the table as it lies in a segment, or its JSON. Either way what comes out keeps every rule of a schema.

use std::fs;
use std::path::Path;

use ringway::schema::{
    self, Content, Enumeration, Field, Record, Schema, Shared, Tail, Type, Variant,
};
use serde::Deserialize;

use crate::exit::{Code, Failure};
use crate::hex::{hex, unhex};

/// Reads a schema from a file of either form.
pub(super) fn read(file: &Path) -> Result<Schema, Failure> {
    let shown = file.display();
    let bytes =
        fs::read(file).map_err(|error| Failure::new(Code::Failed, format!("{shown}: {error}")))?;
    let json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let schema = if json {
        parse(&bytes)
    } else {
        schema::decode(&bytes).map_err(|error| error.to_string())
    };
    schema
        .map_err(|error| Failure::new(Code::Failed, format!("{shown} is no schema file: {error}")))
}

/// The whole of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    fingerprint: Option<String>,
    records: Vec<RecordText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordText {
    kind: u16,
    name: String,
    #[serde(default)]
    doc: String,
    size: u32,
    align: u32,
    fields: Vec<FieldText>,
    tail: Option<TailText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldText {
    name: String,
    #[serde(rename = "type")]
    ty: TypeText,
    offset: u32,
    size: u32,
    align: u32,
    #[serde(default = "first")]
    since: u16,
    #[serde(default)]
    deprecated: String,
    #[serde(default)]
    default: String,
    #[serde(default)]
    doc: String,
}

fn first() -> u16 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TailText {
    name: String,
    content: Option<String>,
    elements: Option<TypeText>,
    size: Option<u32>,
    #[serde(default)]
    doc: String,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum TypeText {
    Plain(String),
    Enumeration {
        enumeration: String,
        integer: String,
        values: Vec<VariantText>,
    },
    Array {
        array: Box<TypeText>,
        count: u32,
    },
    Record {
        record: Box<RecordText>,
    },
    Text {
        text: u32,
    },
    Bytes {
        bytes: u32,
    },
    Maybe {
        maybe: Box<TypeText>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantText {
    name: String,
    value: serde_json::Number,
}

fn parse(text: &[u8]) -> Result<Schema, String> {
    let file: File = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if file.schema != 1 {
        return Err(format!(
            "it is of version {}; this program reads version 1",
            file.schema
        ));
    }
    let schema = Schema {
        records: many(file.records, record)?,
    };
    schema.check().map_err(|error| error.to_string())?;
    let fingerprint = hex(&schema::fingerprint(&schema));
    match file.fingerprint {
        Some(said) if said != fingerprint => Err(format!(
            "its fingerprint is {said}, that of what it says is {fingerprint}: it was changed by hand; leave the fingerprint out if that is meant"
        )),
        _ => Ok(schema),
    }
}

fn many<T, U>(
    items: Vec<T>,
    make: impl FnMut(T) -> Result<U, String>,
) -> Result<Shared<[U]>, String> {
    let made: Vec<U> = items.into_iter().map(make).collect::<Result<_, _>>()?;
    Ok(made.into())
}

fn record(text: RecordText) -> Result<Record, String> {
    Ok(Record {
        kind: text.kind,
        name: text.name.into(),
        doc: text.doc.into(),
        size: text.size,
        align: text.align,
        fields: many(text.fields, field)?,
        tail: text.tail.map(tail).transpose()?,
    })
}

fn field(text: FieldText) -> Result<Field, String> {
    let default = unhex(&text.default);
    let default = default.ok_or_else(|| format!("the default of `{}` is no bytes", text.name))?;
    Ok(Field {
        name: text.name.into(),
        doc: text.doc.into(),
        ty: ty(text.ty)?,
        offset: text.offset,
        size: text.size,
        align: text.align,
        since: text.since,
        deprecated: text.deprecated.into(),
        default: default.into(),
    })
}

fn tail(text: TailText) -> Result<Tail, String> {
    let content = match (text.content.as_deref(), text.elements, text.size) {
        (Some("str"), None, None) => Content::Text,
        (None, Some(elements), Some(size)) => Content::Elements(ty(elements)?, size),
        _ => {
            let name = text.name;
            return Err(format!(
                "the variable part `{name}` has either the content \"str\", or elements and their size"
            ));
        }
    };
    Ok(Tail {
        name: text.name.into(),
        doc: text.doc.into(),
        content,
    })
}

fn ty(text: TypeText) -> Result<Type, String> {
    Ok(match text {
        TypeText::Plain(name) => plain(&name)?,
        TypeText::Enumeration {
            enumeration,
            integer,
            values,
        } => {
            let (size, signed) = match plain(&integer)? {
                Type::Unsigned(size) => (size, false),
                Type::Signed(size) => (size, true),
                _ => return Err(format!("`{integer}` is no integer")),
            };
            let variants = many(values, |variant| variant_of(variant, signed))?;
            let name = enumeration.into();
            Type::Enumeration(
                Enumeration {
                    name,
                    size,
                    signed,
                    variants,
                }
                .into(),
            )
        }
        TypeText::Array { array, count } => Type::Array(ty(*array)?.into(), count),
        TypeText::Record { record: inner } => Type::Record(record(*inner)?.into()),
        TypeText::Text { text } => Type::Text(text),
        TypeText::Bytes { bytes } => Type::Bytes(bytes),
        TypeText::Maybe { maybe } => Type::Maybe(ty(*maybe)?.into()),
    })
}

/// A number that an enumeration of that sign can have: beyond the sign's range nothing is read as something else.
fn variant_of(text: VariantText, signed: bool) -> Result<Variant, String> {
    let value = if signed {
        text.value.as_i64()
    } else {
        let value = text.value.as_u64();
        value.map(|value| i64::from_ne_bytes(value.to_ne_bytes()))
    };
    let value = value.ok_or_else(|| format!("{} is no value of `{}`", text.value, text.name))?;
    Ok(Variant {
        name: text.name.into(),
        value,
    })
}

fn plain(name: &str) -> Result<Type, String> {
    let known = [1u8, 2, 4, 8, 16]
        .into_iter()
        .flat_map(|size| [Type::Unsigned(size), Type::Signed(size)])
        .chain([Type::Float(4), Type::Float(8), Type::Bool])
        .find(|ty| ty.to_string() == name);
    known.ok_or_else(|| format!("`{name}` is no type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = include_str!("../../../tests/golden/schema/everything.json");

    #[test]
    fn every_cut_is_an_error() {
        let whole = EVERYTHING.trim_end();
        assert!(parse(whole.as_bytes()).is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn types_in_types_end_somewhere() {
        for depth in [10, 100, 100_000] {
            let ty = format!("{}\"u8\"{}", "{\"maybe\":".repeat(depth), "}".repeat(depth));
            let text = format!(
                "{{\"schema\":1,\"records\":[{{\"kind\":0,\"name\":\"R\",\"size\":1,\"align\":1,\"fields\":[{{\"name\":\"f\",\"type\":{ty},\"offset\":0,\"size\":1,\"align\":1}}]}}]}}"
            );
            assert!(parse(text.as_bytes()).is_err(), "{depth}");
        }
    }

    #[test]
    fn a_number_of_the_wrong_sign_or_form_is_no_value() {
        for (from, to) in [
            ("18446744073709551615", "-1"),
            ("18446744073709551615", "18446744073709551616"),
            ("18446744073709551615", "1.5"),
            ("\"u64\"", "\"i64\""),
            ("\"u64\"", "\"f64\""),
        ] {
            assert!(EVERYTHING.contains(from));
            assert!(
                parse(EVERYTHING.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }
}
