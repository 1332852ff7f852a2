//! What the module contains.

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::buffer::_lent;
use crate::connection::{Connection, Peer, connect};
use crate::direct;
use crate::faults;
use crate::forked;
use crate::glimpse::_glimpse;
use crate::handover::{inherit, listen_on};
use crate::handshake::{_answer_on, _dial, _dial_on, _sockets, Handshake};
use crate::listener::{Listener, listen};
use crate::observe::observe;
use crate::options::_check_options;
use crate::pair::pair;
use crate::pipe::{
    _pipe_dump, _pipe_load, _pipe_poll, RecvBytes, RecvObject, SendBytes, SendObject, SendPieces,
};
use crate::receiver::Receiver;
use crate::records::{keep_batch, recv_records, try_recv_kind};
use crate::redial::{_redial, Redial};
use crate::reservation::Reservation;
use crate::schema::Schema;
use crate::sender::Sender;
use crate::view::View;
use crate::waits;

#[pymodule(gil_used = true)]
fn _ringway(module: &Bound<'_, PyModule>) -> PyResult<()> {
    needs_main(module.py())?;
    needs_lock(module.py())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    faults::add(module)?;
    module.add_class::<Connection>()?;
    module.add_class::<Listener>()?;
    module.add_class::<Peer>()?;
    module.add_class::<Receiver>()?;
    module.add_class::<Reservation>()?;
    module.add_class::<Schema>()?;
    module.add_class::<Sender>()?;
    module.add_class::<View>()?;
    direct::install_all(module.py())?;
    waits::know_of_forks();
    forked::keep_places(module)?;
    for function in [
        wrap_pyfunction!(connect, module)?,
        wrap_pyfunction!(inherit, module)?,
        wrap_pyfunction!(listen, module)?,
        wrap_pyfunction!(listen_on, module)?,
        wrap_pyfunction!(observe, module)?,
        wrap_pyfunction!(pair, module)?,
    ] {
        function.setattr("__module__", "ringway")?;
        module.add_function(function)?;
    }
    private(module)
}

/// Refuses an interpreter within the interpreter: what this module keeps (its exceptions, what it has imported) would be shared by both, and who takes the lock again behind a wait may take that of the wrong one.
fn needs_main(py: Python<'_>) -> PyResult<()> {
    // SAFETY: attached, and so there is an interpreter; both only read.
    let number = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match number {
        0 => Ok(()),
        -1 => Err(PyErr::fetch(py)),
        _ => Err(PyImportError::new_err(
            "ringway works in the main interpreter only, and this is a subinterpreter: use threads or processes (under mod_wsgi: WSGIApplicationGroup %{GLOBAL})",
        )),
    }
}

/// Refuses an interpreter that runs without its lock: halves take turns under it (`turn.rs`). One that could do without it, for which this was built from its sources, takes it for good for a module that says that it needs it, unless it was told not to (`PYTHON_GIL=0`).
fn needs_lock(py: Python<'_>) -> PyResult<()> {
    let Some(asks) = PyModule::import(py, "sys")?.getattr_opt("_is_gil_enabled")? else {
        return Ok(());
    };
    if asks.call0()?.extract()? {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "ringway needs the interpreter's lock: run Python without PYTHON_GIL=0",
    ))
}

/// What the Python modules of this package use, and nobody else: it is not in `__all__`.
fn private(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    #[cfg(ringway_planted = "panics")]
    module.setattr("_panic", wrap_pyfunction!(crate::panics::_panic, module)?)?;
    module.setattr("_Handshake", py.get_type::<Handshake>())?;
    module.setattr("_Redial", py.get_type::<Redial>())?;
    for function in [
        wrap_pyfunction!(_answer_on, module)?,
        wrap_pyfunction!(_check_options, module)?,
        wrap_pyfunction!(_dial, module)?,
        wrap_pyfunction!(_dial_on, module)?,
        wrap_pyfunction!(_glimpse, module)?,
        wrap_pyfunction!(_lent, module)?,
        wrap_pyfunction!(keep_batch, module)?,
        wrap_pyfunction!(_pipe_dump, module)?,
        wrap_pyfunction!(_pipe_load, module)?,
        wrap_pyfunction!(_pipe_poll, module)?,
        wrap_pyfunction!(recv_records, module)?,
        wrap_pyfunction!(_redial, module)?,
        wrap_pyfunction!(_sockets, module)?,
        wrap_pyfunction!(try_recv_kind, module)?,
    ] {
        let name = function.getattr("__name__")?.extract::<String>()?;
        module.setattr(name.as_str(), function)?;
    }
    for (name, function) in [
        ("_pipe_recv_bytes", direct::function::<RecvBytes>(module)?),
        ("_pipe_recv_object", direct::function::<RecvObject>(module)?),
        ("_pipe_send_bytes", direct::function::<SendBytes>(module)?),
        ("_pipe_send_object", direct::function::<SendObject>(module)?),
        ("_pipe_send_pieces", direct::function::<SendPieces>(module)?),
    ] {
        module.setattr(name, function)?;
    }
    Ok(())
}
