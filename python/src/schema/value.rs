//! Frames as values with names, and back, for who has only the schema.
//!
//! A record is a dictionary, a value of an enumeration is its name, and what is absent is `None`. Of a value that may be absent in one that may be absent, the outer one is
//! a tuple of one: nothing else tells the two absences apart.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use ringway::schema::{Content, Record, Type, Value};

use crate::errors::{Fault, raise};

/// The values of a frame of `record`.
pub(super) fn decode<'py>(
    py: Python<'py>,
    record: &Record,
    payload: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    let value = record
        .decode(payload)
        .map_err(|invalid| raise(py, Fault::SchemaError, invalid.to_string()))?;
    to_python(py, &value)
}

/// The frame of `record` that says what `values` say.
pub(super) fn encode<'py>(
    record: &Record,
    values: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = values.py();
    let value = record_of(record, values)?;
    let bytes = record
        .encode(&value)
        .map_err(|invalid| raise(py, Fault::SchemaError, invalid.to_string()))?;
    Ok(PyBytes::new(py, &bytes))
}

fn to_python<'py>(py: Python<'py>, value: &Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Unsigned(number) => number.into_pyobject(py)?.into_any(),
        Value::Signed(number) => number.into_pyobject(py)?.into_any(),
        Value::Float(number) => number.into_pyobject(py)?.into_any(),
        Value::Double(number) => number.into_pyobject(py)?.into_any(),
        Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Value::Variant(name) => PyString::new(py, name).into_any(),
        Value::Text(text) => PyString::new(py, text).into_any(),
        Value::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Value::List(values) => {
            let values = values.iter().map(|value| to_python(py, value));
            PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        Value::Record(values) => {
            let record = PyDict::new(py);
            for (name, value) in values {
                record.set_item(name, to_python(py, value)?)?;
            }
            record.into_any()
        }
        Value::Maybe(None) => py.None().into_bound(py),
        Value::Maybe(Some(value)) => match &**value {
            inner @ Value::Maybe(_) => PyTuple::new(py, [to_python(py, inner)?])?.into_any(),
            inner => to_python(py, inner)?,
        },
        other => {
            return Err(PyTypeError::new_err(format!(
                "{other:?} has no value in Python"
            )));
        }
    })
}

fn record_of<'s>(record: &'s Record, values: &Bound<'_, PyAny>) -> PyResult<Value<'s>> {
    let mut found: Vec<(&'s str, Value<'s>)> = Vec::new();
    for (name, value) in values.cast::<PyDict>()? {
        let name: String = name.extract()?;
        let field = record.fields.iter().find(|field| *field.name == *name);
        found.push(match (field, &record.tail) {
            (Some(field), _) => (&field.name, value_of(&field.ty, &value)?),
            (None, Some(tail)) if *tail.name == *name => match &tail.content {
                Content::Text => (&tail.name, Value::Text(value.extract()?)),
                Content::Elements(ty, _) => (&tail.name, list_of(ty, &value)?),
            },
            _ => {
                let text = format!("`{}` has no field `{name}`", &*record.name);
                return Err(raise(values.py(), Fault::SchemaError, text));
            }
        });
    }
    Ok(Value::Record(found))
}

fn list_of<'s>(ty: &'s Type, value: &Bound<'_, PyAny>) -> PyResult<Value<'s>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Value::Bytes(bytes.as_bytes().to_vec()));
    }
    let values = value.try_iter()?;
    let values = values.map(|value| value_of(ty, &value?));
    values.collect::<PyResult<_>>().map(Value::List)
}

fn value_of<'s>(ty: &'s Type, value: &Bound<'_, PyAny>) -> PyResult<Value<'s>> {
    Ok(match ty {
        Type::Unsigned(_) => Value::Unsigned(value.extract()?),
        Type::Signed(_) => Value::Signed(value.extract()?),
        Type::Float(4) => Value::Float(value.extract()?),
        Type::Float(_) => Value::Double(value.extract()?),
        Type::Bool => Value::Bool(value.extract()?),
        Type::Enumeration(enumeration) => {
            let name: String = value.extract()?;
            let mut variants = enumeration.variants.iter();
            let known = variants.find(|variant| *variant.name == *name);
            let Some(variant) = known else {
                let text = format!("`{name}` is no value of `{}`", &*enumeration.name);
                return Err(raise(value.py(), Fault::SchemaError, text));
            };
            Value::Variant(&variant.name)
        }
        Type::Array(of, _) => list_of(of, value)?,
        Type::Record(record) => record_of(record, value)?,
        Type::Text(_) => Value::Text(value.extract()?),
        Type::Bytes(_) => Value::Bytes(value.extract()?),
        Type::Maybe(_) if value.is_none() => Value::Maybe(None),
        Type::Maybe(of) => {
            let inner = match &**of {
                Type::Maybe(_) => value.get_item(0)?,
                _ => value.clone(),
            };
            Value::Maybe(Some(Box::new(value_of(of, &inner)?)))
        }
        other => {
            return Err(PyTypeError::new_err(format!(
                "{other} has no value in Python"
            )));
        }
    })
}
