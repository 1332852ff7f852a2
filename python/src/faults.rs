//! The classes of exceptions, with the names of the Rust library.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

/// A class of exceptions. The order is that of [`CLASSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error,
    WouldBlock,
    Full,
    Empty,
    TimedOut,
    Closed,
    PeerClosed,
    PeerDied,
    Protocol,
    Forked,
    TooLarge,
    Truncated,
    WrongSize,
    Alignment,
    Priority,
    Expired,
    QueueTooLong,
    Clock,
    InvalidConfig,
    InvalidName,
    NameTooLong,
    NameTaken,
    NotFound,
    Directory,
    UidRefused,
    Version,
    Feature,
    Malformed,
    Descriptors,
    Segment,
    Geometry,
    Resources,
    SchemaError,
    Busy,
    PeerGone,
    PeerLives,
    Unread,
    Io,
    InUse,
    Panicked,
}

/// Name, base among ours, bases among Python's, and what it means.
type Class = (
    Fault,
    &'static str,
    Fault,
    &'static [&'static str],
    &'static str,
);

const CLASSES: &[Class] = &[
    (
        Fault::Error,
        "Error",
        Fault::Error,
        &[],
        "Base of everything that Ringway raises. `sent`: how many frames of a batch were sent before.",
    ),
    (
        Fault::WouldBlock,
        "WouldBlock",
        Fault::Error,
        &["BlockingIOError"],
        "The call would have to wait, and was asked not to.",
    ),
    (
        Fault::Full,
        "Full",
        Fault::WouldBlock,
        &[],
        "There is no room in the ring now.",
    ),
    (
        Fault::Empty,
        "Empty",
        Fault::WouldBlock,
        &[],
        "There is no frame now.",
    ),
    (
        Fault::TimedOut,
        "TimedOut",
        Fault::Error,
        &["TimeoutError"],
        "What was waited for did not come before the deadline. The connection is as it was.",
    ),
    (
        Fault::Closed,
        "Closed",
        Fault::Error,
        &["EOFError", "ConnectionError"],
        "The peer closed its half in order, and every frame has been read; or this side closed its own.",
    ),
    (
        Fault::PeerClosed,
        "PeerClosed",
        Fault::Error,
        &["ConnectionAbortedError"],
        "The peer closed the connection without a goodbye, and its process lives.",
    ),
    (
        Fault::PeerDied,
        "PeerDied",
        Fault::Error,
        &["ConnectionResetError"],
        "The peer's process has ended without a goodbye, and every frame that it committed has been read.",
    ),
    (
        Fault::Protocol,
        "Protocol",
        Fault::Error,
        &["ConnectionError"],
        "The peer broke a rule, which the text names; the connection is over.",
    ),
    (
        Fault::Forked,
        "Forked",
        Fault::Error,
        &["RuntimeError"],
        "This process is a forked child of the one that made the object.",
    ),
    (
        Fault::TooLarge,
        "TooLarge",
        Fault::Error,
        &["ValueError"],
        "The payload can never be sent: it has `len` bytes, and at most `max` are certain to fit.",
    ),
    (
        Fault::Truncated,
        "Truncated",
        Fault::Error,
        &["ValueError"],
        "The buffer is shorter than the frame, which has `len` bytes and stays unread.",
    ),
    (
        Fault::WrongSize,
        "WrongSize",
        Fault::Error,
        &["ValueError"],
        "The next frame has `len` bytes, and not those of one record; it stays unread.",
    ),
    (
        Fault::Alignment,
        "Alignment",
        Fault::Error,
        &["ValueError"],
        "The alignment is not one that was configured.",
    ),
    (
        Fault::Priority,
        "Priority",
        Fault::Error,
        &["ValueError"],
        "There is no such priority.",
    ),
    (
        Fault::Expired,
        "Expired",
        Fault::Error,
        &["TimeoutError"],
        "The frame expired before there was room for it.",
    ),
    (
        Fault::QueueTooLong,
        "QueueTooLong",
        Fault::Error,
        &[],
        "The frame would expire before the peer comes to it.",
    ),
    (
        Fault::Clock,
        "Clock",
        Fault::Error,
        &["OSError"],
        "This process cannot tell the host's clock.",
    ),
    (
        Fault::InvalidConfig,
        "InvalidConfig",
        Fault::Error,
        &["ValueError"],
        "An option is out of range, or options contradict each other.",
    ),
    (
        Fault::InvalidName,
        "InvalidName",
        Fault::Error,
        &["ValueError"],
        "A name has a character that names cannot have, or is empty.",
    ),
    (
        Fault::NameTooLong,
        "NameTooLong",
        Fault::Error,
        &["ValueError"],
        "A name or path is longer than a socket's address can hold.",
    ),
    (
        Fault::NameTaken,
        "NameTaken",
        Fault::Error,
        &["OSError"],
        "A live listener has the name.",
    ),
    (
        Fault::NotFound,
        "NotFound",
        Fault::Error,
        &["FileNotFoundError", "ConnectionRefusedError"],
        "Nobody listens under the name.",
    ),
    (
        Fault::Directory,
        "Directory",
        Fault::Error,
        &["OSError"],
        "The directory for sockets is unsafe, missing, or cannot be made.",
    ),
    (
        Fault::UidRefused,
        "UidRefused",
        Fault::Error,
        &["PermissionError"],
        "The other side's uid is not allowed, here or there.",
    ),
    (
        Fault::Version,
        "Version",
        Fault::Error,
        &["ConnectionError"],
        "No protocol version is spoken by both sides.",
    ),
    (
        Fault::Feature,
        "Feature",
        Fault::Error,
        &["ConnectionError"],
        "A feature that one side requires is missing on the other.",
    ),
    (
        Fault::Malformed,
        "Malformed",
        Fault::Error,
        &["ConnectionError"],
        "The peer sent what is no message of the handshake.",
    ),
    (
        Fault::Descriptors,
        "Descriptors",
        Fault::Error,
        &["ConnectionError"],
        "The peer sent too few, too many or the wrong kind of descriptors.",
    ),
    (
        Fault::Segment,
        "Segment",
        Fault::Error,
        &["ConnectionError"],
        "The peer's segment is unsealed, sparse, of the wrong size or no memory file.",
    ),
    (
        Fault::Geometry,
        "Geometry",
        Fault::Error,
        &["ConnectionError"],
        "The peer's ring has a size, step, alignment or start that the rules forbid.",
    ),
    (
        Fault::Resources,
        "Resources",
        Fault::Error,
        &["OSError"],
        "A limit of this process or host is reached: descriptors, memory, huge pages.",
    ),
    (
        Fault::SchemaError,
        "SchemaError",
        Fault::Error,
        &["ValueError"],
        "A schema is unsound, or the two sides disagree about what the bytes of their frames mean.",
    ),
    (
        Fault::Busy,
        "Busy",
        Fault::Error,
        &["ConnectionRefusedError"],
        "The listener has no room now, or takes no more clients.",
    ),
    (
        Fault::PeerGone,
        "PeerGone",
        Fault::Error,
        &["ConnectionResetError"],
        "The peer went away during the handshake.",
    ),
    (
        Fault::PeerLives,
        "PeerLives",
        Fault::Error,
        &[],
        "The connection cannot be resumed, since its peer lives.",
    ),
    (
        Fault::Unread,
        "Unread",
        Fault::Error,
        &[],
        "The connection cannot be resumed before its last frames have been received.",
    ),
    (
        Fault::Io,
        "Io",
        Fault::Error,
        &["OSError"],
        "Anything else that the system answered.",
    ),
    (
        Fault::InUse,
        "InUse",
        Fault::Error,
        &["RuntimeError"],
        "A reservation or a view of this half is open: commit, abort or release it first.",
    ),
    (
        Fault::Panicked,
        "Panicked",
        Fault::Error,
        &["RuntimeError"],
        "A call of this half met a fault of the library, which ended the connection: report it, and connect again.",
    ),
];

static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

/// The classes, by [`Fault`].
pub(crate) fn types(py: Python<'_>) -> PyResult<&'static Vec<Py<PyType>>> {
    TYPES.get_or_try_init(py, || {
        let builtins = py.import("builtins")?;
        let mut made: Vec<Py<PyType>> = Vec::with_capacity(CLASSES.len());
        for (fault, name, base, others, doc) in CLASSES {
            let mut bases = Vec::new();
            if *fault == Fault::Error {
                bases.push(py.get_type::<PyException>().into_any());
            } else {
                bases.push(made[*base as usize].bind(py).clone().into_any());
            }
            for other in *others {
                bases.push(builtins.getattr(*other)?);
            }
            let bases = PyTuple::new(py, bases)?;
            let names = PyDict::new(py);
            names.set_item("__module__", "ringway")?;
            names.set_item("__doc__", doc)?;
            for number in numbers(*fault) {
                names.set_item(*number, 0)?;
            }
            let made_now = py.get_type::<PyType>().call1((name, bases, names))?;
            made.push(made_now.cast_into::<PyType>()?.unbind());
        }
        Ok(made)
    })
}

/// Attributes that are numbers: 0 where there is nothing to tell.
fn numbers(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::Error => &["sent"],
        Fault::TooLarge => &["len", "max"],
        Fault::Truncated | Fault::WrongSize => &["len"],
        _ => &[],
    }
}

/// Puts the classes into the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let types = types(module.py())?;
    for (fault, name, ..) in CLASSES {
        module.add(*name, &types[*fault as usize])?;
    }
    Ok(())
}
