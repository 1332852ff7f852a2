//! A message of several frames while it is received.

use std::ffi::c_char;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use ringway::RecvError;

use super::ends::bad_message;
use super::room::Room;
use super::{CONSTANT, DATA, PLAIN, RAW, WORD};
use super::{pickling, plain};
use crate::errors::not_received;
use crate::half::State;
use crate::waits;

/// What has come of it stays when a call is interrupted.
#[derive(Debug)]
pub(crate) struct Message {
    pub(super) kind: u16,
    /// The first is the message itself, or its pickle; payloads beside a pickle come behind it.
    parts: Vec<Part>,
    /// What was told of each payload: its length and type, and where in the pickle it belongs.
    told: Vec<(u64, usize)>,
    /// The part that comes next.
    next: usize,
}

impl Message {
    /// What a head announces; `None`: it is no head.
    pub(super) fn announced(py: Python<'_>, kind: u16, head: &[u8]) -> PyResult<Option<Self>> {
        let mut words = head
            .chunks_exact(WORD)
            .map(|word| u64::from_le_bytes(word.try_into().expect("a word has as many bytes")));
        let (Some(len), Some(count)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > words.len() / 2 {
            return Ok(None);
        }
        let rest: Vec<u64> = words.take(2 * count).collect();
        // Behind the words lies the beginning of the parts.
        let mut begun = &head[WORD * (2 + rest.len())..];
        let mut parts = vec![Part::new(py, len | CONSTANT)?];
        let mut told = Vec::with_capacity(count);
        for pair in rest.chunks_exact(2) {
            parts.push(Part::new(py, pair[0])?);
            told.push((pair[0], usize::try_from(pair[1]).unwrap_or(usize::MAX)));
        }
        for part in &mut parts {
            let (bytes, behind) = begun.split_at(begun.len().min(part.len));
            part.begin(bytes);
            begun = behind;
        }
        if !begun.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            kind,
            parts,
            told,
            next: 0,
        }))
    }

    /// Receives frames until it is whole. False: the next frame is another one, which stays. A call that is interrupted is called again.
    pub(super) fn fill(
        &mut self,
        py: Python<'_>,
        receiver: &mut ringway::Receiver,
        state: &State,
    ) -> PyResult<bool> {
        while let Some(part) = self.parts.get_mut(self.next) {
            if !part.fill(py, receiver, state)? {
                return Ok(false);
            }
            self.next += 1;
        }
        Ok(true)
    }

    /// The message itself, or its pickle, and the payloads beside it.
    fn objects(self, py: Python<'_>) -> (Bound<'_, PyAny>, Vec<Bound<'_, PyAny>>) {
        let mut parts = self
            .parts
            .into_iter()
            .map(|part| part.object.into_bound(py));
        let first = parts.next().expect("each message has a first part");
        (first, parts.collect())
    }

    /// Whether nothing of it is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.next == self.parts.len()
    }

    /// The object that it is of. Once it is whole.
    pub(super) fn object(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let kind = self.kind;
        let (first, payloads) = self.objects(py);
        if kind == RAW {
            return Ok(first);
        }
        let first = first.cast_into::<PyBytes>()?;
        if kind == PLAIN {
            return plain::read(&first, &payloads);
        }
        if payloads.is_empty() {
            return pickling::unpickled(&first, None);
        }
        pickling::unpickled(&first, Some(&PyList::new(py, payloads)?))
    }

    /// Its bytes, as one object.
    pub(super) fn joined(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let told = self.told.clone();
        let (pickle, payloads) = self.objects(py);
        if payloads.is_empty() {
            return Ok(pickle);
        }
        let payloads: Vec<_> = payloads
            .iter()
            .map(crate::buffer::Payload::of)
            .collect::<PyResult<_>>()?;
        let placed: Vec<_> = told
            .iter()
            .zip(&payloads)
            .map(|((told, at), payload)| (*told, *at, payload.bytes()))
            .collect();
        let joined = pickling::joined(pickle.cast::<PyBytes>()?.as_bytes(), &placed);
        let joined = joined.ok_or_else(bad_message)?;
        Ok(PyBytes::new(py, &joined).into_any())
    }

    /// Drops it now, with the interpreter attached.
    pub(super) fn end(self, py: Python<'_>) {
        drop(self.objects(py));
    }
}

/// An object that nobody else sees before all of its bytes have come.
#[derive(Debug)]
struct Part {
    object: Py<PyAny>,
    /// It is `bytes`, and otherwise a `bytearray`.
    constant: bool,
    len: usize,
    filled: usize,
    room: Room,
}

impl Part {
    fn new(py: Python<'_>, told: u64) -> PyResult<Self> {
        let (len, constant) = (told & !CONSTANT, told & CONSTANT != 0);
        let size = ffi::Py_ssize_t::try_from(len)?;
        let len = usize::try_from(len)?;
        // SAFETY: without a source both make an object of that size, or fail and say why.
        let object = unsafe {
            let made = if constant {
                ffi::PyBytes_FromStringAndSize(std::ptr::null(), size)
            } else {
                ffi::PyByteArray_FromStringAndSize(std::ptr::null::<c_char>(), size)
            };
            Bound::from_owned_ptr_or_err(py, made)?
        };
        let mut part = Self {
            object: object.unbind(),
            constant,
            len,
            filled: 0,
            room: Room::new(std::ptr::null_mut(), 0),
        };
        part.room = Room::new(part.place(), len);
        Ok(part)
    }

    /// Where its bytes are.
    fn place(&self) -> *mut u8 {
        // SAFETY: the object is of that type, as `new` made it.
        unsafe {
            if self.constant {
                ffi::PyBytes_AsString(self.object.as_ptr())
            } else {
                ffi::PyByteArray_AsString(self.object.as_ptr())
            }
        }
        .cast()
    }

    /// Its next `len` bytes, which there must be.
    fn target(&mut self, len: usize) -> &mut [u8] {
        assert!(len <= self.len - self.filled, "looked at by the caller");
        if len == 0 {
            // An empty `bytes` object is everybody's.
            return &mut [];
        }
        let place = self.place();
        self.room.prepare(place, self.filled + len, self.len);
        // SAFETY: that many are left of the object's bytes, which are plain memory that the slice is only written through; nobody else has seen the object, so that it has neither been resized nor shared,
        // and the interpreter's lock is held while the slice lives.
        unsafe { std::slice::from_raw_parts_mut(place.add(self.filled), len) }
    }

    /// Bytes that came with the head.
    fn begin(&mut self, bytes: &[u8]) {
        self.target(bytes.len()).copy_from_slice(bytes);
        self.filled = bytes.len();
    }

    fn fill(
        &mut self,
        py: Python<'_>,
        receiver: &mut ringway::Receiver,
        state: &State,
    ) -> PyResult<bool> {
        while self.filled < self.len {
            if !receiver.sees_frame_within(waits::HELD) {
                waits::for_frame(py, receiver, state, None)?;
            }
            let left = self.len - self.filled;
            let mut len = 0;
            let fits = |bytes: usize, of: u16| {
                len = bytes;
                of == DATA && 0 < bytes && bytes <= left
            };
            let frame = match receiver.try_recv_if(fits) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(false),
                Err(RecvError::Empty) => continue,
                Err(error) => return Err(not_received(py, error)),
            };
            let target = self.target(len);
            let copied = frame.copy_to(target).min(len);
            // A peer, or a fork, may have left less: nothing of what the allocator had there is told.
            target[copied..].fill(0);
            self.filled += len;
        }
        Ok(true)
    }
}
