//! How calls of a pipe fail: as those of `multiprocessing` do.

use pyo3::exceptions::{PyBrokenPipeError, PyEOFError, PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use crate::errors::{Fault, builtin, is, made};
use crate::half::State;

/// What a send raises for an error of its half.
#[cold]
pub(super) fn not_sent(py: Python<'_>, error: PyErr, state: &State) -> PyErr {
    let gone = || builtin::<PyBrokenPipeError>(py, (libc::EPIPE, "Broken pipe"));
    let interrupted = "a send of this end was interrupted by what sends with it: a signal handler, or a finalizer";
    told(py, error, state, gone, interrupted)
}

/// What a receive raises. `amid`: a part of a message has come.
#[cold]
pub(super) fn not_received(py: Python<'_>, error: PyErr, state: &State, amid: bool) -> PyErr {
    let gone = || {
        if amid {
            builtin::<PyOSError>(py, ("got end of file during message",))
        } else {
            builtin::<PyEOFError>(py, ())
        }
    };
    let interrupted = "a receive of this end was interrupted by what receives with it: a signal handler, or a finalizer";
    told(py, error, state, gone, interrupted)
}

fn told(
    py: Python<'_>,
    error: PyErr,
    state: &State,
    gone: impl FnOnce() -> PyErr,
    interrupted: &'static str,
) -> PyErr {
    let error = made(py, error);
    let one_of = |faults: &[Fault]| faults.iter().any(|fault| is(py, &error, *fault));
    let told = if one_of(&[Fault::Closed, Fault::PeerClosed, Fault::PeerDied]) {
        if state.closing.is_set() {
            builtin::<PyOSError>(py, ("handle is closed",))
        } else {
            gone()
        }
    } else if one_of(&[Fault::Forked]) {
        let text = "this end belongs to the process that forked this one, which has used it: fork before an end is used";
        builtin::<PyOSError>(py, (libc::EPERM, text))
    } else if one_of(&[Fault::InUse]) {
        builtin::<PyRuntimeError>(py, (interrupted,))
    } else {
        return error;
    };
    told.set_cause(py, Some(error));
    told
}

/// What came is no message of a pipe.
#[cold]
pub(super) fn bad_message() -> PyErr {
    PyOSError::new_err("bad message: is the other end a Ringway pipe of this version?")
}
