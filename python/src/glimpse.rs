//! What the modules of the package ask of a receiver besides what everybody may: a short look, for event loops, and one part of a message that is longer than a frame.

use std::time::Duration;

use pyo3::prelude::*;

use crate::buffer::Lent;
use crate::receiver::Receiver;

/// Whether there is a frame, looking for it for at most so many microseconds where looking again pays at all. The interpreter's lock is held meanwhile, and nothing else of a loop runs.
#[pyfunction]
pub(crate) fn _glimpse(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    microseconds: u64,
) -> PyResult<bool> {
    let mut inbox = receiver.get().half.enter(py, None)?;
    let receiver = inbox.receiver(py)?;
    Ok(receiver.sees_frame_within(Duration::from_micros(microseconds)))
}

/// Receives the next frame into `buffer` if it is of `kind` and fits; returns how many bytes it has. Otherwise it stays, and the answer is -1. Waits for it as long as `timeout` says.
#[pyfunction]
#[pyo3(signature = (receiver, buffer, kind, timeout=None))]
pub(crate) fn _receive_part(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    buffer: &Bound<'_, PyAny>,
    kind: u16,
    timeout: Option<f64>,
) -> PyResult<isize> {
    // Only the place: no slice is made of it while the interpreter's lock is given up for the wait.
    let mut lent = Lent::to_write(buffer)?;
    receiver.get().receive(py, timeout, |receiver, last| {
        if let Some((len, found)) = receiver.peek_frame()? {
            if found != kind || len > lent.place().1 {
                return Ok(Ok(-1));
            }
        }
        let len = receiver.try_recv_into(lent.bytes_mut())?;
        *last = kind;
        Ok(isize::try_from(len).map_err(Into::into))
    })
}
