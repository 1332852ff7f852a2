//! A short look for what comes soon, for event loops.

use std::time::Duration;

use pyo3::prelude::*;

use crate::receiver::Receiver;

/// Whether there is a frame, looking for it for at most so many microseconds where looking again pays at all. The interpreter's lock is held meanwhile, and nothing else of a loop runs. None for this thread, while another one is in a call.
#[pyfunction]
pub(crate) fn _glimpse(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    microseconds: u64,
) -> PyResult<bool> {
    let Some(mut inbox) = receiver.get().half.enter_at_once(py)? else {
        return Ok(false);
    };
    let there = inbox.has_message();
    let receiver = inbox.receiver(py)?;
    Ok(there || receiver.sees_frame_within(Duration::from_micros(microseconds)))
}
