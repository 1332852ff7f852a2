//! The half that sends.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use ringway::{Arm, SendError, Wait};

use crate::buffer::{Payload, unlocked};
use crate::deadline::after;
use crate::errors::not_sent;
use crate::half::{Half, closed_here};
use crate::outbox::Outbox;
use crate::reservation::Reservation;
use crate::waits;

/// The half of a connection that sends. Threads that call it at the same time take turns.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) half: Half<Outbox>,
    capacity: usize,
    max_payload: usize,
    /// Of the payloads that are reserved.
    alignment: usize,
}

impl Sender {
    pub(crate) fn new(mut sender: ringway::Sender, wait: Wait, alignment: usize) -> Self {
        sender.heed_signals(true);
        let interrupter = sender.interrupter();
        let descriptor = sender.as_fd().as_raw_fd();
        let (capacity, max_payload) = (sender.capacity(), sender.max_payload());
        Self {
            half: Half::new(Outbox::new(sender), wait, interrupter, descriptor),
            capacity,
            max_payload,
            alignment,
        }
    }

    #[inline]
    pub(crate) fn send(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let payload = Payload::of(payload)?;
        let mut outbox = self.half.enter(py, timeout)?;
        let sender = outbox.sender(py)?;
        loop {
            let sent = if payload.is_long() {
                unlocked(py, || sender.try_send_kind(kind, payload.bytes()))
            } else {
                sender.try_send_kind(kind, payload.bytes())
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => self.wait(py, sender, payload.bytes().len(), timeout)?,
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        sender: &mut ringway::Sender,
        len: usize,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        waits::for_room(py, sender, len, &self.half.state, after(timeout)?)
    }

    pub(crate) fn send_at(
        &self,
        py: Python<'_>,
        priority: usize,
        payload: &Bound<'_, PyAny>,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let payload = Payload::of(payload)?;
        let mut outbox = self.half.enter(py, timeout)?;
        let deadline = after(timeout)?;
        let mut sender = outbox
            .sender(py)?
            .at(priority)
            .map_err(|error| not_sent(py, error))?;
        loop {
            match sender.try_send_kind(kind, payload.bytes()) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    let len = payload.bytes().len();
                    waits::for_room(py, &mut sender, len, &self.half.state, deadline)?;
                }
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    pub(crate) fn try_send(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        kind: u16,
    ) -> PyResult<bool> {
        let payload = Payload::of(payload)?;
        let mut outbox = self.half.enter(py, None)?;
        match outbox.sender(py)?.try_send_kind(kind, payload.bytes()) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => Ok(false),
            Err(error) => Err(not_sent(py, error)),
        }
    }

    pub(crate) fn send_batch(
        &self,
        py: Python<'_>,
        payloads: &Bound<'_, PyAny>,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        // The iterator may run any code, and is asked before the half is taken: what it does with this half is its own turn.
        let payloads: Vec<Bound<'_, PyAny>> = payloads.try_iter()?.collect::<PyResult<_>>()?;
        let payloads: Vec<Payload<'_, '_>> =
            payloads.iter().map(Payload::of).collect::<PyResult<_>>()?;
        self.send_group(py, payloads.iter().map(Payload::bytes), kind, timeout)
    }

    pub(crate) fn send_batch_from(
        &self,
        py: Python<'_>,
        records: &Bound<'_, PyAny>,
        size: usize,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let records = Payload::of(records)?;
        let records = records.bytes();
        if size == 0 || records.len() % size != 0 {
            let text = format!(
                "a buffer of {} bytes is no number of records of {size} bytes",
                records.len()
            );
            return Err(PyValueError::new_err(text));
        }
        self.send_group(py, records.chunks_exact(size), kind, timeout)
    }

    /// Sends frames in groups, as many in each as there is room for.
    fn send_group<'a>(
        &self,
        py: Python<'_>,
        payloads: impl Iterator<Item = &'a [u8]>,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut outbox = self.half.enter(py, timeout)?;
        let sender = outbox.sender(py)?;
        let deadline = after(timeout)?;
        let mut payloads = payloads.peekable();
        let mut sent = 0;
        loop {
            let mut group = sender.group();
            let mut refusal = None;
            while let Some(payload) = payloads.peek() {
                match group.try_send_kind(kind, payload) {
                    Ok(()) => {
                        sent += 1;
                        payloads.next();
                    }
                    Err(error) => {
                        refusal = Some((error, payload.len()));
                        break;
                    }
                }
            }
            group.publish();
            match refusal {
                None => return Ok(sent),
                Some((SendError::Full, len)) => {
                    let waited = waits::for_room(py, sender, len, &self.half.state, deadline);
                    waited.map_err(|error| partly(py, error, sent))?;
                }
                Some((error, _)) => return Err(partly(py, not_sent(py, error), sent)),
            }
        }
    }

    pub(crate) fn reserve(
        slf: &Bound<'_, Self>,
        len: usize,
        kind: u16,
        timeout: Option<f64>,
    ) -> PyResult<Reservation> {
        let (py, sender) = (slf.py(), slf.get());
        let mut outbox = sender.half.enter(py, timeout)?;
        loop {
            outbox.sender(py)?;
            let kept = outbox.keep(|lane| {
                let reservation = lane.try_reserve_aligned(len, sender.alignment)?;
                Ok(reservation.kind(kind))
            });
            match kept {
                Ok((place, len)) => {
                    return Ok(Reservation::new(slf.clone().unbind(), place, len));
                }
                Err(SendError::Full) => {
                    // What lies before an aligned payload takes room too.
                    let room = len.saturating_add(sender.alignment - 8);
                    let room = room.min(sender.max_payload.max(len));
                    sender.wait(py, outbox.sender(py)?, room, timeout)?;
                }
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    /// Ends the open reservation. Of a half that is closed by now, nothing is sent.
    pub(crate) fn finish(&self, py: Python<'_>, commit: Option<usize>) -> PyResult<()> {
        let mut held = self.half.take(py)?;
        let closing = self.half.state.closing.is_set();
        if let Some(outbox) = held.as_mut() {
            outbox.finish(commit.filter(|_| !closing));
        }
        if closing {
            *held = None;
            if commit.is_some() {
                return Err(closed_here(py));
            }
        }
        Ok(())
    }

    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.half.close(py)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.half.state.closing.is_set()
    }

    pub(crate) fn ring_capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn longest(&self) -> usize {
        self.max_payload
    }
}

/// Says with an error how many of a batch were sent before it, as its attribute `sent`.
fn partly(py: Python<'_>, error: PyErr, sent: usize) -> PyErr {
    match error.value(py).setattr("sent", sent) {
        Ok(()) => error,
        Err(other) => other,
    }
}

#[pymethods]
impl Sender {
    /// Sends a copy of `buffer`, waiting for room: as `Connection.send`.
    #[pyo3(name = "send", signature = (buffer, timeout=None, kind=0))]
    fn py_send(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        self.send(py, buffer, kind, timeout)
    }

    /// Sends a copy of `buffer` at a priority: as `Connection.send_at`.
    #[pyo3(name = "send_at", signature = (priority, buffer, timeout=None, kind=0))]
    fn py_send_at(
        &self,
        py: Python<'_>,
        priority: usize,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<()> {
        self.send_at(py, priority, buffer, kind, timeout)
    }

    /// How many priorities there are, from 1 to 4: what was agreed.
    #[getter]
    fn priorities(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.half.enter(py, None)?.sender(py)?.priorities())
    }

    /// Sends a copy of `buffer` if there is room now: as `Connection.try_send`.
    #[pyo3(name = "try_send", signature = (buffer, kind=0))]
    fn py_try_send(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, kind: u16) -> PyResult<bool> {
        self.try_send(py, buffer, kind)
    }

    /// Sends several frames, which become visible in groups: as `Connection.send_batch`.
    #[pyo3(name = "send_batch", signature = (buffers, timeout=None, kind=0))]
    fn py_send_batch(
        &self,
        py: Python<'_>,
        buffers: &Bound<'_, PyAny>,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        self.send_batch(py, buffers, kind, timeout)
    }

    /// Sends a buffer of records, each as a frame: as `Connection.send_batch_from`.
    #[pyo3(name = "send_batch_from", signature = (buffer, record_size, timeout=None, kind=0))]
    fn py_send_batch_from(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        record_size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<usize> {
        self.send_batch_from(py, buffer, record_size, kind, timeout)
    }

    /// Room in the ring, to be filled in place: as `Connection.reserve`.
    #[pyo3(name = "reserve", signature = (size, timeout=None, kind=0))]
    fn py_reserve(
        slf: &Bound<'_, Self>,
        size: usize,
        timeout: Option<f64>,
        kind: u16,
    ) -> PyResult<Reservation> {
        Self::reserve(slf, size, kind, timeout)
    }

    /// Before polling `fileno()` in an event loop, by who wants to send `size` bytes. `True`: there is no room, and the descriptor becomes *readable* when there may be; arm again before the next
    /// poll. `False`: call a method that sends now, and do not poll.
    #[pyo3(signature = (size=0))]
    fn arm(&self, py: Python<'_>, size: usize) -> PyResult<bool> {
        let mut outbox = self.half.enter(py, None)?;
        match outbox.sender(py)?.arm(size) {
            Ok(arm) => Ok(arm == Arm::Armed),
            Err(error) => Err(not_sent(py, error)),
        }
    }

    /// Looks whether the peer's receiver is still there, and raises how the connection ended if it is not. It costs two system calls: while there is room, sending makes none, and so does not hear of a
    /// peer that was killed.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let mut outbox = self.half.enter(py, None)?;
        outbox
            .sender(py)?
            .check()
            .map_err(|error| not_sent(py, error))
    }

    /// The descriptor that an event loop polls for readability, after `arm()` has answered `True`.
    fn fileno(&self) -> PyResult<RawFd> {
        self.half.descriptor()
    }

    /// Closes this half: the peer reads what was sent, and then hears `Closed`. A call of another thread that waits in it ends with `Closed`. A reservation that is open is aborted when it is finished.
    #[pyo3(name = "close")]
    fn py_close(&self, py: Python<'_>) -> PyResult<()> {
        self.close(py)
    }

    /// Whether it was closed here.
    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    /// Bytes in the ring that is sent into.
    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

    /// The longest frame, in bytes.
    #[getter]
    fn max_payload(&self) -> usize {
        self.max_payload
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        let state = if self.is_closed() { "closed" } else { "open" };
        format!("<ringway.Sender {state}, capacity {}>", self.capacity)
    }
}
