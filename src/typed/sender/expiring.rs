//! Messages that expire: see [`ringway::Sender::send_expiring`](crate::Sender::send_expiring).

use std::time::{Duration, Instant};

use zerocopy::{FromBytes, IntoBytes};

use super::{Sender, part};
use crate::connection::SendError;
use crate::typed::message::{Carries, Fixed, Messages, Tailed};
use crate::typed::reserved::{self, Reserved};

impl<M: Messages + ?Sized> Sender<M> {
    /// Sends a copy of `message` that is worth nothing from `expires` on. Waits for space until then.
    ///
    /// # Errors
    /// As for [`ringway::Sender::send_expiring`](crate::Sender::send_expiring).
    pub fn send_expiring<T: Fixed>(
        &mut self,
        message: &T,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane
            .send_kind_expiring(M::KIND, message.as_bytes(), expires)
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
        self.lane
            .try_send_kind_expiring(M::KIND, message.as_bytes(), expires)
    }

    /// Sends any number of messages in one frame, all of which expire at the same moment: see [`Sender::send_slice`].
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`]: all of them must fit into one frame.
    pub fn send_slice_expiring<T: Fixed>(
        &mut self,
        messages: &[T],
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane
            .send_kind_expiring(M::KIND, messages.as_bytes(), expires)
    }

    /// As [`Sender::send_slice_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_slice_expiring<T: Fixed>(
        &mut self,
        messages: &[T],
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.lane
            .try_send_kind_expiring(M::KIND, messages.as_bytes(), expires)
    }

    /// As [`Sender::send_with_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_with_expiring<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let (head, tail) = (head.as_bytes(), part(tail));
        let len = head.len().saturating_add(tail.len());
        let place = self.lane.reserve_expiring_within(len, 8, expires, false)?;
        reserved::send_parts(place.kind(M::KIND), head, tail);
        Ok(())
    }

    /// Sends a message with a variable part, from its two parts, that expires.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub fn send_with_expiring<T: Tailed + ?Sized>(
        &mut self,
        head: &T::Head,
        tail: &T::Tail,
        expires: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let (head, tail) = (head.as_bytes(), part(tail));
        let len = head.len().saturating_add(tail.len());
        let place = self.lane.reserve_expiring(len, expires)?;
        reserved::send_parts(place.kind(M::KIND), head, tail);
        Ok(())
    }

    /// Space for one message that expires, to be filled in place; waits for it until then. It holds what an earlier frame left there: fill every field.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`]; also [`SendError::Alignment`].
    pub fn reserve_expiring<T: Fixed + FromBytes>(
        &mut self,
        expires: Instant,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let align = reserved::align::<T>();
        let place = self
            .lane
            .reserve_expiring_within(size_of::<T>(), align, expires, true)?;
        Ok(Reserved::new(place.kind(M::KIND)))
    }

    /// As [`Sender::reserve_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_reserve_expiring<T: Fixed + FromBytes>(
        &mut self,
        expires: Instant,
    ) -> Result<Reserved<'_, T>, SendError>
    where
        M: Carries<T>,
    {
        let align = reserved::align::<T>();
        let place = self
            .lane
            .reserve_expiring_within(size_of::<T>(), align, expires, false)?;
        Ok(Reserved::new(place.kind(M::KIND)))
    }

    /// How long the peer takes, at least, to read what is in the ring now: see [`ringway::Sender::queue_time`](crate::Sender::queue_time).
    pub fn queue_time(&mut self) -> Option<Duration> {
        self.lane.queue_time()
    }
}
