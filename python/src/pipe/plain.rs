//! Objects of plain types, which are nothing but their values: written down and made again in about half of the time that pickling and unpickling take.
//!
//! It is for short messages of exactly `None`, `bool`, `int`, `float`, `str`, `bytes`, `list`, `tuple` and `dict`, which a pickler never asks anybody about. Whatever may be in an object twice, so that a copy
//! has to have it twice as well, is the pickler's: every list, dictionary or tuple that somebody else refers to, too. All of this is private to a pipe: `recv_bytes` gives a pickle.

use std::ffi::c_char;
use std::ptr::null_mut;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::ends::bad_message;

/// A longer one is pickled, without the long `bytes` in it: those of so many bytes.
const MOST: usize = 16 << 10;
/// They are beside it, up to so many.
const PAYLOADS: usize = 16;
/// Objects in objects, so deep.
const DEPTH: usize = 32;
/// Strings of up to so many bytes are made once for a message, if they come again: keys.
const KEY: usize = 24;

const NONE: u8 = b'N';
const TRUE: u8 = b'T';
const FALSE: u8 = b'F';
const INT: u8 = b'i';
const FLOAT: u8 = b'f';
const TEXT: u8 = b's';
const BYTES: u8 = b'b';
const PAYLOAD: u8 = b'p';
const LIST: u8 = b'l';
const TUPLE: u8 = b't';
const DICT: u8 = b'd';

/// An object as bytes, and long `bytes` beside them.
pub(super) struct Written<'py> {
    pub(super) bytes: Vec<u8>,
    pub(super) payloads: Vec<Bound<'py, PyAny>>,
}

/// An object so; `None`: it is none of those.
#[inline]
pub(super) fn written<'py>(object: &Bound<'py, PyAny>) -> Option<Written<'py>> {
    let mut writer = Writer {
        py: object.py(),
        written: Written {
            bytes: Vec::with_capacity(256),
            payloads: Vec::new(),
        },
    };
    // SAFETY: the object is alive, and so is what it contains for as long as nothing of Python's runs, which is as long as the interpreter's lock is held here.
    unsafe { writer.put(object.as_ptr(), 0, Company::Root) }?;
    Some(writer.written)
}

/// Who may refer to an object besides what it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    /// It is in nothing, and so nothing of it refers to it, unless that is found when it is met again.
    Root,
    /// What it is in is nowhere else.
    Lone,
    /// What it is in may be in the message again.
    Shared,
}

struct Writer<'py> {
    py: Python<'py>,
    written: Written<'py>,
}

impl<'py> Writer<'py> {
    /// Writes an object.
    ///
    /// # Safety
    /// The interpreter is attached, and the object is alive.
    unsafe fn put(
        &mut self,
        object: *mut ffi::PyObject,
        depth: usize,
        company: Company,
    ) -> Option<()> {
        // SAFETY: the object is alive, and each function is called with an object of its type: the type is compared before. What is borrowed from a container is used while nothing of Python's runs.
        unsafe {
            let kind = ffi::Py_TYPE(object);
            if kind == &raw mut ffi::PyUnicode_Type {
                let mut len = 0;
                let place = ffi::PyUnicode_AsUTF8AndSize(object, &raw mut len);
                if place.is_null() {
                    // Halves of surrogate pairs.
                    ffi::PyErr_Clear();
                    return None;
                }
                return self.long(TEXT, place, len);
            }
            if kind == &raw mut ffi::PyLong_Type {
                let mut overflow = 0;
                let value = ffi::PyLong_AsLongLongAndOverflow(object, &raw mut overflow);
                if overflow != 0 {
                    return None;
                }
                self.written.bytes.push(INT);
                self.written.bytes.extend_from_slice(&value.to_le_bytes());
                return Some(());
            }
            if kind == &raw mut ffi::PyFloat_Type {
                self.written.bytes.push(FLOAT);
                let value = ffi::PyFloat_AsDouble(object);
                self.written.bytes.extend_from_slice(&value.to_le_bytes());
                return Some(());
            }
            if kind == &raw mut ffi::PyBytes_Type {
                let len = ffi::PyBytes_Size(object);
                if len.unsigned_abs() >= MOST {
                    return self.payload(Bound::from_borrowed_ptr(self.py, object));
                }
                return self.long(BYTES, ffi::PyBytes_AsString(object), len);
            }
            if object == ffi::Py_None() {
                self.written.bytes.push(NONE);
                return Some(());
            }
            if kind == &raw mut ffi::PyBool_Type {
                let value = object == ffi::Py_True();
                self.written.bytes.push(if value { TRUE } else { FALSE });
                return Some(());
            }
            if depth == DEPTH {
                return None;
            }
            let lone = company != Company::Shared
                && (company == Company::Root
                    || ffi::Py_REFCNT(object) == 1
                    || cfg!(ringway_planted = "twice_made"));
            if kind == &raw mut ffi::PyTuple_Type {
                // A constant, say. It may be in the message twice, and nobody can tell, if nothing in it can change.
                let inner = if lone { Company::Lone } else { Company::Shared };
                let count = ffi::PyTuple_Size(object);
                self.head(TUPLE, count)?;
                for index in 0..count {
                    self.put(ffi::PyTuple_GetItem(object, index), depth + 1, inner)?;
                }
                return Some(());
            }
            if !lone {
                return None;
            }
            if kind == &raw mut ffi::PyDict_Type {
                self.head(DICT, ffi::PyDict_Size(object))?;
                let (mut at, mut key, mut value) = (0, null_mut(), null_mut());
                while ffi::PyDict_Next(object, &raw mut at, &raw mut key, &raw mut value) != 0 {
                    self.put(key, depth + 1, Company::Lone)?;
                    self.put(value, depth + 1, Company::Lone)?;
                }
                return Some(());
            }
            if kind == &raw mut ffi::PyList_Type {
                let count = ffi::PyList_Size(object);
                self.head(LIST, count)?;
                for index in 0..count {
                    self.put(ffi::PyList_GetItem(object, index), depth + 1, Company::Lone)?;
                }
                return Some(());
            }
        }
        None
    }

    /// Long `bytes`: the same ones stay the same.
    fn payload(&mut self, object: Bound<'py, PyAny>) -> Option<()> {
        let payloads = &mut self.written.payloads;
        let known = payloads.iter().position(|known| known.is(&object));
        let index = known.unwrap_or(payloads.len());
        if index == payloads.len() {
            if index == PAYLOADS {
                return None;
            }
            payloads.push(object);
        }
        self.written.bytes.extend([PAYLOAD, index as u8]);
        Some(())
    }

    #[inline]
    fn head(&mut self, kind: u8, count: ffi::Py_ssize_t) -> Option<()> {
        let count = u32::try_from(count).ok()?;
        if self.written.bytes.len() + count as usize > MOST {
            return None;
        }
        self.written.bytes.push(kind);
        self.written.bytes.extend_from_slice(&count.to_le_bytes());
        Some(())
    }

    /// Bytes that lie at `place`.
    ///
    /// # Safety
    /// There are so many.
    #[inline]
    unsafe fn long(&mut self, kind: u8, place: *const c_char, len: ffi::Py_ssize_t) -> Option<()> {
        self.head(kind, len)?;
        // SAFETY: the caller promises so many, and nothing changes them: they are those of a constant object.
        let bytes = unsafe { std::slice::from_raw_parts(place.cast::<u8>(), len.unsigned_abs()) };
        self.written.bytes.extend_from_slice(bytes);
        Some(())
    }
}

/// The object that was written so. Nothing of Python's runs but what the collector finds.
#[inline]
pub(super) fn read<'py>(
    bytes: &Bound<'py, PyBytes>,
    payloads: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    let py = bytes.py();
    let mut reader = Reader {
        py,
        rest: bytes.as_bytes(),
        payloads,
        keys: [const { None }; 16],
    };
    let object = reader.next(0)?;
    if reader.rest.is_empty() {
        Ok(object)
    } else {
        Err(bad_message())
    }
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    rest: &'a [u8],
    payloads: &'a [Bound<'py, PyAny>],
    /// Strings that were made lately.
    keys: [Option<(&'a [u8], Bound<'py, PyAny>)>; 16],
}

impl<'a, 'py> Reader<'a, 'py> {
    fn next(&mut self, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let kind = self.take(1)?[0];
        match kind {
            TEXT => self.text(),
            INT => {
                let value = i64::from_le_bytes(self.word()?);
                // SAFETY: attached.
                self.made(unsafe { ffi::PyLong_FromLongLong(value) })
            }
            FLOAT => {
                let value = f64::from_le_bytes(self.word()?);
                // SAFETY: attached.
                self.made(unsafe { ffi::PyFloat_FromDouble(value) })
            }
            BYTES => {
                let len = self.count()?;
                Ok(PyBytes::new(self.py, self.take(len)?).into_any())
            }
            PAYLOAD => {
                let index = usize::from(self.take(1)?[0]);
                self.payloads.get(index).cloned().ok_or_else(bad_message)
            }
            NONE => Ok(self.py.None().into_bound(self.py)),
            TRUE | FALSE => {
                // SAFETY: attached.
                self.made(unsafe { ffi::PyBool_FromLong((kind == TRUE).into()) })
            }
            _ if depth == DEPTH => Err(bad_message()),
            LIST | TUPLE => self.sequence(kind == LIST, depth),
            DICT => self.dictionary(depth),
            _ => Err(bad_message()),
        }
    }

    fn sequence(&mut self, list: bool, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let count = self.count()?;
        let size = ffi::Py_ssize_t::try_from(count)?;
        // SAFETY: attached.
        let made = self.made(unsafe {
            if list {
                ffi::PyList_New(size)
            } else {
                ffi::PyTuple_New(size)
            }
        })?;
        for index in 0..size {
            let item = self.next(depth + 1)?.into_ptr();
            // SAFETY: it was made just now with so many places, and nobody else has it; it takes the item over.
            let failed = unsafe {
                if list {
                    ffi::PyList_SetItem(made.as_ptr(), index, item)
                } else {
                    ffi::PyTuple_SetItem(made.as_ptr(), index, item)
                }
            };
            if failed != 0 {
                return Err(PyErr::fetch(self.py));
            }
        }
        Ok(made)
    }

    fn dictionary(&mut self, depth: usize) -> PyResult<Bound<'py, PyAny>> {
        let count = self.count()?;
        // SAFETY: attached.
        let made = self.made(unsafe { ffi::PyDict_New() })?;
        for _ in 0..count {
            let key = self.next(depth + 1)?;
            let value = self.next(depth + 1)?;
            // SAFETY: a dictionary, and two objects.
            let failed =
                unsafe { ffi::PyDict_SetItem(made.as_ptr(), key.as_ptr(), value.as_ptr()) };
            if failed != 0 {
                return Err(PyErr::fetch(self.py));
            }
        }
        Ok(made)
    }

    fn text(&mut self) -> PyResult<Bound<'py, PyAny>> {
        let len = self.count()?;
        let bytes = self.take(len)?;
        let place = match bytes {
            [first, .., last] if len <= KEY => {
                usize::from(first ^ last.rotate_left(2)).wrapping_add(len) % self.keys.len()
            }
            _ => return self.string(bytes),
        };
        if let Some((known, object)) = &self.keys[place] {
            if *known == bytes {
                return Ok(object.clone());
            }
        }
        let object = self.string(bytes)?;
        self.keys[place] = Some((bytes, object.clone()));
        Ok(object)
    }

    fn string(&self, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let size = ffi::Py_ssize_t::try_from(bytes.len())?;
        // SAFETY: so many bytes; what is no UTF-8 is an error.
        self.made(unsafe { ffi::PyUnicode_FromStringAndSize(bytes.as_ptr().cast(), size) })
    }

    /// An object that was made, or the error.
    #[inline]
    fn made(&self, object: *mut ffi::PyObject) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: the callers' functions return a new reference, or null with an error.
        unsafe { Bound::from_owned_ptr_or_err(self.py, object) }
    }

    #[inline]
    fn take(&mut self, len: usize) -> PyResult<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(bad_message)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn word<const N: usize>(&mut self) -> PyResult<[u8; N]> {
        let (word, rest) = self.rest.split_first_chunk().ok_or_else(bad_message)?;
        self.rest = rest;
        Ok(*word)
    }

    /// How many bytes or objects come: each has a byte at least.
    #[inline]
    fn count(&mut self) -> PyResult<usize> {
        let count = usize::try_from(u32::from_le_bytes(self.word()?))?;
        if count > self.rest.len() {
            return Err(bad_message());
        }
        Ok(count)
    }
}
