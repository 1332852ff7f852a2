//! Sending messages that expire, in a task: see [`ringway::Sender::send_expiring`](crate::Sender::send_expiring).

use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::Sender;
use crate::connection::{Room, SendError};
use crate::typed::{self, Carries, Fixed, Messages, Reserved, Tailed};

impl<M: Messages + ?Sized> Sender<M> {
    /// Sends a copy of `message` that is worth nothing from `expires` on. Waits for space until then. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`ringway::tokio::Sender::send_expiring`](crate::tokio::Sender::send_expiring).
    pub async fn send_expiring<T: Fixed>(
        &mut self,
        message: &T,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let send = |half: &mut typed::Sender<M>| half.try_send_expiring(message, expires);
        let room = Room::of(size_of::<T>()).expiring();
        self.fed.in_time(room, expires, send).await
    }

    /// Sends any number of messages in one frame, all of which expire at the same moment. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`]: all of them must fit into one frame.
    pub async fn send_slice_expiring<T: Fixed>(
        &mut self,
        messages: &[T],
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let send = |half: &mut typed::Sender<M>| half.try_send_slice_expiring(messages, expires);
        let room = Room::of(size_of_val(messages)).expiring();
        self.fed.in_time(room, expires, send).await
    }

    /// Sends a message with a variable part, from its two parts, that expires. Cancel-safe, as [`Sender::send`] is.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub async fn send_with_expiring<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let len = size_of::<T::Head>().saturating_add(tail.as_bytes().len());
        let send =
            |half: &mut typed::Sender<M>| half.try_send_with_expiring::<T>(head, tail, expires);
        let room = Room::of(len).expiring();
        self.fed.in_time(room, expires, send).await
    }

    /// Space for one message that expires, to be filled in place; waits for it until then. Cancel-safe: the space is reserved by the poll that returns it.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`]; also [`SendError::Alignment`].
    pub async fn reserve_expiring<T: Fixed + FromBytes>(
        &mut self,
        expires: Instant,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let find = |half: &mut typed::Sender<M>| half.try_reserve_expiring::<T>(expires).map(drop);
        let room = Room::of(size_of::<T>())
            .aligned(typed::reserved_align::<T>())
            .expiring();
        self.fed.in_time(room, expires, find).await?;
        self.fed.lane.half.try_reserve_expiring(expires)
    }

    /// As [`Sender::send_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_expiring<T: Fixed>(
        &mut self,
        message: &T,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.fed.at_once()?.try_send_expiring(message, expires)
    }
}
