//! The runtime of tokio that we are in, if we are in one, and it has what we need.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::tokio::net::UnixDatagram;
use ::tokio::runtime::Handle;
use ::tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind};

/// Does what needs a runtime with I/O or time. It does not tell beforehand whether it has them, but panics: that is caught, though the panic's hook has had its say.
pub(super) fn within<T>(what: impl FnOnce() -> io::Result<T>) -> Result<T, Lack> {
    if Handle::try_current().is_err() {
        return Err(Lack::Runtime);
    }
    // Nothing is left half done: the runtime looks for its driver first.
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(done) => done.map_err(Lack::Other),
        Err(_) => Err(Lack::Driver),
    }
}

/// Whether there is a runtime here, with I/O and time, for what would panic without.
pub(super) fn probe(doing: &str) -> Result<(), Error> {
    let made = within(|| {
        drop(sleep_until(Instant::now()));
        UnixDatagram::unbound().map(drop)
    });
    made.map_err(|lack| lack.error(doing))
}

/// Why the runtime did not do it.
#[derive(Debug)]
pub(super) enum Lack {
    /// There is none.
    Runtime,
    /// It was built without I/O or without time.
    Driver,
    /// It could not.
    Other(io::Error),
}

impl Lack {
    /// As an error of whoever was `doing` it.
    pub(super) fn error(self, doing: &str) -> Error {
        let lacks = |what| Error::new(ErrorKind::Runtime, format!("{doing}: {what}"));
        match self {
            Self::Runtime => lacks(
                "there is no runtime of tokio here; call this in a task, in `block_on`, or behind `Handle::enter`",
            ),
            Self::Driver => lacks("the runtime has no I/O or no timer; build it with `enable_all`"),
            Self::Other(error) => Error::io(doing, error),
        }
    }
}
