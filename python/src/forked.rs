//! What a forked child finds where memory was lent when it was forked: nothing of a ring is mapped there, and what it maps next could lie there. A memoryview from before would write into that.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Addresses and lengths of what is lent now. It is locked with the interpreter's lock held, so no other thread has it when this one forks.
static LENT: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Memory is lent from now on.
pub(crate) fn lend(place: usize, len: usize) {
    if len > 0 {
        let mut lent = LENT.lock().unwrap_or_else(PoisonError::into_inner);
        lent.push((place, len));
    }
}

/// Nobody has it any more.
pub(crate) fn give_back(place: usize, len: usize) {
    let mut lent = LENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = lent.iter().position(|one| *one == (place, len)) {
        lent.swap_remove(at);
    }
}

/// Has every child that is forked by Python keep those places. Called once.
pub(crate) fn keep_places(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(_keep_places, module)?)?;
    py.import("os")?
        .call_method("register_at_fork", (), Some(&hooks))?;
    Ok(())
}

/// Maps zeros of the child's own where the parent has what it lends.
#[pyfunction]
fn _keep_places() {
    let Ok(lent) = LENT.try_lock() else { return };
    // SAFETY: it takes no memory.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).unwrap_or(4096);
    for (place, len) in lent.iter() {
        let from = place - place % page;
        let until = (place + len).next_multiple_of(page);
        if !map(from, until - from) {
            // Two may share a page.
            for one in (from..until).step_by(page) {
                map(one, page);
            }
        }
    }
}

/// Maps so many bytes, if nothing is mapped there.
fn map(from: usize, len: usize) -> bool {
    let place = std::ptr::with_exposed_provenance_mut(from);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: it maps where nothing is, or fails.
    let mapped = unsafe { libc::mmap(place, len, access, flags, -1, 0) };
    if mapped != libc::MAP_FAILED && mapped != place {
        // A kernel that does not know the flag takes the address for a hint.
        // SAFETY: it was mapped just now, and nobody knows of it.
        unsafe { libc::munmap(mapped, len) };
    }
    mapped == place
}
