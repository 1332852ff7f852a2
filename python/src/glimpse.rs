//! A short look for what comes soon, for event loops: while it lasts, nothing else of the loop runs.

use std::time::Duration;

use pyo3::prelude::*;

use crate::receiver::Receiver;

/// Whether there is a frame, or an end to tell, looking for it for at most so many microseconds where looking again pays at all, with the interpreter's lock held.
#[pyfunction]
pub(crate) fn _glimpse(
    py: Python<'_>,
    receiver: PyRef<'_, Receiver>,
    microseconds: u64,
) -> PyResult<bool> {
    receiver.glimpse(py, Duration::from_micros(microseconds))
}
