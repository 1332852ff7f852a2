//! Messages in place, in the trusted mode.

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use zerocopy::FromBytes;

use super::error::RecvError;
use super::field::each;
use super::inbox::Parcel;
use super::invalid::{Fault, Invalid};
use super::message::Fixed;
use crate::connection::Frame;

/// The messages of one frame, in the peer's memory. Dropping it releases the frame.
pub struct View<'a, T> {
    frame: Frame<'a>,
    of: PhantomData<fn() -> T>,
}

impl<'a, T: Fixed + FromBytes> View<'a, T> {
    /// # Safety
    /// As for `Frame::as_trusted_slice`, as long as the view lives.
    pub(crate) unsafe fn new(parcel: Parcel<'a>, index: usize) -> Result<Self, RecvError> {
        let invalid = |fault| RecvError::from(Invalid::new(fault).of(T::NAME));
        let stride = parcel.fixed(index, T::NAME)?;
        let (len, expected) = (parcel.frame.len(), size_of::<T>());
        if stride != expected {
            return Err(invalid(Fault::Length {
                len: stride,
                expected,
            }));
        }
        if expected == 0 || len % expected != 0 {
            return Err(invalid(Fault::Elements {
                len,
                element: expected,
            }));
        }
        // SAFETY: the promise is the caller's.
        let bytes = unsafe { parcel.frame.as_trusted_slice() };
        if <[T]>::ref_from_bytes(bytes).is_err() {
            return Err(invalid(Fault::Alignment));
        }
        each::<T>(bytes).map_err(|invalid| invalid.of(T::NAME))?;
        Ok(Self {
            frame: parcel.frame.viewed(),
            of: PhantomData,
        })
    }
}

impl<T: Fixed + FromBytes> Deref for View<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: whoever made the view promised it for as long as it lives.
        let bytes = unsafe { self.frame.as_trusted_slice() };
        // Length and place suited when it was made.
        <[T]>::ref_from_bytes(bytes).unwrap_or_default()
    }
}

impl<T: Fixed + FromBytes + fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}
