//! Space in the ring that is filled in place, and groups of frames that become visible together.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::time::Instant;

use super::outcome::SendError;
use super::sender::Sender;
use crate::ring::Slot;

/// Space for one frame in the ring, as a byte slice. Dropping it without a commit aborts it: nothing is sent.
///
/// The bytes hold what an earlier frame left there. The peer can see them while they are being written, and after an abort. In a forked child it is empty, and a commit does nothing.
#[derive(Debug)]
#[must_use = "a reservation that is dropped without `commit` sends nothing"]
pub struct Reservation<'a> {
    sender: &'a mut Sender,
    slot: Slot,
    bytes: NonNull<[u8]>,
    kind: u16,
    how: How,
}

/// How it is finished.
#[derive(Clone, Copy, Debug)]
enum How {
    Lone,
    Grouped,
    /// It has an extension: when it expires, on the host's clock.
    Expiring {
        at: u64,
        grouped: bool,
    },
}

impl<'a> Reservation<'a> {
    #[inline]
    pub(crate) fn new(sender: &'a mut Sender, slot: Slot, grouped: bool) -> Self {
        let how = if grouped { How::Grouped } else { How::Lone };
        let (place, len) = (slot.payload_place(), slot.payload() as usize);
        // SAFETY: these are the slot's payload.
        unsafe { Self::of(sender, slot, place, len, how) }
    }

    /// One that expires at `at`, on the host's clock. Its slot has an extension.
    pub(crate) fn expiring(sender: &'a mut Sender, slot: Slot, at: u64, grouped: bool) -> Self {
        let (place, len) = slot.expiring_place();
        let how = How::Expiring { at, grouped };
        // SAFETY: these are what the slot's payload has behind its extension.
        unsafe { Self::of(sender, slot, place, len, how) }
    }

    /// # Safety
    /// The place and as many bytes are inside of what `slot` reserves for the payload, and `slot` was just handed out by this sender's lane.
    #[inline(always)]
    unsafe fn of(
        sender: &'a mut Sender,
        slot: Slot,
        (origin, offset): (u64, u64),
        len: usize,
        how: How,
    ) -> Self {
        // SAFETY: `slot` was just handed out by this sender's lane, so the range is free and in bounds; the borrow of the sender
        // keeps any other slice from being made.
        let bytes = unsafe { sender.lane.ring_mut().slice_mut(origin, offset, len) };
        let bytes = NonNull::from(bytes);
        Self {
            sender,
            slot,
            bytes,
            kind: 0,
            how,
        }
    }

    /// Gives the frame a number, which the receiver sees as `Frame::kind`.
    #[inline]
    pub fn kind(mut self, kind: u16) -> Self {
        self.kind = kind;
        self
    }

    /// Sends all of it.
    #[inline]
    pub fn commit(self) {
        let all = self.bytes.len() as u32;
        self.finish(all);
    }

    /// Sends the first `len` bytes.
    ///
    /// # Panics
    /// When `len` exceeds what was reserved.
    #[inline]
    #[track_caller]
    pub fn commit_len(self, len: usize) {
        assert!(
            len <= self.bytes.len(),
            "commit of {len} bytes, {} were reserved",
            self.bytes.len()
        );
        self.finish(len as u32);
    }

    #[inline(always)]
    fn finish(self, payload: u32) {
        if self.sender.is_forked() {
            return;
        }
        let lane = &mut self.sender.lane;
        let published = match self.how {
            How::Lone => lane.commit(&self.slot, payload, self.kind),
            How::Grouped => return lane.append(&self.slot, payload, self.kind),
            How::Expiring { at, grouped: true } => {
                return lane.append_expiring(&self.slot, payload, self.kind, at);
            }
            How::Expiring { at, .. } => lane.commit_expiring(&self.slot, payload, self.kind, at),
        };
        self.sender.published(published);
    }
}

impl Deref for Reservation<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if self.sender.is_forked() {
            return &[];
        }
        // SAFETY: made from a unique slice of memory that only this process can write; it lives and stays unique as long as `self`.
        unsafe { self.bytes.as_ref() }
    }
}

impl DerefMut for Reservation<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        if self.sender.is_forked() {
            return &mut [];
        }
        // SAFETY: as in `deref`, and `self` is borrowed uniquely.
        unsafe { self.bytes.as_mut() }
    }
}

/// Frames that become visible together, with one store. Dropping it publishes it; so does waiting for space.
///
/// Nothing in an open group is committed: if this process is killed before the publish, the peer sees none of it.
///
/// A group that is leaked (`mem::forget`) is published by the sender's next call that sends, reserves, arms or opens a group. If the
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

    /// As [`Group::reserve`], with the payload's address a multiple of `align`. `wait`: `None` does not, `Some(None)` waits for ever.
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
