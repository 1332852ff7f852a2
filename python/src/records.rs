//! Messages of one size and kind, received one behind the other: what becomes an array of records.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::buffer::{Lent, room_for};
use crate::errors::{Fault, raise, raise_with};
use crate::receiver::Receiver;

impl Receiver {
    pub(crate) fn recv_batch_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        size: usize,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut buffer = Lent::to_write(buffer)?;
        room_for(buffer.len(), size)?;
        self.receive(py, timeout, |receiver, last| {
            if receiver.priorities() > 1 {
                let text = "records are received into a buffer from connections of one lane only";
                return Ok(Err(raise(py, Fault::Feature, text)));
            }
            let mut count = 0;
            for place in buffer.bytes_mut().chunks_exact_mut(size) {
                let mut next = 0;
                let fits = |len: usize, _: u16| {
                    next = len;
                    len == size
                };
                match receiver.try_recv_if(fits) {
                    Ok(Some(frame)) => {
                        last.is(&frame);
                        frame.copy_to(place);
                    }
                    Ok(None) if count == 0 => return Ok(Err(wrong_size(py, next, size))),
                    Err(error) if count == 0 => return Err(error),
                    // The next call says it too.
                    Ok(None) | Err(_) => break,
                }
                count += 1;
            }
            Ok(Ok(count))
        })
    }

    /// How many records of `size` bytes were copied into the buffer: those of the frames of `kind` that are there, each of which has one or more. None at all: the next
    /// frame is another, has more than the buffer has room for, or the lanes are several; it stays unread, to be taken by another call.
    fn recv_records(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        size: usize,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut buffer = Lent::to_write(buffer)?;
        room_for(buffer.len(), size)?;
        self.receive(py, timeout, |receiver, last| {
            let buffer = buffer.bytes_mut();
            if receiver.priorities() > 1 {
                return Ok(Ok(0));
            }
            let mut filled = 0;
            while filled < buffer.len() {
                if kind == 0 {
                    let taken = receiver.take_records(&mut buffer[filled..], size);
                    filled += taken * size;
                    if filled == buffer.len() {
                        break;
                    }
                }
                let rest = &mut buffer[filled..];
                let fits = |len: usize, of: u16| {
                    // One of no bytes is no batch, and would bring nobody nearer to an end.
                    of == kind && len > 0 && len <= rest.len() && len % size == 0
                };
                match receiver.try_recv_if(fits) {
                    Ok(Some(frame)) => filled += frame.copy_to(rest),
                    Err(error) if filled == 0 => return Err(error),
                    // The next call says it too.
                    Ok(None) | Err(_) => return Ok(Ok(filled / size)),
                }
                last.has(kind, 0);
            }
            last.has(kind, 0);
            Ok(Ok(filled / size))
        })
    }
}

#[cold]
fn wrong_size(py: Python<'_>, len: usize, size: usize) -> PyErr {
    let text = format!(
        "the next frame has {len} bytes, and a record {size}; it stays unread: receive it by another call"
    );
    raise_with(py, Fault::WrongSize, text, &[("len", len)])
}

/// `(kind, bytes)` of the next frame if there is one now, else `None`, for `ringway.typed`.
#[pyfunction]
pub(crate) fn try_recv_kind<'py>(
    py: Python<'py>,
    receiver: &Bound<'py, Receiver>,
) -> PyResult<Option<(u16, Bound<'py, PyBytes>)>> {
    receiver.get().next_at_once(py)
}

/// Receives frames, at most `max` of them, each as `(kind, bytes)` at the end of `kept`, for `ringway.typed`: what is raised behind the call, by a signal's handler, loses none.
#[pyfunction]
pub(crate) fn keep_batch<'py>(
    py: Python<'py>,
    receiver: &Bound<'py, Receiver>,
    kept: &Bound<'py, PyList>,
    max: usize,
    timeout: Option<f64>,
) -> PyResult<()> {
    let append = |list: &Bound<'py, PyList>, kind: u16, bytes| list.append((kind, bytes));
    let batch = (receiver.get()).receive_batch(py, max, timeout, append)?;
    // All at once, and now: long frames are copied without the interpreter's lock, and other threads take what is kept.
    kept.set_slice(kept.len(), kept.len(), &batch)
}

/// Receives records into a buffer, and tells how many at the end of `told`, for `ringway.typed`.
#[pyfunction]
pub(crate) fn recv_records(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    buffer: &Bound<'_, PyAny>,
    record_size: usize,
    kind: u16,
    timeout: Option<f64>,
    told: &Bound<'_, PyList>,
) -> PyResult<()> {
    let receiver = receiver.get();
    // Without memory for its place in the list nothing is received.
    told.append(0)?;
    match receiver.recv_records(py, buffer, record_size, kind, timeout) {
        Ok(count) => told.set_item(told.len() - 1, count),
        Err(error) => Err(error),
    }
}
