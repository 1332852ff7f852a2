//! The half that receives messages.

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use zerocopy::FromBytes;

use super::batch::Batch;
use super::error::RecvError;
use super::inbox::Inbox;
use super::message::{Carries, Fixed, Messages, Patience};
use super::plan::Plan;
use super::view::View;
use crate::connection::{self, Peer};
use crate::error::Error;
use crate::schema::Schema;

/// The half that receives the messages of `M`. One thread at a time uses it; it may be sent to another.
///
/// Each message is copied out of the peer's memory and then checked, so that what is returned is a value of its type and stays as it is. A
/// frame that is no message is a [`RecvError::Invalid`] that says what is wrong with it; it is consumed, and the next call receives the one
/// behind it.
pub struct Receiver<M: ?Sized> {
    pub(super) inbox: Inbox,
    of: PhantomData<fn(&M)>,
}

impl<M: Messages + ?Sized> Receiver<M> {
    /// `theirs`: what the peer says that it sends. `None`: the same as ours.
    pub(crate) fn new(lane: connection::Receiver, theirs: Option<&Schema>) -> Self {
        let plan = Plan::new(M::SCHEMA, theirs);
        let first = M::RECORDS.first().map(|record| record.size as usize);
        Self {
            inbox: Inbox::new(lane, plan, first),
            of: PhantomData,
        }
    }

    pub(super) fn into_untyped(self) -> connection::Receiver {
        self.inbox.receiver
    }

    /// The next message, waiting for it: a value of the enum where the lane carries several types.
    ///
    /// # Errors
    /// How the connection ended, once everything that was sent has been received; [`RecvError::Invalid`].
    #[inline(always)]
    pub fn recv(&mut self) -> Result<M::Received, RecvError> {
        M::take(&mut self.inbox, Some(None))
    }

    /// As [`Receiver::recv`], until `deadline`.
    ///
    /// # Errors
    /// Also that there was none before the deadline.
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<M::Received, RecvError> {
        M::take(&mut self.inbox, Some(Some(deadline)))
    }

    /// The next message if there is one. Never waits.
    ///
    /// # Errors
    /// Also that there is none ([`RecvError::is_nothing_yet`]).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<M::Received, RecvError> {
        M::take(&mut self.inbox, None)
    }

    /// Copies the next message into `target`, waiting for it: the fastest way to receive plain numbers, as the message is not moved on. A
    /// frame of another message of the lane is an error here, and consumed.
    ///
    /// # Errors
    /// As for [`Receiver::recv`]. After [`RecvError::Invalid`] `target` may hold what came.
    #[inline(always)]
    pub fn recv_into<T: Fixed + FromBytes>(&mut self, target: &mut T) -> Result<(), RecvError>
    where
        M: Carries<T>,
    {
        self.inbox.fill(target, (M::KIND, M::INDEX), Some(None))
    }

    /// As [`Receiver::recv_into`], until `deadline`.
    ///
    /// # Errors
    /// Also that there was none before the deadline.
    #[inline]
    pub fn recv_into_deadline<T: Fixed + FromBytes>(
        &mut self,
        target: &mut T,
        deadline: Instant,
    ) -> Result<(), RecvError>
    where
        M: Carries<T>,
    {
        self.inbox
            .fill(target, (M::KIND, M::INDEX), Some(Some(deadline)))
    }

    /// As [`Receiver::recv_into`], without waiting.
    ///
    /// # Errors
    /// Also that there is none.
    #[inline(always)]
    pub fn try_recv_into<T: Fixed + FromBytes>(&mut self, target: &mut T) -> Result<(), RecvError>
    where
        M: Carries<T>,
    {
        self.inbox.fill(target, (M::KIND, M::INDEX), None)
    }

    /// All messages of the next frame, waiting for it: what [`Sender::send_slice`](super::Sender::send_slice) sent, or one alone. A frame of
    /// another message of the lane is an error here, and consumed.
    ///
    /// # Errors
    /// As for [`Receiver::recv`]. One message that is invalid makes the batch invalid, and so does an older peer's whose messages would take more
    /// than 1 GiB with the fields that it does not know.
    #[inline]
    pub fn recv_batch<T: Fixed>(&mut self) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        self.batch(Some(None))
    }

    /// As [`Receiver::recv_batch`], until `deadline`.
    ///
    /// # Errors
    /// Also that there was none before the deadline.
    pub fn recv_batch_deadline<T: Fixed>(
        &mut self,
        deadline: Instant,
    ) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        self.batch(Some(Some(deadline)))
    }

    /// As [`Receiver::recv_batch`], without waiting.
    ///
    /// # Errors
    /// Also that there is none.
    pub fn try_recv_batch<T: Fixed>(&mut self) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        self.batch(None)
    }

    #[inline]
    fn batch<T: Fixed>(&mut self, wait: Patience) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        self.inbox.batch(M::KIND, M::INDEX, wait)
    }

    /// All messages of the frame that `take` takes.
    #[cfg(feature = "tokio")]
    pub(crate) fn batch_in<T: Fixed>(
        &mut self,
        take: impl FnOnce(
            &mut connection::Receiver,
        ) -> Result<connection::Frame<'_>, connection::RecvError>,
    ) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        self.inbox.batch_in(M::KIND, M::INDEX, take)
    }

    /// The messages of the next frame in place, without a copy: the trusted mode. Waits for it. They are checked once, here; dropping the
    /// [`View`] releases the frame.
    ///
    /// # Errors
    /// As for [`Receiver::recv`]; also where the peer's layout is another than ours, which takes a copy to read.
    ///
    /// # Safety
    /// As for [`Frame::as_trusted_slice`](crate::Frame::as_trusted_slice): the peer must not change the bytes while the view lives, which only
    /// a peer can be trusted with that you would run in your own process; and a forked child must not use it.
    pub unsafe fn recv_trusted<T: Fixed + FromBytes>(&mut self) -> Result<View<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        let parcel = self.inbox.next(Some(None))?;
        if parcel.kind() != M::KIND {
            return Err(parcel.unknown());
        }
        // SAFETY: the promise is the caller's.
        unsafe { View::new(parcel, M::INDEX) }
    }

    /// `true`: messages that have expired are dropped from now on, before any way of receiving sees them: see
    /// [`ringway::Receiver::drop_expired`](crate::Receiver::drop_expired).
    ///
    /// # Errors
    /// As for that.
    pub fn drop_expired(&mut self, on: bool) -> Result<(), Error> {
        self.inbox.receiver.drop_expired(on)
    }

    /// Frames that were dropped because they had expired.
    pub fn expired(&self) -> u64 {
        self.inbox.receiver.expired()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.inbox.receiver.peer()
    }

    /// The priority of the message that was received last: see [`ringway::Receiver::last_priority`](crate::Receiver::last_priority).
    pub fn last_priority(&self) -> usize {
        self.inbox.receiver.last_priority()
    }

    /// The half that receives bytes: for what has no typed form, such as an event loop.
    pub fn untyped(&mut self) -> &mut connection::Receiver {
        &mut self.inbox.receiver
    }
}

impl<M: ?Sized> AsFd for Receiver<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inbox.receiver.as_fd()
    }
}

impl<M: ?Sized> fmt::Debug for Receiver<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Receiver").field(&self.inbox).finish()
    }
}
