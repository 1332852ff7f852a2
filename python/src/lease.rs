//! Memory of a ring that is lent to Python for a while, as buffers: what a reservation and a view have in common.
//!
//! Whatever is made of it (a `memoryview`, an array of NumPy, a tensor) exports the buffer, and is counted. The memory is given back when its owner says so and nothing is exported; if the owner
//! has said so before, then with the last export.

use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use crate::errors::{Fault, raise};
use crate::forked;

/// The memory.
#[derive(Debug)]
pub(crate) struct Lease {
    /// An address, 0 for no bytes: whoever dereferences it holds an export.
    place: usize,
    len: usize,
    writable: bool,
    /// The process that has it mapped.
    process: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    exports: usize,
    /// The memoryview of a `with`.
    memory: Option<Py<PyAny>>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Lent.
    Open,
    /// To be given back with the last export.
    Ending,
    /// Given back.
    Over,
}

impl Lease {
    pub(crate) fn new(place: *const u8, len: usize, writable: bool) -> Self {
        let place = if len == 0 {
            0
        } else {
            place.expose_provenance()
        };
        forked::lend(place, len);
        Self {
            place,
            len,
            writable,
            process: std::process::id(),
            state: Mutex::new(State {
                stage: Stage::Open,
                exports: 0,
                memory: None,
            }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn address(&self) -> usize {
        self.place
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state().stage
    }

    /// # Errors
    /// The memory is given back, or is that of the parent.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        if std::process::id() != self.process {
            return Err(refusal(py));
        }
        if self.state().stage != Stage::Open {
            return Err(PyBufferError::new_err(
                "the memory was given back to the ring: it was committed, aborted or released",
            ));
        }
        Ok(())
    }

    /// Counts an export. Its end is told by [`unexport`](Self::unexport).
    pub(crate) fn export(&self, py: Python<'_>) -> PyResult<()> {
        self.check(py)?;
        self.state().exports += 1;
        Ok(())
    }

    /// One is over. Returns whether the memory is to be given back now.
    pub(crate) fn unexport(&self) -> bool {
        let mut state = self.state();
        state.exports = state.exports.saturating_sub(1);
        let ends = state.stage == Stage::Ending && state.exports == 0;
        if ends {
            state.stage = Stage::Over;
        }
        ends
    }

    /// Fills in a buffer of `owner`'s.
    ///
    /// # Safety
    /// `view` is what the interpreter passed to `bf_getbuffer`.
    pub(crate) unsafe fn fill(
        &self,
        owner: &Bound<'_, PyAny>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let py = owner.py();
        self.export(py)?;
        // The address of nothing is never read from; it must only not be null.
        let place = if self.len == 0 { 1 } else { self.place };
        let place = std::ptr::with_exposed_provenance_mut::<c_void>(place);
        let len = ffi::Py_ssize_t::try_from(self.len)?;
        let constant = c_int::from(!self.writable);
        // SAFETY: `view` is the interpreter's to be filled in; the memory stays mapped while an export is counted.
        let result =
            unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), place, len, constant, flags) };
        if result != 0 {
            self.unexport();
            return Err(PyErr::fetch(py));
        }
        Ok(())
    }

    /// The memoryview of a `with`.
    pub(crate) fn enter<'py>(&self, owner: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        self.check(py)?;
        if self.state().memory.is_some() {
            return Err(raise(py, Fault::InUse, "it was entered already"));
        }
        let memory = PyMemoryView::from(owner)?.into_any();
        self.state().memory = Some(memory.clone().unbind());
        Ok(memory)
    }

    /// Releases the memoryview of a `with`, if there is one.
    ///
    /// # Errors
    /// Something else was made of it that lives.
    pub(crate) fn leave(&self, py: Python<'_>) -> PyResult<()> {
        let memory = self
            .state()
            .memory
            .as_ref()
            .map(|memory| memory.clone_ref(py));
        if let Some(memory) = memory {
            memory.call_method0(py, intern!(py, "release"))?;
            self.state().memory = None;
        }
        Ok(())
    }

    /// The owner gives it back. Returns whether it did so now: it may have done it before.
    ///
    /// # Errors
    /// Something is exported.
    pub(crate) fn end(&self, py: Python<'_>) -> PyResult<bool> {
        if std::process::id() != self.process {
            return Err(refusal(py));
        }
        self.leave(py)?;
        let mut state = self.state();
        // One that ends with the last export is left to that.
        if state.stage != Stage::Open {
            return Ok(false);
        }
        if state.exports > 0 && cfg!(not(ringway_planted = "unpinned")) {
            return Err(PyBufferError::new_err(format!(
                "{} buffers made of it are in use (a memoryview, an array, a tensor): release or delete them first",
                state.exports
            )));
        }
        state.stage = Stage::Over;
        Ok(true)
    }

    /// The owner gives it back, with the last export. Returns whether it is to be given back now.
    pub(crate) fn end_sometime(&self, py: Python<'_>) -> bool {
        if self.leave(py).is_err() {
            // What was made of it lives, and keeps it.
            self.clear();
        }
        let mut state = self.state();
        if state.stage != Stage::Open {
            return false;
        }
        state.stage = if state.exports > 0 {
            Stage::Ending
        } else {
            Stage::Over
        };
        state.stage == Stage::Over
    }

    /// For the collector.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.state.try_lock() {
            Ok(state) => state
                .memory
                .as_ref()
                .map_or(Ok(()), |memory| visit.call(memory)),
            Err(_) => Ok(()),
        }
    }

    /// Lets go of the memoryview of a `with`. For the collector too.
    pub(crate) fn clear(&self) {
        let memory = self.state().memory.take();
        drop(memory);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        forked::give_back(self.place, self.len);
    }
}

fn refusal(py: Python<'_>) -> PyErr {
    let text = "the memory belongs to the process that forked this one; connect again here";
    raise(py, Fault::Forked, text)
}
