//! Objects as pickles, by the interpreter's own pickler.

use std::sync::{Mutex, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList};

use super::ends::bad_message;
use super::{BYTES, CONSTANT, NEXT_BUFFER, PICKLE, PLAIN, RAW, plain};
use crate::buffer::Payload;

/// A pickler that has pickled more is not kept: it remembers by tables of that size.
const KEPT: usize = 4096;
/// So many payloads may be beside a pickle; further ones stay in it.
const MOST: usize = 1000;

/// What pickles of this protocol are made of: how long a frame is, and headers of `str`, `bytes` and `bytearray`.
const FRAME: u8 = 0x95;
const PROTO: u8 = 0x80;
const UNICODE: (u8, u8) = (b'X', 0x8d);
const BINARY: (u8, u8) = (b'B', 0x8e);
const ARRAY: u8 = 0x96;

/// A pickler, and the list that it writes to. Making one costs three times as much as pickling a small object with it.
struct Dumper {
    dump: Py<PyAny>,
    forget: Py<PyAny>,
    pieces: Py<PyList>,
}

/// Those that nobody uses now. Each call takes one for itself: pickling an object can run anything, also another call. It is locked with the interpreter's lock held, and never while Python runs.
static IDLE: Mutex<Vec<Dumper>> = Mutex::new(Vec::new());

impl Dumper {
    fn take(py: Python<'_>) -> PyResult<Self> {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(dumper) => Ok(dumper),
            None => Self::make(py),
        }
    }

    #[cold]
    fn make(py: Python<'_>) -> PyResult<Self> {
        let pieces = PyList::empty(py);
        let message = py.import("ringway._message")?;
        let (dump, forget) = message.call_method1("pickler", (&pieces,))?.extract()?;
        Ok(Self {
            dump,
            forget,
            pieces: pieces.unbind(),
        })
    }

    /// Drops it now: what is dropped while the interpreter is not known to be attached is dropped some other time.
    fn end(self, py: Python<'_>) {
        self.dump.drop_ref(py);
        self.forget.drop_ref(py);
        self.pieces.drop_ref(py);
    }
}

/// An object's pickle.
pub(super) enum Pickled<'py> {
    Whole(Bound<'py, PyBytes>),
    /// As the pickler wrote it: long bytes are pieces of their own, and are the objects that they are in.
    Pieces(Vec<Bound<'py, PyAny>>),
}

/// Pickles an object, as `multiprocessing` does.
#[inline]
pub(super) fn pickled<'py>(object: &Bound<'py, PyAny>) -> PyResult<Pickled<'py>> {
    let py = object.py();
    let dumper = Dumper::take(py)?;
    if let Err(error) = call(dumper.dump.bind(py), object) {
        // It remembers half of an object.
        dumper.end(py);
        return Err(error);
    }
    let list = dumper.pieces.bind(py);
    let pieces = match list.len() {
        1 => Pickled::Whole(list.get_item(0)?.cast_into::<PyBytes>()?),
        _ => Pickled::Pieces(list.iter().map(plain).collect::<PyResult<_>>()?),
    };
    // SAFETY: a list, and all of its places.
    unsafe { ffi::PyList_SetSlice(list.as_ptr(), 0, ffi::PY_SSIZE_T_MAX, std::ptr::null_mut()) };
    let kept = match &pieces {
        Pickled::Whole(bytes) => bytes.as_bytes().len() <= KEPT,
        Pickled::Pieces(pieces) => pieces.len() <= 4,
    };
    if kept {
        // SAFETY: a callable that takes nothing.
        unsafe {
            let none = ffi::PyObject_CallNoArgs(dumper.forget.as_ptr());
            Bound::from_owned_ptr_or_err(py, none)?;
        }
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(dumper);
    } else {
        dumper.end(py);
    }
    Ok(pieces)
}

/// A piece as a buffer of one dimension.
fn plain(piece: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    if piece.is_instance_of::<PyBytes>() || piece.is_instance_of::<PyByteArray>() {
        Ok(piece)
    } else {
        piece.call_method0("raw")
    }
}

#[inline]
fn call<'py>(
    callable: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    let end: *mut ffi::PyObject = std::ptr::null_mut();
    // SAFETY: a callable, and one argument with the end of arguments behind it.
    unsafe {
        let made = ffi::PyObject_CallFunctionObjArgs(callable.as_ptr(), argument.as_ptr(), end);
        Bound::from_owned_ptr_or_err(py, made)
    }
}

/// The object of a pickle, and of the payloads beside it. It runs whatever the pickle says.
#[inline]
pub(super) fn unpickled<'py>(
    pickle: &Bound<'py, PyBytes>,
    payloads: Option<&Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = pickle.py();
    let loads = LOADS.import(py, "pickle", "loads")?;
    match payloads {
        None => call(loads, pickle),
        Some(payloads) => {
            let named = PyDict::new(py);
            named.set_item(pyo3::intern!(py, "buffers"), payloads)?;
            loads.call((pickle,), Some(&named))
        }
    }
}

/// The pickle of an object that is no object of the program's, and so asks nobody.
pub(super) fn plainly<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let dumps = DUMPS.import(object.py(), "pickle", "dumps")?;
    dumps.call1((object, 5))
}

/// A pickle, and what is beside it.
pub(super) struct Split {
    /// Pieces of the pickle, by number, and how much of each. Behind one that was cut comes the opcode that stands for a payload.
    pub(super) pickle: Vec<(usize, usize)>,
    /// Pieces that are payloads: their number, their length as it is told, and where their opcode is.
    pub(super) payloads: Vec<(usize, u64, usize)>,
    /// Bytes of the pickle.
    pub(super) len: usize,
}

/// Finds the payloads among the pieces of a pickle: `bytes` and `bytearray` that the pickler has handed out as they are, behind a header, which is the last that it wrote before. At most so many.
pub(super) fn split(pieces: &[Payload<'_, '_>], most: usize) -> Split {
    let mut split = Split {
        pickle: Vec::with_capacity(pieces.len()),
        payloads: Vec::new(),
        len: 0,
    };
    // What the piece before this one announces.
    let mut announced = Header::None;
    for (index, piece) in pieces.iter().enumerate() {
        let bytes = piece.bytes();
        if let (
            Header::Payload {
                bytes: header,
                told,
            },
            Some(last),
        ) = (&announced, split.pickle.last_mut())
        {
            if split.payloads.len() < most.min(MOST) {
                last.1 -= header;
                let at = split.len - header;
                split.payloads.push((index, *told, at));
                split.len = at + 1;
                announced = Header::None;
                continue;
            }
        }
        let behind = matches!(announced, Header::None);
        announced = if behind {
            header(bytes, index == 0, pieces.get(index + 1))
        } else {
            Header::None
        };
        split.pickle.push((index, bytes.len()));
        split.len += bytes.len();
    }
    split
}

/// What stands at the end of a piece of a pickle.
enum Header {
    None,
    /// The next piece is text.
    Text,
    /// It is binary, and can be beside the pickle. The header's length, and that of the payload as it is told.
    Payload {
        bytes: usize,
        told: u64,
    },
}

fn header(piece: &[u8], first: bool, next: Option<&Payload<'_, '_>>) -> Header {
    let Some(next) = next else {
        return Header::None;
    };
    let len = next.bytes().len() as u64;
    let mut rest = piece;
    if first && rest.first() == Some(&PROTO) {
        rest = rest.get(2..).unwrap_or_default();
    }
    // Whatever is in frames is none: long bytes are between them.
    while let Some((&FRAME, behind)) = rest.split_first() {
        let Some((told, behind)) = behind.split_first_chunk::<8>() else {
            return Header::None;
        };
        let told = usize::try_from(u64::from_le_bytes(*told)).unwrap_or(usize::MAX);
        rest = behind.get(told..).unwrap_or_default();
    }
    if let Some((rest, told)) = rest.split_last_chunk::<8>() {
        if u64::from_le_bytes(*told) == len {
            match rest.last() {
                Some(code) if *code == UNICODE.1 => return Header::Text,
                Some(code) if *code == BINARY.1 => {
                    return Header::Payload {
                        bytes: 9,
                        told: len | CONSTANT,
                    };
                }
                Some(&ARRAY) => {
                    return Header::Payload {
                        bytes: 9,
                        told: len,
                    };
                }
                _ => {}
            }
        }
    }
    if let Some((rest, told)) = rest.split_last_chunk::<4>() {
        if u64::from(u32::from_le_bytes(*told)) == len {
            match rest.last() {
                Some(code) if *code == UNICODE.0 => return Header::Text,
                Some(code) if *code == BINARY.0 => {
                    return Header::Payload {
                        bytes: 5,
                        told: len | CONSTANT,
                    };
                }
                _ => {}
            }
        }
    }
    Header::None
}

/// A pickle with its payloads in it, as the pickler wrote it; `None`: they do not go together.
pub(super) fn joined(pickle: &[u8], payloads: &[(u64, usize, &[u8])]) -> Option<Vec<u8>> {
    let all: usize = payloads.iter().map(|(_, _, bytes)| bytes.len() + 9).sum();
    let mut whole = Vec::with_capacity(pickle.len() + all);
    let mut behind = 0;
    for (told, at, bytes) in payloads {
        if pickle.get(*at) != Some(&NEXT_BUFFER) {
            return None;
        }
        whole.extend_from_slice(pickle.get(behind..*at)?);
        let len = told & !CONSTANT;
        match u32::try_from(len) {
            Ok(len) if told & CONSTANT != 0 => {
                whole.push(BINARY.0);
                whole.extend_from_slice(&len.to_le_bytes());
            }
            _ => {
                whole.push(if told & CONSTANT == 0 {
                    ARRAY
                } else {
                    BINARY.1
                });
                whole.extend_from_slice(&len.to_le_bytes());
            }
        }
        whole.extend_from_slice(bytes);
        behind = at + 1;
    }
    whole.extend_from_slice(pickle.get(behind..)?);
    Some(whole)
}

/// The message of an object, for where there is no ring yet: its kind, and its pieces.
#[pyfunction]
pub(crate) fn _pipe_dump<'py>(
    object: &Bound<'py, PyAny>,
) -> PyResult<(u16, Vec<Bound<'py, PyAny>>)> {
    if object.is_exact_instance_of::<PyBytes>() {
        return Ok((RAW, vec![object.clone()]));
    }
    Ok(match pickled(object)? {
        Pickled::Whole(bytes) => (PICKLE, vec![bytes.into_any()]),
        Pickled::Pieces(pieces) => (PICKLE, pieces),
    })
}

/// The object of a message that is in one piece.
#[pyfunction]
pub(crate) fn _pipe_load<'py>(
    kind: u16,
    payload: &Bound<'py, PyBytes>,
) -> PyResult<Bound<'py, PyAny>> {
    loaded(kind, payload)
}

/// The same.
#[inline]
pub(super) fn loaded<'py>(kind: u16, payload: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    match kind {
        RAW => Ok(payload.clone().into_any()),
        PLAIN => plain::read(payload, &[]),
        BYTES | PICKLE => unpickled(payload, None),
        _ => Err(bad_message()),
    }
}
