//! What a listener says of itself to whoever asks, before anybody connects.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::not_made;
use crate::options;
use crate::schema::Schema;

/// The schemas of a listener: what it sends to its clients, and what it expects of them. `None` for bytes without a meaning.
///
/// Asks the process that listens, and does not become its peer. Takes the options of `connect`.
///
/// >>> import ringway, threading
/// >>> with ringway.listen("observed", sends=ringway.Schema({"records": []})) as listener:
/// ...     service = threading.Thread(target=lambda: list(listener))  # who is in accept answers
/// ...     service.start()
/// ...     ringway.observe("observed")
/// (<ringway.Schema of >, None)
/// >>> service.join()
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn observe(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(Option<Schema>, Option<Schema>)> {
    let address = options::address(name)?;
    let (config, _) = options::config("observe", options)?;
    let observed = py.detach(|| config.observe(address));
    py.check_signals()?;
    let observed = observed.map_err(|error| not_made(py, &error))?;
    let (sends, expects) = (observed.sends(), observed.expects());
    Ok((sends.map(Schema::from), expects.map(Schema::from)))
}
