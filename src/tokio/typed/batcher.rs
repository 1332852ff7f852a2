//! A batcher of messages whose time is kept by the runtime.

use core::fmt;
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::IntoBytes;

use super::Sender;
use crate::batch::{Bounds, TypedBatcher};
use crate::connection::{Peer, Room, SendError};
use crate::tokio::attended::Attended;
use crate::tokio::batcher::{Unsettled, due, during};
use crate::typed::{self, Carries, Fixed, Messages, Tailed};

/// A [`ringway::tokio::Batcher`](crate::tokio::Batcher) of the messages of `M`: what is said there of what is kept back, and of who publishes it, is so here.
pub struct Batcher<M: Messages + ?Sized> {
    lane: Attended<TypedBatcher<M>>,
}

impl<M: Messages + ?Sized> Batcher<M> {
    /// Sends through `sender` from now on, which has nothing to settle ([`Sender::settle`]).
    ///
    /// # Errors
    /// A message that the sink was fed has no room yet: the sender is given back with it.
    pub fn new(mut sender: Sender<M>, bounds: Bounds) -> Result<Self, Unsettled<Sender<M>>> {
        if !sender.fed.has_settled() {
            return Err(Unsettled::new(sender));
        }
        let lane = sender.fed.into_lane();
        // SAFETY: a batcher owns its half, and this one is handed out to nobody.
        let lane = unsafe { lane.map(|half| TypedBatcher::new(half, bounds)) };
        Ok(Self { lane })
    }

    /// Accepts a copy of `message`, waiting for space. It is published at once or later.
    ///
    /// Cancel-safe: it is accepted by the poll that returns `Ok`.
    ///
    /// # Errors
    /// As for [`ringway::tokio::Sender::send`](crate::tokio::Sender::send). Nothing of `message` was sent then; what was accepted before it stays so.
    #[inline]
    pub async fn send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let send = |half: &mut TypedBatcher<M>| half.try_send(message);
        self.within(size_of::<T>(), send).await
    }

    /// Accepts what a receiver of `M` would give: a value of the enum, or a message with a variable part that was received. Cancel-safe, as [`Batcher::send`] is.
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    #[inline]
    pub async fn send_any(&mut self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        let send = |half: &mut TypedBatcher<M>| half.untyped().try_send_kind(kind, bytes);
        self.within(bytes.len(), send).await
    }

    /// Accepts a message with a variable part, from its two parts, waiting for space. Cancel-safe, as [`Batcher::send`] is.
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    pub async fn send_with<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let len = size_of::<T::Head>().saturating_add(tail.as_bytes().len());
        let send = |half: &mut TypedBatcher<M>| half.try_send_with::<T>(head, tail);
        self.within(len, send).await
    }

    /// As [`Batcher::send`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`], and everything that was accepted before is published then.
    #[inline]
    pub fn try_send<T: Fixed>(&mut self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane.at_once().try_send(message)
    }

    /// Publishes everything that was accepted.
    pub fn flush(&mut self) {
        self.lane.half.flush();
    }

    /// Whether messages were accepted that are not published yet.
    pub fn keeps_back(&mut self) -> bool {
        self.lane.half.untyped().keeps_back()
    }

    /// Waits until what is kept back is due, and publishes it; for ever, while nothing is. For `select!`, beside what the task awaits. Cancel-safe.
    pub async fn due(&mut self) {
        due(self.lane.at_once().untyped()).await;
    }

    /// Awaits `future`, and publishes in time what is kept back meanwhile. As cancel-safe as `future` is.
    pub async fn during<F: Future>(&mut self, future: F) -> F::Output {
        during(self.lane.at_once().untyped(), future).await
    }

    /// Publishes everything, and looks whether the peer's receiver is still there.
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.lane.half.untyped().check()
    }

    /// Who is at the other end.
    pub fn peer(&mut self) -> &Peer {
        self.lane.half.untyped().peer()
    }

    /// Publishes everything, and gives the sender back, which the runtime watches no more ([`Sender::new`]).
    pub fn into_inner(self) -> typed::Sender<M> {
        self.lane.into_inner().into_sender()
    }

    #[inline]
    async fn within(
        &mut self,
        len: usize,
        send: impl FnMut(&mut TypedBatcher<M>) -> Result<(), SendError> + Unpin,
    ) -> Result<(), SendError> {
        self.lane.until(Room::of(len), send).await?;
        self.lane.passed(len);
        Ok(())
    }
}

impl<M: Messages + ?Sized> AsFd for Batcher<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}

impl<M: Messages + ?Sized> fmt::Debug for Batcher<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Batcher").field(&self.lane.half).finish()
    }
}
