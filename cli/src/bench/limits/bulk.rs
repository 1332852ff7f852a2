//! Large messages by hand: memcpy into a slot, one index to publish it, memcpy out of it into a private buffer.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::super::kit::{Area, Kit};
use super::super::work::Link;
use super::control::{Batches, RELEASED, START, TAIL};
use super::{copy_in, copy_out, pauses};

/// Slots in use. Few keep the ring in the caches; many keep both sides busy.
pub(crate) const CHOICES: &[u32] = &[2, 3, 4, 8, 16];

const MOST_SLOTS: usize = 16;

/// One end of a ring of messages of `SIZE` bytes.
#[derive(Debug)]
pub(crate) struct Bulk<const SIZE: usize> {
    area: Area,
    slots: u64,
    position: u64,
    batches: Batches,
}

impl<const SIZE: usize> Bulk<SIZE> {
    pub(crate) fn new(kit: &Kit) -> io::Result<Self> {
        Ok(Self {
            area: kit.map(START + MOST_SLOTS * SIZE)?,
            slots: 4,
            position: 0,
            batches: Batches::default(),
        })
    }

    #[inline(always)]
    fn slot(&self) -> *mut u8 {
        self.area
            .at(START + (self.position % self.slots) as usize * SIZE)
    }
}

impl<const SIZE: usize> Link for Bulk<SIZE> {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        // ORD: limit-release: the receiver has copied the slot's last message; partner: `recv` below.
        while self.position - self.area.word(RELEASED).load(Acquire) == self.slots {
            pauses(1);
        }
        // SAFETY: a slot that the receiver has released, or that has never been used.
        unsafe { copy_in(self.slot(), &payload[..SIZE]) };
        self.position += 1;
        // ORD: limit-bulk: publishes the message; partner: `recv` below.
        self.area.word(TAIL).store(self.position, Release);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        // ORD: limit-bulk: observes the message; partner: `send` above.
        while self.area.word(TAIL).load(Acquire) == self.position {
            pauses(1);
        }
        // SAFETY: a published slot, which the sender writes again only after its release.
        unsafe { copy_out(self.slot(), &mut payload[..SIZE]) };
        self.position += 1;
        // ORD: limit-release: the message has been copied out; partner: `send` above.
        self.area.word(RELEASED).store(self.position, Release);
    }

    fn ack(&mut self) {
        self.batches.ack(&self.area);
    }

    fn await_ack(&mut self) {
        self.batches.await_ack(&self.area);
    }

    /// Between batches the ring is empty on both sides, so its slots may be dealt anew.
    fn tune(&mut self, choice: u32) {
        self.slots = u64::from(choice).clamp(1, MOST_SLOTS as u64);
    }
}
