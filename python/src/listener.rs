//! Listening.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, RawFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::connection::Connection;
use crate::deadline::{Deadline, after};
use crate::errors::{Fault, is, not_made, raise};
use crate::flag::Flag;
use crate::options::{self, Manner};
use crate::turn::{Held, Turn};
use crate::waits;

/// Accepts connections under a name or path. As a context manager it closes itself; iterated over, it yields clients until it is closed, or was handed over and none is left.
#[pyclass(frozen, module = "ringway")]
#[derive(Debug)]
pub(crate) struct Listener {
    turn: Turn<Option<ringway::Listener>>,
    closing: Flag,
    path: PathBuf,
    descriptor: RawFd,
    manner: Manner,
    refused: Mutex<Refused>,
}

/// Clients that were refused, as of the last step: told too while another thread waits for the next one. It is locked with the interpreter's lock held.
#[derive(Debug, Default)]
struct Refused {
    count: u64,
    last: Option<String>,
}

/// Listens under a name, of letters, digits, `.`, `_` and `-`, in the private directory of this user; or at a path: whatever contains a slash, or is a `pathlib.Path`.
///
/// Options by keyword, as for `connect`, and `max_capacity` (the largest ring that a client may ask for), `allow_uid`, `limits` (a dictionary of `connections`, `bytes` and `handshakes`).
///
/// >>> import ringway, threading
/// >>> with ringway.listen("example") as listener:
/// ...     client = threading.Thread(target=lambda: ringway.connect("example").send(b"hello"))
/// ...     client.start()
/// ...     with listener.accept(timeout=10) as connection:
/// ...         connection.recv()
/// b'hello'
/// >>> client.join()
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn listen(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Listener> {
    let address = options::address(name)?;
    let (config, manner) = options::config("listen", options)?;
    let listener = py
        .detach(|| config.bind(address))
        .map_err(|error| not_made(py, &error))?;
    Ok(Listener::new(listener, manner))
}

#[cold]
fn closed_here(py: Python<'_>) -> PyErr {
    raise(py, Fault::Closed, "the listener was closed here")
}

impl Listener {
    pub(crate) fn new(listener: ringway::Listener, manner: Manner) -> Self {
        Self {
            closing: Flag::default(),
            path: listener.path().to_owned(),
            descriptor: listener.as_fd().as_raw_fd(),
            turn: Turn::new(Some(listener)),
            manner,
            refused: Mutex::default(),
        }
    }

    /// Has `change` done with the listener, by no thread that waits for a client.
    ///
    /// # Errors
    /// `InUse`: a thread does; `Closed`; and what that says.
    fn change<T: Send>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&mut ringway::Listener) -> Result<T, ringway::Error> + Send,
    ) -> PyResult<T> {
        let Some(mut held) = self.turn.take_at_once(py)? else {
            let text = "another thread waits for a client of this listener: that one hands it over, between two calls";
            return Err(raise(py, Fault::InUse, text));
        };
        self.check_open(py)?;
        let Some(listener) = held.as_mut() else {
            return Err(closed_here(py));
        };
        let changed = py.detach(|| change(listener));
        self.leave(py, held);
        changed.map_err(|error| not_made(py, &error))
    }

    fn enter(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
    ) -> PyResult<Held<'_, Option<ringway::Listener>>> {
        let held = self.turn.take(py, || after(timeout))?;
        self.check_open(py)?;
        Ok(held)
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.is_set() {
            return Err(closed_here(py));
        }
        Ok(())
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(
        &self,
        py: Python<'_>,
        held: &mut Held<'_, Option<ringway::Listener>>,
    ) -> PyResult<Option<Connection>> {
        let Some(listener) = held.as_mut() else {
            return Ok(None);
        };
        let found = py.detach(|| listener.try_accept());
        if listener.refusals() != self.refused().count {
            *self.refused() = Refused {
                count: listener.refusals(),
                last: listener.last_refusal().map(ToString::to_string),
            };
        }
        match found.map_err(|error| not_made(py, &error))? {
            Some(connection) => Connection::new(py, connection, self.manner).map(Some),
            None if listener.is_idle() => Err(raise(
                py,
                Fault::Busy,
                "the listener was handed over, and no handshake of its own is left: close it, or take it back",
            )),
            None => Ok(None),
        }
    }

    fn accept_until(
        &self,
        py: Python<'_>,
        held: &mut Held<'_, Option<ringway::Listener>>,
        deadline: Deadline,
    ) -> PyResult<Connection> {
        loop {
            if let Some(connection) = self.step(py, held)? {
                return Ok(connection);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(raise(
                    py,
                    Fault::TimedOut,
                    "no client connected before the deadline",
                ));
            }
            self.sleep(py, deadline);
            py.check_signals()?;
            if self.closing.is_set() {
                return Err(closed_here(py));
            }
        }
    }

    /// The end of a call. It ends a listener that was closed meanwhile by this thread, in a signal's handler, or by one that did not wait.
    fn leave(&self, py: Python<'_>, mut held: Held<'_, Option<ringway::Listener>>) {
        if self.closing.is_set() {
            let listener = held.take();
            py.detach(|| drop(listener));
        }
    }

    /// Sleeps until the descriptor is readable, a signal comes, or it is time to look around.
    fn sleep(&self, py: Python<'_>, deadline: Deadline) {
        waits::for_readable(py, self.descriptor, deadline);
    }
}

#[pymethods]
impl Listener {
    /// Waits for the next client, at most `timeout` seconds. Clients that are refused are counted (`refusals`) and passed over. Handshakes go on only inside of this and `try_accept`.
    ///
    /// Raises `TimedOut`; `Busy`: it was handed over, and no handshake of its own is left.
    #[pyo3(signature = (timeout=None))]
    fn accept(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Connection> {
        let deadline = after(timeout)?;
        let mut held = self.enter(py, timeout)?;
        let outcome = self.accept_until(py, &mut held, deadline);
        self.leave(py, held);
        outcome
    }

    /// A client that has completed its handshake, if there is one, else `None`; also where another thread waits for the next one. Never waits. Raises `Busy` as `accept` does.
    fn try_accept(&self, py: Python<'_>) -> PyResult<Option<Connection>> {
        let Some(mut held) = self.turn.take_at_once(py)? else {
            return Ok(None);
        };
        self.check_open(py)?;
        let outcome = self.step(py, &mut held);
        self.leave(py, held);
        outcome
    }

    /// Hands the listening socket over: takes no more clients, and returns a descriptor with which another process takes them (`listen_on`), sent to it in whatever way: as one of `pass_fds` of `subprocess.Popen`, or
    /// by `socket.send_fds`. It is the caller's to close. Clients that connect meanwhile wait in the socket's queue: nobody is refused.
    ///
    /// Handshakes that have begun are this process's: `accept` goes on with them, and raises `Busy` when none is left; an iteration ends then. Closing this listener turns nobody away then, and leaves the name.
    ///
    /// Raises `InUse`: another thread waits for a client, or this one does, in a signal's handler; whoever accepts hands over by itself, between two calls. Where a handler raises in the moment in which this returns, the descriptor is lost: `take_back` is there.
    ///
    /// >>> import os, ringway, threading
    /// >>> old = ringway.listen("passed-on")
    /// >>> descriptor = old.hand_over()
    /// >>> client = threading.Thread(target=lambda: ringway.connect("passed-on").send(b"hello"))
    /// >>> client.start()
    /// >>> len([connection for connection in old])
    /// 0
    /// >>> old.close()
    /// >>> with ringway.listen_on(descriptor) as new:  # mostly in another process
    /// ...     new.accept(timeout=10).recv()
    /// b'hello'
    /// >>> client.join()
    /// >>> os.remove(new.path)
    fn hand_over(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.change(py, ringway::Listener::hand_over)
            .map(IntoRawFd::into_raw_fd)
    }

    /// Takes clients again after it was handed over: the other process did not come up. While both take clients, each client is let in by one of them.
    ///
    /// Raises `NotFound`: the name is gone, or leads elsewhere: close this listener, and listen anew; `InUse` as `hand_over` does.
    fn take_back(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, ringway::Listener::take_back)
    }

    /// The socket's path.
    #[getter]
    fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// The descriptor that an event loop polls for readability: then `try_accept()` has something to do, though perhaps no client yet.
    fn fileno(&self) -> PyResult<RawFd> {
        if self.closing.is_set() {
            return Err(PyValueError::new_err("a closed listener has no descriptor"));
        }
        Ok(self.descriptor)
    }

    /// Frees the name. Connections live on. An `accept` of another thread ends with `Closed`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.closing.set() {
            return Ok(());
        }
        // The call that this thread has interrupted ends by it, and frees the name when it leaves.
        if self.turn.is_mine() {
            return Ok(());
        }
        match self.turn.take_to_end(py) {
            Ok(Some(mut held)) => {
                let listener = held.take();
                py.detach(|| drop(listener));
            }
            Ok(None) => {}
            // A thread of the parent was in a call when it forked: the listener is the parent's.
            Err(_) if self.turn.is_forked() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether it was closed here.
    #[getter]
    fn closed(&self) -> bool {
        self.closing.is_set()
    }

    /// Clients whose handshake was refused or failed.
    #[getter]
    fn refusals(&self, py: Python<'_>) -> PyResult<u64> {
        self.check_open(py)?;
        Ok(self.refused().count)
    }

    /// Why the last one was refused, for people.
    #[getter]
    fn last_refusal(&self, py: Python<'_>) -> PyResult<Option<String>> {
        self.check_open(py)?;
        Ok(self.refused().last.clone())
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Connection>> {
        match self.accept(py, None) {
            Err(error) if self.closing.is_set() && is(py, &error, Fault::Closed) => Ok(None),
            Err(error) if is(py, &error, Fault::Busy) => Ok(None),
            other => other.map(Some),
        }
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
        let state = if self.closing.is_set() {
            "closed"
        } else {
            "listening"
        };
        format!("<ringway.Listener {state} at {}>", self.path.display())
    }
}
