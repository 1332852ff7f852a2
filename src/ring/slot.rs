//! What a producer answers to a wish for space: a slot, or a refusal.

use crate::layout::extension::EXTENSION;
use crate::layout::header::HEADER;
use crate::layout::violation::Violation;

/// Space for one frame, handed out by [`Producer::try_reserve`](super::Producer::try_reserve) and taken back by a commit. Dropping it aborts: nothing was written
/// that a reader could see.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Where the operation starts: the pad's header if there is one, else the frame's.
    pub(super) origin: u64,
    /// Bytes of pad before the frame.
    pub(super) pad: u64,
    /// Payload bytes reserved.
    pub(super) payload: u32,
}

impl Slot {
    /// Position and offset of the payload, for writing in place.
    pub(crate) fn payload_place(&self) -> (u64, u64) {
        (self.origin, self.pad + HEADER)
    }

    /// The same of a slot with an extension, and the bytes behind that.
    pub(crate) fn expiring_place(&self) -> ((u64, u64), usize) {
        let len = (u64::from(self.payload) - EXTENSION) as usize;
        ((self.origin, self.pad + HEADER + EXTENSION), len)
    }

    /// Payload bytes reserved, an extension's among them.
    pub(crate) fn payload(&self) -> u32 {
        self.payload
    }
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no room now. There will be, once the consumer has released enough.
    Full,
    /// There will never be room: the payload, in bytes, and the most that is certain to fit.
    TooLarge { payload: usize, most: u64 },
    /// The alignment is not one that the handshake allowed for.
    Alignment { asked: usize, most: u32 },
    /// The peer broke a rule; the lane is over.
    Broken(Violation),
    /// The lane was shut earlier ([`Producer::shut`](super::Producer::shut)).
    Shut,
}
