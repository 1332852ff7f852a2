//! The half that sends.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use pyo3::prelude::*;
use ringway::{Arm, SendError, Wait};

use crate::buffer::Payload;
use crate::deadline::after;
use crate::errors::not_sent;
use crate::half::{Entered, Half};
use crate::waits;

/// What a sending half is made of.
#[derive(Debug)]
pub(crate) struct Outbox {
    sender: ringway::Sender,
}

/// The half of a connection that sends. Threads that call it at the same time take turns.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Sender {
    half: Half<Outbox>,
    capacity: usize,
    max_payload: usize,
}

impl Sender {
    pub(crate) fn new(mut sender: ringway::Sender, wait: Wait) -> Self {
        sender.heed_signals(true);
        let interrupter = sender.interrupter();
        let descriptor = sender.as_fd().as_raw_fd();
        let (capacity, max_payload) = (sender.capacity(), sender.max_payload());
        Self {
            half: Half::new(Outbox { sender }, wait, interrupter, descriptor),
            capacity,
            max_payload,
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
        loop {
            match outbox.sender.try_send_kind(kind, payload.bytes()) {
                Ok(()) => return Ok(()),
                Err(SendError::Full) => {
                    self.wait(py, &mut outbox, payload.bytes().len(), timeout)?
                }
                Err(error) => return Err(not_sent(py, error)),
            }
        }
    }

    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        outbox: &mut Entered<'_, Outbox>,
        len: usize,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let deadline = after(timeout)?;
        waits::for_room(py, &mut outbox.sender, len, &self.half.state, deadline)
    }

    pub(crate) fn try_send(
        &self,
        py: Python<'_>,
        payload: &Bound<'_, PyAny>,
        kind: u16,
    ) -> PyResult<bool> {
        let payload = Payload::of(payload)?;
        let mut outbox = self.half.enter(py, None)?;
        match outbox.sender.try_send_kind(kind, payload.bytes()) {
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
        let mut outbox = self.half.enter(py, timeout)?;
        let deadline = after(timeout)?;
        let mut sent = 0;
        while sent < payloads.len() {
            let mut group = outbox.sender.group();
            let refusal = loop {
                let Some(payload) = payloads.get(sent) else {
                    break None;
                };
                match group.try_send_kind(kind, payload.bytes()) {
                    Ok(()) => sent += 1,
                    Err(error) => break Some(error),
                }
            };
            drop(group);
            match refusal {
                None => break,
                Some(SendError::Full) => {
                    let len = payloads[sent].bytes().len();
                    let waited =
                        waits::for_room(py, &mut outbox.sender, len, &self.half.state, deadline);
                    waited.map_err(|error| partly(py, error, sent))?;
                }
                Some(error) => return Err(partly(py, not_sent(py, error), sent)),
            }
        }
        Ok(sent)
    }

    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.half.close(py, |held| drop(held.take()))
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

    #[pyo3(name = "try_send", signature = (buffer, kind=0))]
    fn py_try_send(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>, kind: u16) -> PyResult<bool> {
        self.try_send(py, buffer, kind)
    }

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

    /// arm(size=0): True: there is no room, and the descriptor becomes readable when there may be; False: call again now.
    #[pyo3(signature = (size=0))]
    fn arm(&self, py: Python<'_>, size: usize) -> PyResult<bool> {
        let mut outbox = self.half.enter(py, None)?;
        match outbox.sender.arm(size) {
            Ok(arm) => Ok(arm == Arm::Armed),
            Err(error) => Err(not_sent(py, error)),
        }
    }

    /// Looks whether the peer's receiver is still there, and raises how the connection ended if it is not.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let mut outbox = self.half.enter(py, None)?;
        outbox.sender.check().map_err(|error| not_sent(py, error))
    }

    fn fileno(&self) -> PyResult<RawFd> {
        self.half.descriptor()
    }

    #[pyo3(name = "close")]
    fn py_close(&self, py: Python<'_>) -> PyResult<()> {
        self.close(py)
    }

    #[getter]
    fn closed(&self) -> bool {
        self.is_closed()
    }

    #[getter]
    fn capacity(&self) -> usize {
        self.capacity
    }

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
