//! The half that receives.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ringway::{Arm, Frame, RecvError, Wait};

use crate::buffer::{Lent, fresh};
use crate::deadline::after;
use crate::errors::{Fault, not_received, raise};
use crate::half::{Entered, Half};
use crate::waits;

/// Buffers of this many bytes on are filled while the frame is still written, without the interpreter's lock.
const LARGE: usize = 64 << 10;

/// What a receiving half is made of.
#[derive(Debug)]
pub(crate) struct Inbox {
    receiver: ringway::Receiver,
    /// The kind of the frame that was received last.
    kind: u16,
}

/// The half of a connection that receives. Threads that call it at the same time take turns.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Receiver {
    half: Half<Inbox>,
    capacity: usize,
}

impl Receiver {
    pub(crate) fn new(mut receiver: ringway::Receiver, wait: Wait) -> Self {
        receiver.heed_signals(true);
        let interrupter = receiver.interrupter();
        let descriptor = receiver.as_fd().as_raw_fd();
        let capacity = receiver.capacity();
        let inbox = Inbox { receiver, kind: 0 };
        Self {
            half: Half::new(inbox, wait, interrupter, descriptor),
            capacity,
        }
    }

    /// Waits for a frame, as long as `timeout` says, and has it received.
    #[inline]
    fn receive<R>(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        mut take: impl FnMut(&mut Inbox) -> Result<PyResult<R>, RecvError>,
    ) -> PyResult<R> {
        let mut inbox = self.half.enter(py, timeout)?;
        loop {
            if !inbox.receiver.sees_frame_within(waits::HELD) {
                self.wait(py, &mut inbox, timeout)?;
            }
            match take(&mut inbox) {
                Ok(received) => return received,
                // What was there had expired.
                Err(RecvError::Empty) => {}
                Err(error) => return Err(not_received(py, error)),
            }
        }
    }

    #[cold]
    fn wait(
        &self,
        py: Python<'_>,
        inbox: &mut Entered<'_, Inbox>,
        timeout: Option<f64>,
    ) -> PyResult<()> {
        let deadline = after(timeout)?;
        waits::for_frame(py, &mut inbox.receiver, &self.half.state, deadline)
    }

    #[inline]
    pub(crate) fn recv<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.receive(py, timeout, |inbox| {
            let frame = inbox.receiver.try_recv()?;
            let kind = frame.kind();
            let bytes = bytes_of(py, &frame);
            drop(frame);
            inbox.kind = kind;
            Ok(bytes)
        })
    }

    pub(crate) fn recv_kind<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<(u16, Bound<'py, PyBytes>)> {
        self.receive(py, timeout, |inbox| {
            let frame = inbox.receiver.try_recv()?;
            let kind = frame.kind();
            let bytes = bytes_of(py, &frame);
            drop(frame);
            inbox.kind = kind;
            Ok(bytes.map(|bytes| (kind, bytes)))
        })
    }

    pub(crate) fn try_recv<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut inbox = self.half.enter(py, None)?;
        let frame = match inbox.receiver.try_recv() {
            Ok(frame) => frame,
            Err(RecvError::Empty) => return Ok(None),
            Err(error) => return Err(not_received(py, error)),
        };
        let kind = frame.kind();
        let bytes = bytes_of(py, &frame);
        drop(frame);
        inbox.kind = kind;
        bytes.map(Some)
    }

    pub(crate) fn recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        let mut buffer = Lent::to_write(buffer)?;
        let buffer = buffer.bytes_mut();
        if buffer.len() >= LARGE {
            let mut inbox = self.half.enter(py, timeout)?;
            let deadline = after(timeout)?;
            return waits::into_large(py, &mut inbox.receiver, buffer, &self.half.state, deadline);
        }
        self.receive(py, timeout, |inbox| {
            let peeked = inbox.receiver.peek_frame()?;
            let len = inbox.receiver.try_recv_into(buffer)?;
            inbox.kind = peeked.map_or(0, |(_, kind)| kind);
            Ok(Ok(len))
        })
    }

    pub(crate) fn recv_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receive(py, timeout, |inbox| {
            let Inbox { receiver, kind } = inbox;
            let mut frames = receiver.try_recv_batch(max)?;
            let list = PyList::empty(py);
            while let Some(frame) = frames.next_frame() {
                *kind = frame.kind();
                if let Err(error) = bytes_of(py, &frame).and_then(|bytes| list.append(bytes)) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(list))
        })
    }

    pub(crate) fn recv_batch_kinds<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.receive(py, timeout, |inbox| {
            let Inbox { receiver, kind } = inbox;
            let mut frames = receiver.try_recv_batch(max)?;
            let list = PyList::empty(py);
            while let Some(frame) = frames.next_frame() {
                *kind = frame.kind();
                let bytes = bytes_of(py, &frame);
                if let Err(error) = bytes.and_then(|bytes| list.append((*kind, bytes))) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(list))
        })
    }

    /// The next frame of an iteration; `None` behind the last one.
    pub(crate) fn next_or_end<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut ended = false;
        let received = self.receive(py, None, |inbox| match inbox.receiver.try_recv() {
            Ok(frame) => {
                let bytes = bytes_of(py, &frame);
                Ok(bytes.map(Some))
            }
            Err(RecvError::Closed) => {
                ended = true;
                Ok(Ok(None))
            }
            Err(error) => Err(error),
        });
        match received {
            Err(error)
                if !ended
                    && error.is_instance(py, &closed_type(py))
                    && !self.half.state.closing.is_set() =>
            {
                Ok(None)
            }
            other => other,
        }
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
}

fn closed_type(py: Python<'_>) -> Bound<'_, PyAny> {
    raise(py, Fault::Closed, "").get_type(py).into_any()
}

#[inline]
fn bytes_of<'py>(py: Python<'py>, frame: &Frame<'_>) -> PyResult<Bound<'py, PyBytes>> {
    fresh(py, frame.len(), |target| frame.copy_to(target))
}

#[pymethods]
impl Receiver {
    /// recv(timeout=None): the next frame as bytes, waiting for it.
    #[pyo3(name = "recv", signature = (timeout=None))]
    fn py_recv<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyBytes>> {
        self.recv(py, timeout)
    }

    #[pyo3(name = "recv_kind", signature = (timeout=None))]
    fn py_recv_kind<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<(u16, Bound<'py, PyBytes>)> {
        self.recv_kind(py, timeout)
    }

    #[pyo3(name = "try_recv")]
    fn py_try_recv<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.try_recv(py)
    }

    #[pyo3(name = "recv_into", signature = (buffer, timeout=None))]
    fn py_recv_into(
        &self,
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        timeout: Option<f64>,
    ) -> PyResult<usize> {
        self.recv_into(py, buffer, timeout)
    }

    #[pyo3(name = "recv_batch", signature = (max=64, timeout=None))]
    fn py_recv_batch<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.recv_batch(py, max, timeout)
    }

    #[pyo3(name = "recv_batch_kinds", signature = (max=64, timeout=None))]
    fn py_recv_batch_kinds<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.recv_batch_kinds(py, max, timeout)
    }

    /// arm(): True: nothing is there, and the descriptor becomes readable when something may be; False: call again now.
    fn arm(&self, py: Python<'_>) -> PyResult<bool> {
        let mut inbox = self.half.enter(py, None)?;
        match inbox.receiver.arm() {
            Ok(arm) => Ok(arm == Arm::Armed),
            Err(error) => Err(not_received(py, error)),
        }
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
    fn last_kind(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.half.enter(py, None)?.kind)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        self.next_or_end(py)
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
        format!("<ringway.Receiver {state}, capacity {}>", self.capacity)
    }
}
