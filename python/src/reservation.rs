//! Space in the ring that Python fills in place.

use std::ffi::c_int;

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::lease::{Lease, Stage};
use crate::sender::Sender;

/// Space for one frame, as a writable buffer: it is sent by `commit`, or by the end of a `with` block that raises nothing.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Reservation {
    sender: Py<Sender>,
    lease: Lease,
}

impl Reservation {
    pub(crate) fn new(sender: Py<Sender>, place: *const u8, len: usize) -> Self {
        Self {
            sender,
            lease: Lease::new(place, len, true),
        }
    }

    fn finish(&self, py: Python<'_>, commit: Option<usize>) -> PyResult<()> {
        self.sender.get().finish(py, commit)
    }
}

#[pymethods]
impl Reservation {
    /// commit(size=None): sends the first `size` bytes; all of them by default.
    #[pyo3(signature = (size=None))]
    fn commit(&self, py: Python<'_>, size: Option<usize>) -> PyResult<()> {
        let len = self.lease.len();
        let size = size.unwrap_or(len);
        if size > len {
            let text = format!("commit of {size} bytes, {len} were reserved");
            return Err(PyValueError::new_err(text));
        }
        if !self.lease.end(py)? {
            return Err(PyValueError::new_err(
                "the reservation was committed or aborted before",
            ));
        }
        self.finish(py, Some(size))
    }

    /// Gives the space back, and sends nothing.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        if self.lease.end(py)? {
            self.finish(py, None)?;
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
        if kind.is_none() && self.lease.stage() == Stage::Open {
            return self.commit(py, None);
        }
        if self.lease.end_sometime(py) {
            self.finish(py, None)?;
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
        if self.lease.unexport() {
            // There is nobody to raise to; and an abort fails in nothing but a closed half, where it is done.
            let _ = self.finish(py, None);
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.sender)?;
        self.lease.traverse(&visit)
    }

    fn __clear__(&self) {
        self.lease.clear();
    }

    fn __repr__(&self) -> String {
        let state = match self.lease.stage() {
            Stage::Open => "open",
            Stage::Ending => "aborted, in use",
            Stage::Over => "over",
        };
        format!("<ringway.Reservation {state}, {} bytes>", self.lease.len())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Nothing is exported: an export holds a reference.
        let _ = Python::try_attach(|py| {
            if self.lease.stage() != Stage::Over {
                let _ = self.finish(py, None);
            }
        });
    }
}
