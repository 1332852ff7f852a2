//! Connections that are made step by step, in whichever loop.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use ringway::{Config, HandshakeStep};

use crate::connection::Connection;
use crate::errors::{Fault, not_made, raise};
use crate::options::{self, Manner};
use crate::turn::Turn;
use crate::waits;

/// Behind a step that found the listener's queue full.
const AGAIN: Duration = Duration::from_millis(1);

/// A connection that is being made. No step waits for the peer.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Handshake {
    turn: Turn<Option<ringway::Handshake>>,
    manner: Manner,
}

/// Begins to connect to a listener.
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn _dial(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Handshake> {
    let address = options::address(name)?;
    let (config, manner) = options::config("connect", options)?;
    made(py, config.dial(address), manner)
}

/// Begins to connect over one of two sockets; the descriptor is the handshake's from now on, whatever comes of it.
#[pyfunction]
#[pyo3(signature = (fd, **options))]
pub(crate) fn _dial_on(
    py: Python<'_>,
    fd: RawFd,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Handshake> {
    on(py, "dial", fd, options, Config::dial_on)
}

/// Begins to answer over the other one.
#[pyfunction]
#[pyo3(signature = (fd, **options))]
pub(crate) fn _answer_on(
    py: Python<'_>,
    fd: RawFd,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Handshake> {
    on(py, "answer", fd, options, Config::answer_on)
}

/// Two sockets to connect over, as descriptors.
#[pyfunction]
pub(crate) fn _sockets(py: Python<'_>) -> PyResult<(RawFd, RawFd)> {
    let (one, other) = ringway::Handshake::sockets().map_err(|error| not_made(py, &error))?;
    Ok((one.into_raw_fd(), other.into_raw_fd()))
}

fn on(
    py: Python<'_>,
    call: &str,
    fd: RawFd,
    options: Option<&Bound<'_, PyDict>>,
    begin: impl FnOnce(&Config, OwnedFd) -> Result<ringway::Handshake, ringway::Error>,
) -> PyResult<Handshake> {
    if fd < 0 {
        return Err(PyValueError::new_err("a descriptor is not negative"));
    }
    // SAFETY: the caller gives the descriptor away, as `os.close` takes it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let (config, manner) = options::config(call, options)?;
    made(py, begin(&config, socket), manner)
}

fn made(
    py: Python<'_>,
    begun: Result<ringway::Handshake, ringway::Error>,
    manner: Manner,
) -> PyResult<Handshake> {
    let handshake = begun.map_err(|error| not_made(py, &error))?;
    let turn = Turn::new(Some(handshake));
    Ok(Handshake { turn, manner })
}

/// Goes through all steps. Signals have their turn meanwhile, and end it with what their handlers raise.
pub(crate) fn finish(
    py: Python<'_>,
    mut handshake: ringway::Handshake,
) -> PyResult<ringway::Connection> {
    loop {
        let stepped = py.detach(|| handshake.step());
        match stepped.map_err(|error| not_made(py, &error))? {
            HandshakeStep::Done(connection) => return Ok(connection),
            HandshakeStep::Later => py.detach(|| thread::sleep(AGAIN)),
            HandshakeStep::Waits => {
                let line = handshake.line();
                let descriptor = line.map_or(-1, |line| line.as_raw_fd());
                waits::for_readable(py, descriptor, handshake.deadline());
            }
        }
        py.check_signals()?;
    }
}

#[pymethods]
impl Handshake {
    /// `step()`: the connection; or None: wait for the descriptor; or False: step again in a millisecond.
    fn step(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let mut held = self.turn.take(py, || Ok(None))?;
        let Some(handshake) = held.as_mut() else {
            return Err(raise(py, Fault::Closed, "the handshake was given up here"));
        };
        let stepped = py.detach(|| handshake.step());
        match stepped.map_err(|error| not_made(py, &error))? {
            HandshakeStep::Later => Ok(false.into_pyobject(py)?.to_owned().into_any().unbind()),
            HandshakeStep::Waits => Ok(py.None()),
            HandshakeStep::Done(connection) => {
                *held = None;
                let connection = Connection::new(py, connection, self.manner)?;
                Ok(Py::new(py, connection)?.into_any())
            }
        }
    }

    /// Seconds until it has to be made; None: any number.
    #[getter]
    fn left(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let held = self.turn.take(py, || Ok(None))?;
        let deadline = held.as_ref().and_then(ringway::Handshake::deadline);
        let now = Instant::now();
        Ok(deadline.map(|deadline| deadline.saturating_duration_since(now).as_secs_f64()))
    }

    /// The descriptor; -1 where there is none (any more).
    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        let held = self.turn.take(py, || Ok(None))?;
        let line = held.as_ref().and_then(ringway::Handshake::line);
        Ok(line.map_or(-1, |line| line.as_fd().as_raw_fd()))
    }

    /// Gives it up.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handshake = self.turn.take(py, || Ok(None))?.take();
        py.detach(|| drop(handshake));
        Ok(())
    }
}
