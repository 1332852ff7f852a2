//! Bytes that Python objects lend: what is sent, and what is received into.

use std::ffi::c_int;

use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A buffer of an object, contiguous, held until it is dropped.
pub(crate) struct Lent<'py> {
    view: Box<ffi::Py_buffer>,
    py: Python<'py>,
}

impl<'py> Lent<'py> {
    /// Borrows `object`'s buffer to read it.
    pub(crate) fn to_read(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_SIMPLE)
    }

    /// Borrows it to write into it.
    pub(crate) fn to_write(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::of(object, ffi::PyBUF_WRITABLE)
    }

    fn of(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, and `view` is ours to be filled in; it stays where it is until it is released.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(PyErr::fetch(object.py()));
        }
        let lent = Self {
            view,
            py: object.py(),
        };
        if lent.view.len < 0 {
            return Err(PyBufferError::new_err("the buffer has a negative length"));
        }
        Ok(lent)
    }

    /// Where it begins, and its length.
    pub(crate) fn place(&self) -> (*mut u8, usize) {
        (self.view.buf.cast(), self.view.len.unsigned_abs())
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.place().1
    }

    /// Its bytes.
    ///
    /// Python code that runs meanwhile could change them, and so the interpreter's lock is held for as long as the slice lives, which none does across a wait; native code that changes a buffer which it has lent
    /// breaks the rules of the buffer protocol by itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        let (place, len) = self.place();
        if len == 0 {
            return &[];
        }
        // SAFETY: the exporter keeps so many bytes valid until the buffer is released, which the drop of `self` does.
        unsafe { std::slice::from_raw_parts(place, len) }
    }

    /// The same, to be written to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let (place, len) = self.place();
        if len == 0 {
            return &mut [];
        }
        // SAFETY: as in `bytes`, and the exporter was asked for a buffer that may be written to.
        unsafe { std::slice::from_raw_parts_mut(place, len) }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // The token says that the interpreter is attached here.
        let _ = self.py;
        // SAFETY: it was filled in by `PyObject_GetBuffer`, and is released once.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}

/// How many bytes an object lends to be sent, or to be received into: what a call that sends or receives would refuse is refused.
#[pyfunction]
pub(crate) fn _lent(object: &Bound<'_, PyAny>, to_write: bool) -> PyResult<usize> {
    let lent = if to_write {
        Lent::to_write(object)
    } else {
        Lent::to_read(object)
    };
    lent.map(|lent| lent.len())
}

/// Copies of so many bytes on are made without the interpreter's lock, where nothing can change under them.
pub(crate) const LONG: usize = 256 << 10;

/// Does `work` without the interpreter's lock, on this thread.
pub(crate) fn unlocked<R>(py: Python<'_>, work: impl FnOnce() -> R) -> R {
    struct Here<T>(T);
    // SAFETY: `detach` asks for it so that nothing of the interpreter's is used by `work`, which its callers see to; it runs it on the thread that calls, and nothing is sent anywhere.
    unsafe impl<T> Send for Here<T> {}
    let work = Here(work);
    let done = py.detach(move || {
        let work = work;
        Here((work.0)())
    });
    done.0
}

/// What is sent: `bytes`, which need no asking, or any buffer.
pub(crate) enum Payload<'a, 'py> {
    Bytes(&'a [u8]),
    Lent(Lent<'py>),
}

impl<'a, 'py> Payload<'a, 'py> {
    /// Of an object.
    #[inline]
    pub(crate) fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.as_bytes())),
            Err(_) => Lent::to_read(object).map(Self::Lent),
        }
    }

    /// How many bytes it has.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Lent(lent) => lent.len(),
        }
    }

    /// Whether they take long to copy, and nobody can change them meanwhile.
    #[inline]
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Self::Bytes(bytes) if bytes.len() >= LONG)
    }

    /// Its bytes; as of [`Lent::bytes`], no slice of them lives across a wait.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Lent(lent) => lent.bytes(),
        }
    }
}

/// A `bytes` object that has no value yet: nobody reads it before it has.
pub(crate) struct Blank<'py>(Bound<'py, PyBytes>);

/// Room for a `bytes` object of `len` bytes.
#[inline]
pub(crate) fn blank(py: Python<'_>, len: usize) -> PyResult<Blank<'_>> {
    let size = ffi::Py_ssize_t::try_from(len)?;
    // SAFETY: without a source it makes an object of that size, or fails and says why.
    unsafe {
        let made = ffi::PyBytes_FromStringAndSize(std::ptr::null(), size);
        let object = Bound::from_owned_ptr_or_err(py, made)?;
        Ok(Blank(object.cast_into_unchecked::<PyBytes>()))
    }
}

impl<'py> Blank<'py> {
    /// The object, to be put where nobody looks before it is filled.
    pub(crate) fn object(&self) -> &Bound<'py, PyBytes> {
        &self.0
    }

    /// The object, which `fill` writes. It uses nothing of the interpreter's.
    #[inline]
    pub(crate) fn fill(self, fill: impl FnOnce(&mut [u8]) -> usize) -> Bound<'py, PyBytes> {
        let object = self.0;
        let len = object.as_bytes().len();
        if len == 0 {
            fill(&mut []);
            return object;
        }
        // SAFETY: the object is new: nobody else has looked into it, and its `len` bytes are plain memory, which the slice is only written through. The one of no bytes, which is
        // everybody's, was handled above. One byte: those objects are shared once they have a value, and this one has none yet.
        let target = unsafe {
            let place = ffi::PyBytes_AsString(object.as_ptr()).cast::<u8>();
            std::slice::from_raw_parts_mut(place, len)
        };
        let filled = if len < LONG {
            fill(target)
        } else {
            unlocked(object.py(), || fill(target))
        };
        // A peer, or a fork, may have left less: nothing of what the allocator had there is told.
        target[filled.min(len)..].fill(0);
        object
    }
}

/// Whether one record has room there.
pub(crate) fn room_for(room: usize, size: usize) -> PyResult<()> {
    if size == 0 || room < size {
        let text = format!("a buffer of {room} bytes has no room for a record of {size} bytes");
        return Err(PyValueError::new_err(text));
    }
    Ok(())
}
