//! A schema from its description: dictionaries and lists, of the same form as the JSON that `ringway schema` prints and reads.

use std::fmt::Write;

use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use ringway::schema::{
    self, Content, Enumeration, Field, MAX_DEPTH, Record, Schema, Shared, Tail, Type, Variant,
};

use crate::errors::{Fault, raise};

/// The schema of a description, which keeps every rule.
pub(super) fn schema(description: &Bound<'_, PyAny>) -> PyResult<Schema> {
    let py = description.py();
    let whole = Keys::of(
        "a schema",
        description,
        &["schema", "fingerprint", "records"],
    )?;
    if let Some(version) = whole
        .maybe::<u32>("schema")?
        .filter(|version| *version != 1)
    {
        return Err(unsound(
            py,
            format!("it is of version {version}; this library reads version 1"),
        ));
    }
    let records = many(&whole.need("records")?, |item| record(item, 0))?;
    let made = Schema { records };
    made.check()
        .map_err(|error| unsound(py, error.to_string()))?;
    let is = hex(&schema::fingerprint(&made));
    match whole.maybe::<String>("fingerprint")? {
        Some(said) if said != is => Err(unsound(
            py,
            format!(
                "its fingerprint is {said}, that of what it says is {is}: leave the fingerprint out if the change is meant"
            ),
        )),
        _ => Ok(made),
    }
}

fn unsound(py: Python<'_>, text: String) -> PyErr {
    raise(py, Fault::SchemaError, text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}"); // to a string: does not fail
        digits
    })
}

/// A dictionary whose keys are known.
struct Keys<'py> {
    what: &'static str,
    dict: Bound<'py, PyDict>,
}

impl<'py> Keys<'py> {
    fn of(what: &'static str, value: &Bound<'py, PyAny>, known: &[&str]) -> PyResult<Self> {
        let dict = value.cast::<PyDict>().map_err(|_| {
            PyTypeError::new_err(format!(
                "{what} is described by a dictionary, not by {value:?}"
            ))
        })?;
        for key in dict.keys() {
            let name: String = key.extract()?;
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                let text = format!("{what} has no {name:?}; there are {known}");
                return Err(unsound(value.py(), text));
            }
        }
        Ok(Self {
            what,
            dict: dict.clone(),
        })
    }

    fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.dict.get_item(name)?.filter(|value| !value.is_none()))
    }

    fn need(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let missing = || PyKeyError::new_err(format!("{} needs {name:?}", self.what));
        self.get(name)?.ok_or_else(missing)
    }

    fn value<T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(&self, name: &str) -> PyResult<T> {
        self.need(name)?.extract()
    }

    fn maybe<T: for<'a> FromPyObject<'a, 'py, Error = PyErr>>(
        &self,
        name: &str,
    ) -> PyResult<Option<T>> {
        self.get(name)?.map(|value| value.extract()).transpose()
    }

    fn words(&self, name: &str) -> PyResult<Shared<str>> {
        Ok(self.maybe::<String>(name)?.unwrap_or_default().into())
    }

    fn text(&self, name: &str) -> PyResult<Shared<str>> {
        Ok(self.value::<String>(name)?.into())
    }
}

fn many<T>(
    items: &Bound<'_, PyAny>,
    mut make: impl FnMut(&Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Shared<[T]>> {
    let made: Vec<T> = items
        .try_iter()?
        .map(|item| make(&item?))
        .collect::<PyResult<_>>()?;
    Ok(made.into())
}

fn record(of: &Bound<'_, PyAny>, depth: usize) -> PyResult<Record> {
    let known = ["kind", "name", "doc", "size", "align", "fields", "tail"];
    let keys = Keys::of("a record", of, &known)?;
    Ok(Record {
        kind: keys.maybe("kind")?.unwrap_or(0),
        name: keys.text("name")?,
        doc: keys.words("doc")?,
        size: keys.value("size")?,
        align: keys.value("align")?,
        fields: many(&keys.need("fields")?, |item| field(item, depth))?,
        tail: keys
            .get("tail")?
            .map(|part| tail(&part, depth))
            .transpose()?,
    })
}

fn field(of: &Bound<'_, PyAny>, depth: usize) -> PyResult<Field> {
    let known = [
        "name",
        "type",
        "offset",
        "size",
        "align",
        "since",
        "deprecated",
        "default",
        "doc",
    ];
    let keys = Keys::of("a field", of, &known)?;
    let default = keys
        .get("default")?
        .map(|value| bytes(&value))
        .transpose()?;
    Ok(Field {
        name: keys.text("name")?,
        doc: keys.words("doc")?,
        ty: ty(&keys.need("type")?, depth)?,
        offset: keys.value("offset")?,
        size: keys.value("size")?,
        align: keys.value("align")?,
        since: keys.maybe("since")?.unwrap_or(1),
        deprecated: keys.words("deprecated")?,
        default: default.unwrap_or_default().into(),
    })
}

/// Bytes, or their hexadecimal digits.
fn bytes(of: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if of.is_instance_of::<PyBytes>() {
        return of.extract();
    }
    let bytes = of.py().get_type::<PyBytes>();
    bytes.call_method1("fromhex", (of,))?.extract()
}

fn tail(of: &Bound<'_, PyAny>, depth: usize) -> PyResult<Tail> {
    let keys = Keys::of(
        "a variable part",
        of,
        &["name", "doc", "content", "elements", "size"],
    )?;
    let content: Option<String> = keys.maybe("content")?;
    let content = match (content.as_deref(), keys.get("elements")?) {
        (Some("str"), None) => Content::Text,
        (None, Some(elements)) => Content::Elements(ty(&elements, depth)?, keys.value("size")?),
        _ => {
            let text = "a variable part has either the content \"str\", or elements and their size";
            return Err(unsound(of.py(), text.to_owned()));
        }
    };
    Ok(Tail {
        name: keys.text("name")?,
        doc: keys.words("doc")?,
        content,
    })
}

fn ty(of: &Bound<'_, PyAny>, depth: usize) -> PyResult<Type> {
    // A description may contain itself.
    if depth > MAX_DEPTH {
        let text = "types lie too deep in each other";
        return Err(unsound(of.py(), text.to_owned()));
    }
    let depth = depth + 1;
    if let Ok(name) = of.cast::<PyString>() {
        return plain(of.py(), &name.to_cow()?);
    }
    let known = [
        "enumeration",
        "integer",
        "values",
        "array",
        "count",
        "record",
        "text",
        "bytes",
        "maybe",
    ];
    let keys = Keys::of("a type", of, &known)?;
    if let Some(element) = keys.get("array")? {
        Ok(Type::Array(
            ty(&element, depth)?.into(),
            keys.value("count")?,
        ))
    } else if let Some(inner) = keys.get("record")? {
        Ok(Type::Record(record(&inner, depth)?.into()))
    } else if let Some(value) = keys.get("maybe")? {
        Ok(Type::Maybe(ty(&value, depth)?.into()))
    } else if let Some(room) = keys.maybe("text")? {
        Ok(Type::Text(room))
    } else if let Some(room) = keys.maybe("bytes")? {
        Ok(Type::Bytes(room))
    } else {
        enumeration(of.py(), &keys)
    }
}

fn enumeration(py: Python<'_>, keys: &Keys<'_>) -> PyResult<Type> {
    let integer: String = keys.value("integer")?;
    let (size, signed) = match plain(py, &integer)? {
        Type::Unsigned(size) => (size, false),
        Type::Signed(size) => (size, true),
        _ => return Err(unsound(py, format!("{integer:?} is no integer"))),
    };
    let variants = many(&keys.need("values")?, |item| {
        let keys = Keys::of("a named value", item, &["name", "value"])?;
        let value = if signed {
            keys.value::<i64>("value")?
        } else {
            i64::from_ne_bytes(keys.value::<u64>("value")?.to_ne_bytes())
        };
        Ok(Variant {
            name: keys.text("name")?,
            value,
        })
    })?;
    Ok(Type::Enumeration(
        Enumeration {
            name: keys.text("enumeration")?,
            size,
            signed,
            variants,
        }
        .into(),
    ))
}

fn plain(py: Python<'_>, name: &str) -> PyResult<Type> {
    Ok(match name {
        "bool" => Type::Bool,
        "u8" => Type::Unsigned(1),
        "u16" => Type::Unsigned(2),
        "u32" => Type::Unsigned(4),
        "u64" => Type::Unsigned(8),
        "u128" => Type::Unsigned(16),
        "i8" => Type::Signed(1),
        "i16" => Type::Signed(2),
        "i32" => Type::Signed(4),
        "i64" => Type::Signed(8),
        "i128" => Type::Signed(16),
        "f32" => Type::Float(4),
        "f64" => Type::Float(8),
        _ => return Err(unsound(py, format!("there is no type {name:?}"))),
    })
}
