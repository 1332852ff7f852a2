//! Space in the ring for one message.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use zerocopy::{FromBytes, IntoBytes};

use crate::connection::Reservation;

/// Space for one message in the ring, as a value of its type. Dropping it without a commit sends nothing.
///
/// The peer can see what is written here before it is committed, and after an abort.
///
/// # Panics
/// Reading or writing it panics in a child of the process that made the connection, where the ring is not mapped.
#[must_use = "a reservation that is dropped without `commit` sends nothing"]
pub struct Reserved<'a, T> {
    place: Reservation<'a>,
    of: PhantomData<T>,
}

impl<'a, T: FromBytes + IntoBytes> Reserved<'a, T> {
    pub(crate) fn new(place: Reservation<'a>) -> Self {
        Self {
            place,
            of: PhantomData,
        }
    }

    /// Sends the message.
    #[inline]
    pub fn commit(self) {
        self.place.commit();
    }
}

const FORKED: &str = "the ring is not mapped in a child of the process that made the connection";

impl<T: FromBytes + IntoBytes + zerocopy::KnownLayout + zerocopy::Immutable> Deref
    for Reserved<'_, T>
{
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::ref_from_bytes(&self.place).unwrap_or_else(|_| panic!("{FORKED}"))
    }
}

impl<T: FromBytes + IntoBytes + zerocopy::KnownLayout + zerocopy::Immutable> DerefMut
    for Reserved<'_, T>
{
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        T::mut_from_bytes(&mut self.place).unwrap_or_else(|_| panic!("{FORKED}"))
    }
}

impl<T> fmt::Debug for Reserved<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Reserved").field(&self.place).finish()
    }
}

/// What a message's place in the ring is a multiple of. Payloads lie at multiples of 8 by themselves.
pub(crate) const fn align<T>() -> usize {
    if align_of::<T>() > 8 {
        align_of::<T>()
    } else {
        8
    }
}

/// Sends a message that comes in two parts.
#[inline]
pub(crate) fn send_parts(mut place: Reservation<'_>, head: &[u8], tail: &[u8]) {
    // Empty in a child of a fork, whose commit does nothing.
    if let Some((front, back)) = place.split_at_mut_checked(head.len()) {
        front.copy_from_slice(head);
        back.copy_from_slice(tail);
    }
    place.commit();
}
