//! A received frame in place, for programs that trust the peer.

use std::ffi::c_int;

use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::dlpack;
use crate::lease::{Lease, Stage};
use crate::receiver::Receiver;

/// A received frame where it lies, as a buffer that cannot be written to. It is released by `release`, or by the end of a `with` block.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct View {
    receiver: Py<Receiver>,
    lease: Lease,
    /// The number that the sender gave the frame.
    #[pyo3(get)]
    kind: u16,
}

impl View {
    pub(crate) fn new(receiver: Py<Receiver>, place: *const u8, len: usize, kind: u16) -> Self {
        Self {
            receiver,
            lease: Lease::new(place, len, false),
            kind,
        }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// An export is over.
    pub(crate) fn unexport(&self, py: Python<'_>) {
        if self.lease.unexport() {
            self.leave(py);
        }
    }

    /// Lets go of the frame without being finished with it: an exception has left its block, or nobody has released it.
    fn leave(&self, py: Python<'_>) {
        self.receiver.get().finish(py, false);
    }
}

#[pymethods]
impl View {
    /// Gives the frame's space back to its sender.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        if self.lease.end(py)? {
            self.receiver.get().finish(py, true);
        }
        Ok(())
    }

    fn __len__(&self) -> usize {
        self.lease.len()
    }

    fn __enter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().lease.enter(slf.as_any())
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if kind.is_none() {
            return self.release(py);
        }
        // What the block raised is what its caller hears of.
        if self.lease.end_sometime(py) {
            self.leave(py);
        }
        Ok(())
    }

    /// # Safety
    /// The interpreter calls it, with a buffer to be filled in.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the interpreter passed it.
        unsafe { slf.get().lease.fill(slf.as_any(), view, flags) }
    }

    /// # Safety
    /// The interpreter calls it, with a buffer that was filled in.
    unsafe fn __releasebuffer__(&self, py: Python<'_>, _view: *mut ffi::Py_buffer) {
        self.unexport(py);
    }

    /// The frame as a tensor of bytes, for `from_dlpack`.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__<'py>(
        slf: &Bound<'py, Self>,
        stream: Option<&Bound<'py, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Memory of the host has no streams.
        let _ = stream;
        dlpack::capsule(slf, max_version, dl_device, copy)
    }

    #[expect(clippy::unused_self, reason = "a method, by its contract")]
    fn __dlpack_device__(&self) -> (i32, i32) {
        dlpack::DEVICE
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.receiver)?;
        self.lease.traverse(&visit)
    }

    fn __clear__(&self) {
        self.lease.clear();
    }

    fn __repr__(&self) -> String {
        let state = match self.lease.stage() {
            Stage::Open => "open",
            Stage::Ending => "released, in use",
            Stage::Over => "released",
        };
        format!("<ringway.View {state}, {} bytes>", self.lease.len())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // Nothing is exported: an export holds a reference.
        let _ = Python::try_attach(|py| {
            if self.lease.stage() != Stage::Over {
                self.leave(py);
            }
        });
    }
}
