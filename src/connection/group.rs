//! Groups of frames that become visible together.

use std::time::Instant;

use super::outcome::SendError;
use super::reservation::Reservation;
use super::sender::Sender;

/// Frames that become visible together, with one store. Dropping it publishes it; so does waiting for space.
///
/// Nothing in an open group is committed: if this process is killed before the publish, the peer sees none of it.
///
/// A group that is leaked (`mem::forget`) is published by the sender's next call that sends, reserves or arms, or with the next group. If the
/// sender is dropped before that, its frames are never sent. Where there are several priorities, the next such call at this one does it, or the end of the
/// [`AtPriority`](crate::AtPriority) that it was opened through.
#[derive(Debug)]
#[must_use = "frames in a group become visible when it is published or dropped"]
pub struct Group<'a> {
    sender: &'a mut Sender,
}

impl<'a> Group<'a> {
    #[inline]
    pub(crate) fn new(sender: &'a mut Sender) -> Self {
        Self { sender }
    }

    /// Adds a copy of `payload`, waiting for space.
    ///
    /// # Errors
    /// As for [`Sender::send`]; the frames added before stay in the group.
    #[inline(always)]
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.add(payload, 0, Some(None))
    }

    /// As [`Group::send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind).
    ///
    /// # Errors
    /// As for [`Group::send`].
    #[inline(always)]
    pub fn send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.add(payload, kind, Some(None))
    }

    /// As [`Group::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_deadline(&mut self, payload: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.add(payload, 0, Some(Some(deadline)))
    }

    /// As [`Group::send_kind`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn send_kind_deadline(
        &mut self,
        kind: u16,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.add(payload, kind, Some(Some(deadline)))
    }

    /// As [`Group::send`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.add(payload, 0, None)
    }

    /// As [`Group::try_send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind).
    ///
    /// # Errors
    /// As for [`Group::try_send`].
    #[inline]
    pub fn try_send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.add(payload, kind, None)
    }

    /// Adds a copy of `payload` that expires: [`Sender::send_expiring`]. Waits for space until then. What the group holds before it is not counted as queue.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`]; the frames added before stay in the group.
    pub fn send_expiring(&mut self, payload: &[u8], expires: Instant) -> Result<(), SendError> {
        self.sender.append_expiring(0, payload, expires)
    }

    /// As [`Group::send_expiring`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind).
    ///
    /// # Errors
    /// As for [`Group::send_expiring`].
    pub fn send_kind_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        self.sender.append_expiring(kind, payload, expires)
    }

    /// Space for one frame of the group that expires, to be filled in place; waits for it until then.
    ///
    /// # Errors
    /// As for [`Sender::reserve_expiring`].
    pub fn reserve_expiring(
        &mut self,
        len: usize,
        expires: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        let (slot, at) = self.sender.expiring_slot(len, 8, expires, true)?;
        Ok(Reservation::expiring(self.sender, slot, at, true))
    }

    /// Space for one frame of the group, to be filled in place; waits for it.
    ///
    /// # Errors
    /// As for [`Sender::reserve`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, 8, Some(None))
    }

    /// As [`Group::reserve`], with the payload's address a multiple of `align` on both sides.
    ///
    /// # Errors
    /// Also [`SendError::Alignment`].
    #[inline]
    pub fn reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, align, Some(None))
    }

    /// As [`Group::reserve`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn reserve_deadline(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, 8, Some(Some(deadline)))
    }

    /// As [`Group::reserve_aligned`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    pub fn reserve_aligned_deadline(
        &mut self,
        len: usize,
        align: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, align, Some(Some(deadline)))
    }

    /// As [`Group::reserve`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, 8, None)
    }

    /// As [`Group::reserve_aligned`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, align, None)
    }

    /// As [`Group::reserve_aligned`]. `wait`: `None` does not, `Some(None)` waits for ever.
    #[inline(always)]
    pub(crate) fn reserve_within(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.sender.slot(len, align, wait)?;
        Ok(Reservation::new(self.sender, slot, true))
    }

    /// Makes the group visible.
    pub fn publish(self) {}

    /// `wait` as in `reserve_within`.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        payload: &[u8],
        kind: u16,
        wait: Option<Option<Instant>>,
    ) -> Result<(), SendError> {
        self.sender.append(payload, kind, wait)
    }
}

impl Drop for Group<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.sender.is_forked() {
            self.sender.publish_group();
        }
    }
}
