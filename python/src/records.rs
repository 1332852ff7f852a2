//! Messages of one size and kind, received one behind the other: what becomes an array of records.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ringway::RecvError;

use crate::buffer::{Lent, room_for};
use crate::errors::{Fault, raise, raise_with};
use crate::last::Last;
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
            let mut next = 0;
            let mut fits = |len: usize, _: u16, _: usize| {
                next = len;
                len == size
            };
            let buffer = buffer.bytes_mut();
            let mut filled = fill(receiver, last, buffer, size, &mut fits)?;
            if filled == 0 {
                return Ok(Err(wrong_size(py, next, size)));
            }
            // A batch ends with half of the ring; where whoever asks for another one is finished with those before, it is the only one.
            while filled + size <= buffer.len() && !self.resumable() {
                match fill(receiver, last, &mut buffer[filled..], size, &mut fits) {
                    // The next call says it too.
                    Ok(0) | Err(_) => break,
                    Ok(more) => filled += more,
                }
            }
            Ok(Ok(filled / size))
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
            // One of no bytes is no batch, and would bring nobody nearer to an end.
            let fits = |len: usize, of: u16, room: usize| {
                of == kind && len > 0 && len <= room && len % size == 0
            };
            if self.resumable() {
                // Whoever asks for another frame is finished with those before: all are of one batch.
                return Ok(Ok(fill(receiver, last, buffer, size, fits)? / size));
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
                match receiver.try_recv_if(|len, of| fits(len, of, rest.len())) {
                    Ok(Some(frame)) => filled += frame.copy_to(rest),
                    Err(error) if filled == 0 => return Err(error),
                    // The next call says it too.
                    Ok(None) | Err(_) => return Ok(Ok(filled / size)),
                }
                last.was(kind, receiver);
            }
            last.was(kind, receiver);
            Ok(Ok(filled / size))
        })
    }
}

/// Copies the frames that are there into the buffer, one behind the other, each of `size` bytes at least, as far as `fits` says so of the length and the kind of the next one and the room that is left.
/// Returns the bytes.
fn fill(
    receiver: &mut ringway::Receiver,
    last: &Last,
    buffer: &mut [u8],
    size: usize,
    mut fits: impl FnMut(usize, u16, usize) -> bool,
) -> Result<usize, RecvError> {
    let mut frames = receiver.try_recv_batch(usize::MAX)?;
    let mut filled = 0;
    // A frame that is asked about is said to have been seen. One that is in doubt is the last, so that what is said of the last one is said of it.
    while filled + size <= buffer.len() && (filled == 0 || !last.is_in_doubt()) {
        let rest = &mut buffer[filled..];
        let Some(frame) = frames.next_frame_if(|len, kind| fits(len, kind, rest.len())) else {
            break;
        };
        last.is(&frame);
        filled += frame.copy_to(rest);
    }
    Ok(filled)
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

/// Receives frames, at most `max` of them, each as `(kind, bytes)` at the end of `kept`, for `ringway.typed`: what is raised behind the call, by a signal's handler, loses none. In the place of the last one is `None` while its
/// bytes are copied: without the interpreter's lock where they are many, and other threads take what is kept.
#[pyfunction]
pub(crate) fn keep_batch<'py>(
    py: Python<'py>,
    receiver: &Bound<'py, Receiver>,
    kept: &Bound<'py, PyList>,
    max: isize,
    timeout: Option<f64>,
) -> PyResult<()> {
    let place = |kind: u16, bytes| {
        let frame = (kind, bytes).into_pyobject(py)?;
        kept.append(py.None())?;
        Ok(frame)
    };
    // Whoever has the turn puts something at the end, and nobody else.
    let whole = |frame| kept.set_item(kept.len() - 1, frame);
    let receiver = receiver.get();
    receiver.receive_each(py, max, timeout, place, whole)
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
