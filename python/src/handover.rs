//! Listening sockets that change hands: from a server to its successor, and by systemd's protocol.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{Fault, not_made, raise};
use crate::listener::Listener;
use crate::options;

/// Listens on a socket that listens already, by its descriptor: what `hand_over` of another process's listener has returned, or a Unix socket of type `SOCK_SEQPACKET` with a path that somebody else has made. Options as for
/// `listen`. The descriptor is the listener's from then on, unless this raises (or a signal's handler does, in the moment in which it returns: then it is closed).
///
/// The name is the other process's: closing the listener leaves it there, and whoever listens under it next takes its place; at once it may still be taken (`NameTaken`), since the socket is closed in the background.
///
/// Raises `Descriptors`: it is no such socket.
#[pyfunction]
#[pyo3(signature = (descriptor, **options))]
pub(crate) fn listen_on(
    py: Python<'_>,
    descriptor: RawFd,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Listener> {
    let (config, manner) = options::config("listen_on", options)?;
    if descriptor < 0 {
        return Err(PyValueError::new_err("a descriptor is not negative"));
    }
    // What is there is looked at by number, which need not lead anywhere: this fails then.
    // SAFETY: a call without memory of ours.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let error = io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EBADF) => error.into(),
            _ => raise(
                py,
                Fault::Resources,
                format!("copying a descriptor: {error}"),
            ),
        });
    }
    // SAFETY: it was made just now, and is nobody's.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let listener = py
        .detach(|| config.listen_on(copy))
        .map_err(|error| not_made(py, &error))?;
    // SAFETY: a call without memory of ours; the caller has given the descriptor away.
    unsafe { libc::close(descriptor) };
    Ok(Listener::new(listener, manner))
}

/// Listens on each socket that whoever started this process has left open for it: a server in Rust before it (`Listener::pass_to`), or systemd by socket activation (`LISTEN_FDS` and `LISTEN_PID`, a unit with
/// `ListenSequentialPacket=`). `path` tells them apart. None where there are none, so that a server listens under the name that it does not find; and none the second time. Options as for `listen`.
///
/// To be called early, before anything else is opened: whoever started this process names the descriptors by number.
///
/// >>> import ringway
/// >>> listeners = ringway.inherit()
/// >>> listener = listeners[0] if listeners else ringway.listen("inherits")
/// >>> listener.close()
#[pyfunction]
#[pyo3(signature = (**options))]
pub(crate) fn inherit(
    py: Python<'_>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Listener>> {
    let (config, manner) = options::config("inherit", options)?;
    // With the interpreter's lock held: it reads the environment, into which other threads of the program write with that.
    let inherited = config.inherit().map_err(|error| not_made(py, &error))?;
    let listener = |listener| Listener::new(listener, manner);
    Ok(inherited.into_iter().map(listener).collect())
}
