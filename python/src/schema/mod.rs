//! Schemas: what the bytes of frames mean, as Python has them.

mod read;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use ringway::schema::{self, Schema as Table};

use crate::errors::{Fault, raise};

/// What one direction of a connection carries.
#[pyclass(frozen, eq, from_py_object, module = "ringway")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) table: Table,
}

#[pymethods]
impl Schema {
    #[new]
    fn new(description: &Bound<'_, PyAny>) -> PyResult<Self> {
        let table = read::schema(description)?;
        Ok(Self { table })
    }

    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::new(&py.import("json")?.call_method1("loads", (text,))?)
    }

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

    fn json(&self) -> String {
        schema::to_json(&self.table)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let read = py.import("json")?.call_method1("loads", (self.json(),))?;
        Ok(read.cast_into()?)
    }

    fn to_table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let table = schema::encode(&self.table)
            .map_err(|error| raise(py, Fault::SchemaError, error.to_string()))?;
        Ok(PyBytes::new(py, &table))
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
