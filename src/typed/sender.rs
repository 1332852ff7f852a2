//! The half that sends messages.

mod expiring;

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::group::Group;
use super::message::{Carries, Fixed, Messages, Part, Patience, Tailed};
use super::reserved::{self, Reserved};
use super::shared::SharedSender;
use crate::connection::{self, Peer, SendError};

/// The half that sends the messages of `M`. One thread at a time uses it; it may be sent to another.
///
/// What holds for the half that sends bytes holds here: see [`ringway::Sender`](crate::Sender), above all what `Ok` means.
pub struct Sender<M: ?Sized> {
    pub(super) lane: connection::Sender,
    of: PhantomData<fn(&M)>,
}

impl<M: Messages + ?Sized> Sender<M> {
    pub(crate) fn new(lane: connection::Sender) -> Self {
        Self {
            lane,
            of: PhantomData,
        }
    }

    /// Sends a copy of `message`, waiting for space.
    ///
    /// # Errors
    /// As for [`ringway::Sender::send`](crate::Sender::send).
    #[inline(always)]
    pub fn send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.send_kind(M::KIND, message.as_bytes())
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
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

    /// As [`Sender::send`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline(always)]
    pub fn try_send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.try_send_kind(M::KIND, message.as_bytes())
    }

    /// Sends what a receiver of `M` would give: a value of the enum, or a message with a variable part that was received.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub fn send_any(&mut self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.lane.send_kind(kind, bytes)
    }

    /// As [`Sender::send_any`], until `deadline`.
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

    /// Sends any number of messages in one frame, waiting for space: one header for all of them, and one copy. The peer takes them with
    /// [`Receiver::recv_batch`](super::Receiver::recv_batch). None at all are a frame too, which Python takes for no message.
    ///
    /// # Errors
    /// As for [`Sender::send`]: all of them must fit into one frame ([`Sender::max_batch`]).
    #[inline]
    pub fn send_slice<T: Fixed>(&mut self, messages: &[T]) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.send_kind(M::KIND, messages.as_bytes())
    }

    /// As [`Sender::send_slice`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_slice_deadline<T: Fixed>(
        &mut self,
        messages: &[T],
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane
            .send_kind_deadline(M::KIND, messages.as_bytes(), deadline)
    }

    /// As [`Sender::send_slice`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_slice<T: Fixed>(&mut self, messages: &[T]) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.try_send_kind(M::KIND, messages.as_bytes())
    }

    /// The most messages of a type that one frame can hold.
    pub fn max_batch<T: Fixed>(&self) -> usize
    where
        M: Carries<T>,
    {
        self.lane.max_payload() / size_of::<T>().max(1)
    }

    /// Sends a message with a variable part, from its two parts, waiting for space.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
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

    /// As [`Sender::send_with`], until `deadline`.
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

    /// As [`Sender::send_with`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
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

    #[inline]
    fn put(
        &mut self,
        kind: u16,
        head: &[u8],
        tail: &[u8],
        wait: Patience,
    ) -> Result<(), SendError> {
        let len = head.len().saturating_add(tail.len());
        let place = match wait {
            None => self.lane.try_reserve(len)?,
            Some(None) => self.lane.reserve(len)?,
            Some(Some(deadline)) => self.lane.reserve_deadline(len, deadline)?,
        };
        reserved::send_parts(place.kind(kind), head, tail);
        Ok(())
    }

    /// Space for one message, to be filled in place; waits for it. It holds what an earlier frame left there: fill every field.
    ///
    /// # Errors
    /// As for [`ringway::Sender::reserve_aligned`](crate::Sender::reserve_aligned).
    #[inline]
    pub fn reserve<T: Fixed + FromBytes>(&mut self) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        self.reserve_within(Some(None))
    }

    /// As [`Sender::reserve`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn reserve_deadline<T: Fixed + FromBytes>(
        &mut self,
        deadline: Instant,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        self.reserve_within(Some(Some(deadline)))
    }

    /// As [`Sender::reserve`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve<T: Fixed + FromBytes>(&mut self) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        self.reserve_within(None)
    }

    #[inline]
    fn reserve_within<T: Fixed + FromBytes>(
        &mut self,
        wait: Patience,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let align = reserved::align::<T>();
        let place = self.lane.reserve_within(size_of::<T>(), align, wait)?;
        Ok(Reserved::new(place.kind(M::KIND)))
    }

    /// Opens a group: messages that become visible together, with one store.
    #[inline]
    pub fn group(&mut self) -> Group<'_, M> {
        Group::new(self.lane.group())
    }

    /// A sender for several threads, at the price of a mutex.
    pub fn shared(self) -> SharedSender<M> {
        SharedSender::new(self)
    }

    /// Whether the peer's receiver is still there: see [`ringway::Sender::check`](crate::Sender::check).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.lane.check()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.peer()
    }

    pub(crate) fn into_untyped(self) -> connection::Sender {
        self.lane
    }

    /// The half that sends bytes: for what has no typed form, such as an event loop. What is sent with it should be messages of `M`; the peer
    /// checks them.
    pub fn untyped(&mut self) -> &mut connection::Sender {
        &mut self.lane
    }
}

/// The bytes of a variable part.
fn part<P: Part + ?Sized>(part: &P) -> &[u8] {
    part.as_bytes()
}

impl<M: ?Sized> AsFd for Sender<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.as_fd()
    }
}

impl<M: ?Sized> fmt::Debug for Sender<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Sender").field(&self.lane).finish()
    }
}
