//! What a listener says of itself to whoever asks, before anybody connects.

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use ringway::{Address, Config, Error, Observed};

use crate::errors::not_made;
use crate::options;
use crate::schema::Schema;
use crate::waits;

/// The schemas of a listener: what it sends to its clients, and what it expects of them. `None` for bytes without a meaning.
///
/// Asks the process that listens, and does not become its peer. Takes the options of `connect`.
///
/// >>> import ringway, threading
/// >>> with ringway.listen("observed", sends=ringway.Schema({"records": []})) as listener:
/// ...     service = threading.Thread(target=lambda: list(listener))  # who is in accept answers
/// ...     service.start()
/// ...     ringway.observe("observed")
/// (<ringway.Schema of >, None)
/// >>> service.join()
#[pyfunction]
#[pyo3(signature = (name, **options))]
pub(crate) fn observe(
    py: Python<'_>,
    name: &Bound<'_, PyAny>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<(Option<Schema>, Option<Schema>)> {
    let address = options::address(name)?;
    let (config, _) = options::config("observe", options)?;
    let observed = asked(py, &config, &address)?;
    let observed = observed.map_err(|error| not_made(py, &error))?;
    let (sends, expects) = (observed.sends(), observed.expects());
    Ok((sends.map(Schema::from), expects.map(Schema::from)))
}

/// Asks, on a thread of its own, so that signals end the wait here: that one gives up at its deadline then. Where there is none, they are heard behind the answer.
fn asked(py: Python<'_>, config: &Config, address: &Address) -> PyResult<Result<Observed, Error>> {
    let asking = UnixStream::pair().and_then(|(heard, done)| {
        heard.set_nonblocking(true)?;
        let (config, address) = (config.clone(), address.clone());
        let asks = thread::Builder::new().spawn(move || {
            let observed = config.observe(address);
            drop(done);
            observed
        })?;
        Ok((heard, asks))
    });
    let Ok((mut heard, asks)) = asking else {
        let observed = py.detach(|| config.observe(address.clone()));
        py.check_signals()?;
        return Ok(observed);
    };
    // It hangs up when it is done.
    while heard
        .read(&mut [0])
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    {
        waits::for_readable(py, heard.as_raw_fd(), None);
        py.check_signals()?;
    }
    Ok(py.detach(|| asks.join().expect("asking does not panic")))
}
