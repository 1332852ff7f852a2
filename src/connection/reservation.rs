//! Space in the ring that is filled in place.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

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
