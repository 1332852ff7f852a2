//! A batcher of messages.

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use zerocopy::IntoBytes;

use super::batcher::{Batcher, Patience};
use super::bounds::Bounds;
use crate::connection::SendError;
use crate::typed::{self, Carries, Fixed, Messages, Part, Tailed};

/// A [`Batcher`] of the messages of `M`.
pub struct TypedBatcher<M: ?Sized> {
    lane: Batcher,
    of: PhantomData<fn(&M)>,
}

impl<M: Messages + ?Sized> TypedBatcher<M> {
    /// Sends through `sender` from now on.
    pub fn new(sender: typed::Sender<M>, bounds: Bounds) -> Self {
        Self {
            lane: Batcher::new(sender.into_untyped(), bounds),
            of: PhantomData,
        }
    }

    /// Accepts a copy of `message`, waiting for space.
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    #[inline(always)]
    pub fn send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.send_kind(M::KIND, message.as_bytes())
    }

    /// As [`TypedBatcher::send`], waiting for space until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_deadline<T: Fixed>(
        &mut self,
        message: &T,
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane
            .send_kind_deadline(M::KIND, message.as_bytes(), deadline)
    }

    /// As [`TypedBatcher::send`] if there is space now. Never waits.
    ///
    /// # Errors
    /// As for [`Batcher::try_send`].
    #[inline(always)]
    pub fn try_send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.try_send_kind(M::KIND, message.as_bytes())
    }

    /// Accepts what a receiver of `M` would give: see [`typed::Sender::send_any`].
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    pub fn send_any(&mut self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.lane.send_kind(kind, bytes)
    }

    /// As [`TypedBatcher::send_any`], waiting for space until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_any_deadline(
        &mut self,
        message: &M::Received,
        deadline: Instant,
    ) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.lane.send_kind_deadline(kind, bytes, deadline)
    }

    /// Accepts a message with a variable part, from its two parts, waiting for space.
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    pub fn send_with<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.put(M::KIND, head.as_bytes(), part(tail), Some(None))
    }

    /// As [`TypedBatcher::send_with`], waiting for space until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_with_deadline<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.put(M::KIND, head.as_bytes(), part(tail), Some(Some(deadline)))
    }

    /// As [`TypedBatcher::send_with`] if there is space now. Never waits.
    ///
    /// # Errors
    /// As for [`Batcher::try_send`].
    pub fn try_send_with<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.put(M::KIND, head.as_bytes(), part(tail), None)
    }

    fn put(
        &mut self,
        kind: u16,
        head: &[u8],
        tail: &[u8],
        wait: Patience,
    ) -> Result<(), SendError> {
        let len = head.len().saturating_add(tail.len());
        self.lane.accept_filled(kind, len, wait, |place| {
            // Empty in a child of a fork, whose commit does nothing.
            if let Some((front, back)) = place.split_at_mut_checked(head.len()) {
                front.copy_from_slice(head);
                back.copy_from_slice(tail);
            }
        })
    }

    /// The batcher of bytes: for flushing, its deadline and its sender. What is sent with it should be messages of `M`; the peer checks them.
    pub fn untyped(&mut self) -> &mut Batcher {
        &mut self.lane
    }

    /// Publishes everything that was accepted.
    pub fn flush(&mut self) {
        self.lane.flush();
    }

    /// As [`Batcher::deadline`].
    pub fn deadline(&self) -> Option<Instant> {
        self.lane.deadline()
    }

    /// As [`Batcher::flush_due`].
    pub fn flush_due(&mut self, now: Instant) -> bool {
        self.lane.flush_due(now)
    }

    /// Publishes everything, and gives the sender back.
    pub fn into_sender(self) -> typed::Sender<M> {
        typed::Sender::new(self.lane.into_sender())
    }
}

/// The bytes of a variable part.
fn part<P: Part + ?Sized>(part: &P) -> &[u8] {
    part.as_bytes()
}

impl<M: ?Sized> AsFd for TypedBatcher<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.as_fd()
    }
}

impl<M: ?Sized> fmt::Debug for TypedBatcher<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("TypedBatcher").field(&self.lane).finish()
    }
}
