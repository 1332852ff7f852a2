//! A received message with a variable part.

use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;
use std::sync::Arc;

use zerocopy::IntoBytes;

use super::error::RecvError;
use super::field::Field;
use super::inbox::Parcel;
use super::invalid::{Fault, Invalid};
use super::message::{Fixed, Part, Payload, Tailed};

/// A message with a variable part, in memory of its own: copied out and checked once. Cloning it copies a pointer.
pub struct Received<T: Tailed + ?Sized> {
    // The message and its padding. Never written again, and where it is as long as it lives.
    words: Arc<[u128]>,
    view: NonNull<T>,
    // Of the message, without the padding behind it.
    len: usize,
}

impl<T: Tailed + ?Sized> Received<T> {
    /// Makes one whose variable part has `tail` bytes. `fill` is handed the fixed part, which holds the defaults, and the variable part.
    pub(crate) fn fill(
        tail: usize,
        fill: impl FnOnce(&mut [u8], &mut [u8]),
    ) -> Result<Self, Invalid> {
        let count = tail / T::Tail::ELEMENT;
        let size = T::size_for_metadata(count);
        let Some(size) = size.filter(|size| *size >= T::SIZE && size - T::SIZE >= tail) else {
            // Also of a part of an element.
            return Err(Invalid::new(Fault::Elements {
                len: tail,
                element: T::Tail::ELEMENT,
            })
            .within(T::TAIL_NAME));
        };
        let mut words: Arc<[u128]> = core::iter::repeat_n(0, size.div_ceil(16)).collect();
        if let Some(words) = Arc::get_mut(&mut words) {
            let (head, rest) = words.as_mut_bytes().split_at_mut(T::SIZE);
            head.copy_from_slice(T::Head::DEFAULT.as_ref());
            fill(head, &mut rest[..tail]);
        }
        let bytes = &words.as_bytes()[..size];
        T::Head::check(&bytes[..T::SIZE])?;
        T::Tail::check(&bytes[T::SIZE..T::SIZE + tail])
            .map_err(|invalid| invalid.within(T::TAIL_NAME))?;
        let Ok(view) = T::try_ref_from_bytes_with_elems(bytes, count) else {
            return Err(Invalid::new(Fault::Value));
        };
        Ok(Self {
            view: NonNull::from(view),
            len: T::SIZE + tail,
            words,
        })
    }

    /// One of our own making, as if it had been received.
    ///
    /// # Panics
    /// When its bytes are more than there can be in one object.
    pub fn new(head: &T::Head, tail: &T::Tail) -> Self {
        let tail = tail.as_bytes();
        Self::fill(tail.len(), |head_place, tail_place| {
            head_place.copy_from_slice(head.as_bytes());
            tail_place.copy_from_slice(tail);
        })
        .unwrap_or_else(|invalid| panic!("{invalid}"))
    }

    /// Its bytes, as they travel.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.words.as_bytes()[..self.len]
    }
}

impl<T: Tailed + ?Sized> Deref for Received<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: made from a reference into `words`, which nobody can write any more (the only `get_mut` was before it) and which `self`
        // keeps, in its place, for longer than the reference that is returned. `T` is `Immutable`: no interior mutability.
        unsafe { self.view.as_ref() }
    }
}

// SAFETY: it is an `Arc` of plain words and a shared reference into them.
unsafe impl<T: Tailed + ?Sized + Sync> Send for Received<T> {}
// SAFETY: as above.
unsafe impl<T: Tailed + ?Sized + Sync> Sync for Received<T> {}

impl<T: Tailed + ?Sized> Clone for Received<T> {
    fn clone(&self) -> Self {
        Self {
            words: Arc::clone(&self.words),
            view: self.view,
            len: self.len,
        }
    }
}

impl<T: Tailed + ?Sized + fmt::Debug> fmt::Debug for Received<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

impl<T: Tailed + ?Sized + PartialEq> PartialEq for Received<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Tailed + ?Sized + Eq> Eq for Received<T> {}

impl<T: Tailed + ?Sized> Payload for Received<T> {
    type Message = T;

    fn encoded(&self) -> &[u8] {
        self.bytes()
    }

    fn decode(parcel: &Parcel<'_>, index: usize) -> Result<Self, RecvError> {
        parcel.tailed(index)
    }
}
