//! The half that sends messages, in a task.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::{FromBytes, IntoBytes};

use crate::connection::{Peer, Room, SendError};
use crate::error::Error;
use crate::tokio::feeding::Feeding;
use crate::typed::{self, Carries, Fixed, Messages, Reserved, Tailed};

/// The half that sends the messages of `M`, in a task: [`ringway::typed::Sender`](crate::typed::Sender), whose waits are futures.
///
/// As a [`Sink`](futures_sink::Sink) it takes what a receiver of `M` gives: a message, or a value of the enum. What was fed is published as that of
/// [`ringway::tokio::Sender`](crate::tokio::Sender) is.
pub struct Sender<M: Messages + ?Sized> {
    pub(super) fed: Feeding<typed::Sender<M>>,
}

impl<M: Messages + ?Sized> Sender<M> {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: typed::Sender<M>) -> Result<Self, Error> {
        Feeding::new(half).map(|fed| Self { fed })
    }

    /// Sends a copy of `message`, waiting for space.
    ///
    /// Cancel-safe: it is committed by the poll that returns `Ok`, so that of a call that was dropped nothing was sent.
    ///
    /// # Errors
    /// As for [`ringway::tokio::Sender::send`](crate::tokio::Sender::send).
    #[inline]
    pub async fn send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let send = |half: &mut typed::Sender<M>| half.try_send(message);
        self.within(size_of::<T>(), send).await
    }

    /// Sends what a receiver of `M` would give: a value of the enum, or a message with a variable part that was received. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn send_any(&mut self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        let send = |half: &mut typed::Sender<M>| half.untyped().try_send_kind(kind, bytes);
        self.within(bytes.len(), send).await
    }

    /// Sends any number of messages in one frame, waiting for space. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`Sender::send`]: all of them must fit into one frame ([`ringway::typed::Sender::max_batch`](crate::typed::Sender::max_batch)).
    #[inline]
    pub async fn send_slice<T: Fixed>(&mut self, messages: &[T]) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let send = |half: &mut typed::Sender<M>| half.try_send_slice(messages);
        self.within(size_of_val(messages), send).await
    }

    /// Sends a message with a variable part, from its two parts, waiting for space. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn send_with<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let len = size_of::<T::Head>().saturating_add(tail.as_bytes().len());
        let send = |half: &mut typed::Sender<M>| half.try_send_with::<T>(head, tail);
        self.within(len, send).await
    }

    /// Space for one message, to be filled in place; waits for it. Cancel-safe: the space is reserved by the poll that returns it.
    ///
    /// # Errors
    /// As for [`ringway::typed::Sender::reserve`](crate::typed::Sender::reserve).
    #[inline]
    pub async fn reserve<T: Fixed + FromBytes>(&mut self) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let room = Room::of(size_of::<T>()).aligned(typed::reserved_align::<T>());
        let find = |half: &mut typed::Sender<M>| half.try_reserve::<T>().map(drop);
        self.fed.settle().await?;
        self.fed.lane.until(room, find).await?;
        self.fed.lane.passed(room.len());
        self.fed.lane.at_once().try_reserve()
    }

    /// Sends a copy of `message` if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.fed.at_once()?.try_send(message)
    }

    /// Whether the peer's receiver is still there: see [`ringway::Sender::check`](crate::Sender::check).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.fed.lane.half.check()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.fed.lane.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &typed::Sender<M> {
        &self.fed.lane.half
    }

    /// Publishes what the sink was fed, waiting for room for a message that there was none for. A plain send needs no flush. Cancel-safe.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn settle(&mut self) -> Result<(), SendError> {
        self.fed.settle().await
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task. What was fed is published, but for a message that there is no room for: that is given back.
    pub fn into_inner(self) -> (typed::Sender<M>, Option<M::Received>) {
        self.fed.into_inner()
    }

    #[inline]
    pub(super) async fn within(
        &mut self,
        len: usize,
        send: impl FnMut(&mut typed::Sender<M>) -> Result<(), SendError> + Unpin,
    ) -> Result<(), SendError> {
        self.fed.settle().await?;
        self.fed.lane.until(Room::of(len), send).await?;
        self.fed.lane.passed(len);
        Ok(())
    }
}

impl<M: Messages + ?Sized> AsFd for Sender<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fed.lane.half.as_fd()
    }
}

impl<M: Messages + ?Sized> fmt::Debug for Sender<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Sender")
            .field(&self.fed.lane.half)
            .finish()
    }
}
