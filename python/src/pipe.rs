//! What `ringway.multiprocessing` asks of the halves besides what everybody may: sends that hear of a goodbye at once, and messages of many frames.

use std::ffi::c_char;
use std::time::Instant;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringway::{RecvError, SendError};

use crate::buffer::Payload;
use crate::deadline::after;
use crate::errors::{Fault, not_received, not_sent, raise};
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::waits;

/// Sends a frame, waiting for room, unless the peer is known to be gone. `check`: the kernel is asked, too.
#[pyfunction]
pub(crate) fn _pipe_send(
    py: Python<'_>,
    sender: &Bound<'_, Sender>,
    buffer: &Bound<'_, PyAny>,
    kind: u16,
    check: bool,
) -> PyResult<()> {
    let payload = Payload::of(buffer)?;
    let half = &sender.get().half;
    let mut outbox = half.enter(py, None)?;
    let sender = outbox.sender(py)?;
    if check {
        sender.check().map_err(|error| not_sent(py, error))?;
    }
    loop {
        let len = payload.bytes().len();
        // Where there is room this looks into shared memory only, for the goodbye too.
        match sender.wait_for_room(len, Some(Instant::now())) {
            Ok(()) => match sender.try_send_kind(kind, payload.bytes()) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {}
                Err(error) => return Err(not_sent(py, error)),
            },
            Err(SendError::TimedOut | SendError::Interrupted) => {
                waits::for_room(py, sender, len, &half.state, None)?;
            }
            Err(error) => return Err(not_sent(py, error)),
        }
    }
}

/// Whether there is a frame, or an end to tell; waits for it as long as `timeout` says.
#[pyfunction]
pub(crate) fn _pipe_poll(
    py: Python<'_>,
    receiver: &Bound<'_, Receiver>,
    timeout: Option<f64>,
) -> PyResult<bool> {
    let half = &receiver.get().half;
    let mut inbox = half.enter(py, timeout)?;
    let receiver = inbox.receiver(py)?;
    loop {
        match receiver.wait_for_frame(Some(Instant::now())) {
            Err(RecvError::TimedOut) => break,
            Err(RecvError::Interrupted) => py.check_signals()?,
            Err(RecvError::Forked) => return Err(not_received(py, RecvError::Forked)),
            _ => return Ok(true),
        }
    }
    if timeout == Some(0.0) {
        return Ok(false);
    }
    match waits::for_frame(py, receiver, &half.state, after(timeout)?) {
        Ok(()) => Ok(true),
        Err(error) => {
            // In vain, or a signal's handler has raised something; any other end is told by the call that receives.
            let is = |fault| error.is_instance(py, &raise(py, fault, "").get_type(py));
            if is(Fault::TimedOut) {
                Ok(false)
            } else if is(Fault::Error) && !half.state.closing.is_set() {
                Ok(true)
            } else {
                Err(error)
            }
        }
    }
}

/// Bytes of a message, which come in several frames. Nobody else sees them before all have come.
#[pyclass(module = "ringway")]
#[derive(Debug)]
pub(crate) struct Part {
    object: Option<Py<PyAny>>,
    /// It is a `bytearray`.
    writable: bool,
    len: usize,
    filled: usize,
}

#[pymethods]
impl Part {
    #[new]
    fn new(py: Python<'_>, len: usize, writable: bool) -> PyResult<Self> {
        let size = ffi::Py_ssize_t::try_from(len)?;
        // SAFETY: without a source both make an object of that size, or fail and say why.
        let object = unsafe {
            let made = if writable {
                ffi::PyByteArray_FromStringAndSize(std::ptr::null::<c_char>(), size)
            } else {
                ffi::PyBytes_FromStringAndSize(std::ptr::null(), size)
            };
            Bound::from_owned_ptr_or_err(py, made)?
        };
        Ok(Self {
            object: Some(object.unbind()),
            writable,
            len,
            filled: 0,
        })
    }

    /// fill(receiver, kind): receives frames of that kind until it is full. False: the next frame is another one, which stays. A call that is interrupted is called again.
    fn fill(
        &mut self,
        py: Python<'_>,
        receiver: &Bound<'_, Receiver>,
        kind: u16,
    ) -> PyResult<bool> {
        let Some(object) = &self.object else {
            return Ok(true);
        };
        // SAFETY: the object is of that type, as `new` made it.
        let place = unsafe {
            if self.writable {
                ffi::PyByteArray_AsString(object.as_ptr())
            } else {
                ffi::PyBytes_AsString(object.as_ptr())
            }
        }
        .cast::<u8>();
        let half = &receiver.get().half;
        let mut inbox = half.enter(py, None)?;
        let receiver = inbox.receiver(py)?;
        while self.filled < self.len {
            if !receiver.sees_frame_within(waits::HELD) {
                waits::for_frame(py, receiver, &half.state, None)?;
            }
            let found = receiver.peek_frame();
            let Some((len, found)) = found.map_err(|error| not_received(py, error))? else {
                continue;
            };
            let left = self.len - self.filled;
            if found != kind || len > left || len == 0 {
                return Ok(false);
            }
            let frame = receiver
                .try_recv()
                .map_err(|error| not_received(py, error))?;
            // SAFETY: `filled + len` is at most the length of the object, whose bytes are plain memory that the slice is only written through; nobody else has seen the object, so that it has neither
            // been resized nor shared, and the interpreter's lock is held while the slice lives.
            let target = unsafe { std::slice::from_raw_parts_mut(place.add(self.filled), len) };
            let copied = frame.copy_to(target).min(len);
            // A peer, or a fork, may have left less: nothing of what the allocator had there is told.
            target[copied..].fill(0);
            self.filled += len;
        }
        Ok(true)
    }

    /// The bytes, once it is full.
    fn take(&mut self, py: Python<'_>) -> Option<Py<PyAny>> {
        if self.filled < self.len {
            return None;
        }
        let none = || PyBytes::new(py, b"").into_any().unbind();
        Some(self.object.take().unwrap_or_else(none))
    }
}
