//! Exceptions: one for each way in which a call can fail.

use pyo3::PyTypeInfo;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use ringway::{ErrorKind, RecvError, SendError};

pub(crate) use crate::faults::Fault;
use crate::faults::types;
use crate::options;

/// An exception of that class.
///
/// It is made here. `PyO3` would make it when somebody asks about it, attached anew, which panics while the interpreter ends.
#[cold]
pub(crate) fn exception<'py>(class: &Bound<'py, PyAny>, arguments: impl PyCallArgs<'py>) -> PyErr {
    class
        .call1(arguments)
        .map_or_else(|error| error, PyErr::from_value)
}

/// The same of one that `PyO3` is to make, for the same reason.
#[cold]
pub(crate) fn made(py: Python<'_>, error: PyErr) -> PyErr {
    error.restore(py);
    PyErr::fetch(py)
}

/// An exception of a class of Python's own.
#[cold]
pub(crate) fn builtin<'py, T: PyTypeInfo>(
    py: Python<'py>,
    arguments: impl PyCallArgs<'py>,
) -> PyErr {
    exception(&py.get_type::<T>(), arguments)
}

/// An exception with a text.
#[cold]
pub(crate) fn raise(py: Python<'_>, fault: Fault, text: impl Into<String>) -> PyErr {
    match types(py) {
        Ok(types) => exception(types[fault as usize].bind(py), (in_python(&text.into()),)),
        Err(error) => error,
    }
}

/// The library's words for Python, where `Config::lanes` is the option `lanes`.
fn in_python(text: &str) -> String {
    let mut parts = text.split("Config::");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        if !options::NAMES.contains(&name) {
            told.push_str("Config::");
            told.push_str(part);
            continue;
        }
        let is_quoted = told.ends_with('`');
        let quote = if is_quoted { "" } else { "`" };
        told.push_str(if is_quoted { "" } else { "the option " });
        let (value, rest) = match rest.strip_prefix("(true)") {
            Some(rest) => ("=True", rest),
            None => ("", rest),
        };
        told.push_str(&[quote, name, value, quote, rest].concat());
    }
    told
}

/// The same, with numbers as attributes.
#[cold]
pub(crate) fn raise_with(
    py: Python<'_>,
    fault: Fault,
    text: String,
    numbers: &[(&str, usize)],
) -> PyErr {
    let error = raise(py, fault, text);
    for (name, number) in numbers {
        if let Err(error) = error.value(py).setattr(*name, number) {
            return error;
        }
    }
    error
}

/// Why a frame was not sent.
#[cold]
pub(crate) fn not_sent(py: Python<'_>, error: SendError) -> PyErr {
    let text = error.to_string();
    let fault = match error {
        SendError::Full => Fault::Full,
        SendError::TimedOut => Fault::TimedOut,
        SendError::Expired => Fault::Expired,
        SendError::QueueTooLong => Fault::QueueTooLong,
        SendError::Clock => Fault::Clock,
        SendError::TooLarge { len, max } => {
            return raise_with(py, Fault::TooLarge, text, &[("len", len), ("max", max)]);
        }
        SendError::Alignment { .. } => Fault::Alignment,
        SendError::Priority { .. } => Fault::Priority,
        SendError::Closed => Fault::Closed,
        SendError::PeerClosed => Fault::PeerClosed,
        SendError::PeerDied => Fault::PeerDied,
        SendError::Protocol(_) => Fault::Protocol,
        SendError::Forked => Fault::Forked,
        _ => Fault::Error,
    };
    raise(py, fault, text)
}

/// Why no frame was received.
#[cold]
pub(crate) fn not_received(py: Python<'_>, error: RecvError) -> PyErr {
    let text = error.to_string();
    let fault = match error {
        RecvError::Empty => Fault::Empty,
        RecvError::TimedOut => Fault::TimedOut,
        RecvError::Truncated { len } => {
            return raise_with(py, Fault::Truncated, text, &[("len", len)]);
        }
        RecvError::Closed => Fault::Closed,
        RecvError::PeerClosed => Fault::PeerClosed,
        RecvError::PeerDied => Fault::PeerDied,
        RecvError::Protocol(_) => Fault::Protocol,
        RecvError::Forked => Fault::Forked,
        _ => Fault::Error,
    };
    raise(py, fault, text)
}

/// Why a listener or a connection was not made.
#[cold]
pub(crate) fn not_made(py: Python<'_>, error: &ringway::Error) -> PyErr {
    let fault = match error.kind() {
        ErrorKind::InvalidConfig => Fault::InvalidConfig,
        ErrorKind::InvalidName => Fault::InvalidName,
        ErrorKind::NameTooLong => Fault::NameTooLong,
        ErrorKind::NameTaken => Fault::NameTaken,
        ErrorKind::NotFound => Fault::NotFound,
        ErrorKind::Directory => Fault::Directory,
        ErrorKind::UidRefused => Fault::UidRefused,
        ErrorKind::Version => Fault::Version,
        ErrorKind::Feature => Fault::Feature,
        ErrorKind::Malformed => Fault::Malformed,
        ErrorKind::Descriptors => Fault::Descriptors,
        ErrorKind::Segment => Fault::Segment,
        ErrorKind::Geometry => Fault::Geometry,
        ErrorKind::Resources => Fault::Resources,
        ErrorKind::Schema => Fault::SchemaError,
        ErrorKind::Busy => Fault::Busy,
        ErrorKind::TimedOut => Fault::TimedOut,
        ErrorKind::PeerGone => Fault::PeerGone,
        ErrorKind::Forked => Fault::Forked,
        ErrorKind::PeerLives => Fault::PeerLives,
        ErrorKind::Unread => Fault::Unread,
        ErrorKind::Clock => Fault::Clock,
        _ => Fault::Io,
    };
    raise(py, fault, error.to_string())
}

/// Whether it is of that class.
pub(crate) fn is(py: Python<'_>, error: &PyErr, fault: Fault) -> bool {
    types(py).is_ok_and(|types| error.is_instance(py, types[fault as usize].bind(py)))
}
