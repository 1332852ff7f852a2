//! What `ringway.multiprocessing` asks of the halves besides what everybody may: sends that hear of a goodbye at once, and messages of many frames.

use std::ffi::c_char;
use std::time::Instant;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ringway::{RecvError, SendError};

use crate::buffer::Payload;
use crate::deadline::after;
use crate::errors::{Fault, is, not_received, not_sent};
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::waits;

/// So many bytes are copied with the interpreter's lock held before others have their turn: some hundred microseconds.
const HELD_BYTES: usize = 1 << 20;

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
    let len = payload.bytes().len();
    // No slice is kept while the interpreter's lock is given up.
    send(py, sender.get(), len, check, |sender| {
        sender.try_send_kind(kind, payload.bytes())
    })
}

/// The same of a frame that is in several pieces: each is copied once.
#[pyfunction]
pub(crate) fn _pipe_gather(
    py: Python<'_>,
    sender: &Bound<'_, Sender>,
    buffers: &Bound<'_, PyList>,
    kind: u16,
    check: bool,
) -> PyResult<()> {
    let buffers: Vec<Bound<'_, PyAny>> = buffers.iter().collect();
    let pieces: Vec<Payload<'_, '_>> = buffers.iter().map(Payload::of).collect::<PyResult<_>>()?;
    let len = pieces.iter().map(|piece| piece.bytes().len()).sum();
    send(py, sender.get(), len, check, |sender| {
        let mut reservation = sender.try_reserve(len)?;
        let mut at = 0;
        for piece in &pieces {
            let bytes = piece.bytes();
            reservation[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        }
        reservation.kind(kind).commit();
        Ok(())
    })
}

/// Sends a message of several frames: its head, and the parts in frames of at most `chunk` bytes. What is small goes together with what is behind it, so that a receiver that sleeps is woken once for both.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "one caller, in this package")]
pub(crate) fn _pipe_long(
    py: Python<'_>,
    sender: &Bound<'_, Sender>,
    head: &Bound<'_, PyBytes>,
    kind: u16,
    parts: &Bound<'_, PyList>,
    data: u16,
    chunk: usize,
    check: bool,
) -> PyResult<()> {
    let parts: Vec<Bound<'_, PyAny>> = parts.iter().collect();
    let parts: Vec<Payload<'_, '_>> = parts.iter().map(Payload::of).collect::<PyResult<_>>()?;
    let head = head.as_bytes();
    let sizes: Vec<usize> = parts.iter().map(|part| part.bytes().len()).collect();
    // Where the next frame begins: the head is at `None`, and then a part and a place in it. No slice is kept while the interpreter's lock is given up.
    let mut next: Option<(usize, usize)> = None;
    let half = &sender.get().half;
    let mut outbox = half.enter(py, None)?;
    let sender = outbox.sender(py)?;
    if check {
        sender.check().map_err(|error| not_sent(py, error))?;
    }
    sender
        .wait_for_room(0, Some(Instant::now()))
        .or_else(|error| match error {
            SendError::TimedOut | SendError::Interrupted => Ok(()),
            error => Err(not_sent(py, error)),
        })?;
    let mut since = 0;
    loop {
        let mut group = sender.group();
        let (mut sent, mut refused, mut done) = (0, None, false);
        while sent < chunk {
            let (kind, bytes, behind) = match next {
                None => (kind, head, (0, 0)),
                Some((part, _)) if part == parts.len() => {
                    done = true;
                    break;
                }
                Some((part, at)) if at == sizes[part] => {
                    next = Some((part + 1, 0));
                    continue;
                }
                Some((part, at)) => {
                    let end = sizes[part].min(at + chunk);
                    (data, &parts[part].bytes()[at..end], (part, end))
                }
            };
            if let Err(error) = group.try_send_kind(kind, bytes) {
                refused = Some((error, bytes.len()));
                break;
            }
            sent += bytes.len();
            next = Some(behind);
        }
        drop(group);
        match refused {
            _ if done => return Ok(()),
            Some((SendError::Full, len)) => {
                waits::for_room(py, sender, len, &half.state, None)?;
                since = 0;
            }
            Some((error, _)) => return Err(not_sent(py, error)),
            None => since += sent,
        }
        if since >= HELD_BYTES {
            // Other threads have their turn, and signals.
            py.detach(|| ());
            py.check_signals()?;
            since = 0;
        }
    }
}

#[inline]
fn send(
    py: Python<'_>,
    sender: &Sender,
    len: usize,
    check: bool,
    mut attempt: impl FnMut(&mut ringway::Sender) -> Result<(), SendError>,
) -> PyResult<()> {
    let half = &sender.half;
    let mut outbox = half.enter(py, None)?;
    let sender = outbox.sender(py)?;
    // The fault that is planted below would be made up for by it.
    if check && !cfg!(ringway_planted = "unheard_goodbye") {
        sender.check().map_err(|error| not_sent(py, error))?;
    }
    loop {
        // Where there is room this looks into shared memory only, for the goodbye too.
        #[cfg(not(ringway_planted = "unheard_goodbye"))]
        let room = sender.wait_for_room(len, Some(Instant::now()));
        #[cfg(ringway_planted = "unheard_goodbye")]
        let room = Ok(());
        match room {
            Ok(()) => match attempt(sender) {
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
            if is(py, &error, Fault::TimedOut) {
                Ok(false)
            } else if is(py, &error, Fault::Error) && !half.state.closing.is_set() {
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
            let left = self.len - self.filled;
            let mut len = 0;
            let fits = |bytes: usize, of: u16| {
                len = bytes;
                of == kind && 0 < bytes && bytes <= left
            };
            let frame = match receiver.try_recv_if(fits) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(false),
                Err(RecvError::Empty) => continue,
                Err(error) => return Err(not_received(py, error)),
            };
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
