//! Schemas: what the bytes of frames mean, as Python has them.

mod read;
mod value;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use ringway::schema::{self, Record, Schema as Table};

use crate::errors::{Fault, raise};

/// What one direction of a connection carries: records, each with its kind, its fields and their places.
///
/// It is made of a description: dictionaries and lists, of the form of the JSON that `ringway schema` prints. What is empty may be left out.
///
/// >>> import ringway
/// >>> schema = ringway.Schema({"records": [{"kind": 0, "name": "Point", "size": 16, "align": 8, "fields": [
/// ...     {"name": "x", "type": "f64", "offset": 0, "size": 8, "align": 8},
/// ...     {"name": "y", "type": "f64", "offset": 8, "size": 8, "align": 8},
/// ... ]}]})
/// >>> len(schema.fingerprint)
/// 16
/// >>> schema.to_dict()["records"][0]["name"]
/// 'Point'
///
/// Types: `"u8"` to `"u128"`, `"i8"` to `"i128"`, `"f32"`, `"f64"`, `"bool"`, `{"array": type, "count": n}`, `{"record": record}`, `{"text": n}`, `{"bytes": n}`, `{"maybe": type}`, and
/// `{"enumeration": name, "integer": type, "values": [{"name": name, "value": n}, ...]}`. A variable part is `"tail": {"name": name, "content": "str"}` or `{"name": name, "elements": type, "size": n}`.
///
/// Raises `SchemaError`, which names the place and the broken rule.
#[pyclass(frozen, eq, from_py_object, module = "ringway")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) table: Table,
}

impl From<&Table> for Schema {
    fn from(table: &Table) -> Self {
        let table = table.clone();
        Self { table }
    }
}

#[pymethods]
impl Schema {
    #[new]
    fn new(description: &Bound<'_, PyAny>) -> PyResult<Self> {
        let table = read::schema(description)?;
        Ok(Self { table })
    }

    /// Of JSON, as `json` or `ringway schema` has printed it.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::new(&py.import("json")?.call_method1("loads", (text,))?)
    }

    /// Of the table as it lies in a segment.
    #[staticmethod]
    fn from_table(py: Python<'_>, table: &[u8]) -> PyResult<Self> {
        let table = schema::decode(table)
            .map_err(|error| raise(py, Fault::SchemaError, error.to_string()))?;
        Ok(Self { table })
    }

    /// The sixteen bytes that are equal where two schemas mean the same bytes.
    #[getter]
    fn fingerprint<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &schema::fingerprint(&self.table))
    }

    /// As JSON: the same text for the same schema.
    fn json(&self) -> String {
        schema::to_json(&self.table)
    }

    /// The description of which it could be made.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let read = py.import("json")?.call_method1("loads", (self.json(),))?;
        Ok(read.cast_into()?)
    }

    /// The table as it lies in a segment.
    fn to_table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let table = schema::encode(&self.table)
            .map_err(|error| raise(py, Fault::SchemaError, error.to_string()))?;
        Ok(PyBytes::new(py, &table))
    }

    /// decode(payload, kind=0): the values of a frame that was written by this schema, by their names.
    ///
    /// A record is a dictionary, a value of an enumeration its name, and what is absent `None`. Raises `SchemaError` for bytes that are no such frame, and says which field is wrong.
    #[pyo3(signature = (payload, kind=0))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        payload: &[u8],
        kind: u16,
    ) -> PyResult<Bound<'py, PyAny>> {
        value::decode(py, self.record(py, kind)?, payload)
    }

    /// encode(values, kind=0): the payload of the frame that says what `values` says; what is left out has its default.
    #[pyo3(signature = (values, kind=0))]
    fn encode<'py>(&self, values: &Bound<'py, PyAny>, kind: u16) -> PyResult<Bound<'py, PyBytes>> {
        value::encode(self.record(values.py(), kind)?, values)
    }

    /// Raises if who expects `reader` cannot read what is sent with this schema.
    fn check_readable_by(&self, py: Python<'_>, reader: &Self) -> PyResult<()> {
        schema::compare(&self.table, &reader.table).map_err(|difference| {
            let tables = difference.tables("writer", "reader");
            let text = format!("{difference}\n{tables}");
            raise(py, Fault::SchemaError, text.trim_end())
        })
    }

    fn __hash__(&self) -> u64 {
        let fingerprint = schema::fingerprint(&self.table);
        let (first, _) = fingerprint.split_at(8);
        first
            .iter()
            .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }

    fn __repr__(&self) -> String {
        let names = self.table.records.iter().map(|record| &*record.name);
        let names = names.collect::<Vec<_>>().join(", ");
        format!("<ringway.Schema of {names}>")
    }
}

impl Schema {
    fn record(&self, py: Python<'_>, kind: u16) -> PyResult<&Record> {
        let unknown = || raise(py, Fault::SchemaError, format!("kind {kind} is not known"));
        self.table.record(kind).ok_or_else(unknown)
    }
}
