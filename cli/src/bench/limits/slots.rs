//! The ring of slots: 64-byte messages that each fill a cache line exactly, and a tail index that the receiver looks at
//! only when it has read everything that it knows of. The other way to build the fastest ring; see `frames.rs`.
//!
//! Found on the same machine, million messages/s by the receiver's wait in pauses (4096 slots; near and far as there):
//!
//! | | cores | 0 | 8 | 32 | 128 | 512 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | spin only | near | 79 | 140 | 174 | 163 to 181 | 185 |
//! | | far | 13 to 15 | 17 | 51 to 58 | 81 to 92 | 108 to 115 |
//! | wake check | near | 31 | 55 | 90 | 94 to 101 | 108 |
//! | | far | 10 | 14 | 23 | 60 | 79 to 83 |
//! | groups of 16 | near | 181 to 198 | 191 | 198 to 208 | 211 | |
//! | | far | 67 to 74 | 75 | 81 to 87 | 95 to 104 | 119 to 121 |
//!
//! Slots lose near and win far, where the eight bytes of a header are a ninth of the traffic. Lines are asked for
//! 1.5 KiB ahead; without it, far cores reach half.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::work::Link;
use super::commit::Commit;
use super::control::{Batches, RELEASED, START, TAIL};
use super::{LINE, copy_in, copy_out, pauses, prefetch_to_write};

/// Pauses of a receiver that finds the ring empty.
pub(crate) const CHOICES: &[u32] = &[8, 32, 128, 512];

const SLOTS: u64 = 4096;
/// The receiver says how far it is once per so many messages.
const STEP: u64 = SLOTS / 16;
const AHEAD: usize = 1536;

/// One end; `C` is how a message becomes visible. `ASK`: lines are asked for ahead, as between two cores they must be.
#[derive(Debug)]
pub(crate) struct Slots<C, const ASK: bool> {
    area: Area,
    bell: OwnedFd,
    slip: u32,
    /// Messages since the start.
    position: u64,
    /// The sender's last look at, and the receiver's last word on, how far the receiver is.
    released: u64,
    /// The receiver's last look at how far the sender is.
    tail: u64,
    batches: Batches,
    commit: PhantomData<C>,
}

impl<C, const ASK: bool> Slots<C, ASK> {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let area = kit.map(START + SLOTS as usize * LINE + 2 * AHEAD)?;
        let bell = kit.bells[side.peer().index()].try_clone()?;
        Ok(Self {
            area,
            bell,
            slip: 32,
            position: 0,
            released: 0,
            tail: 0,
            batches: Batches::default(),
            commit: PhantomData,
        })
    }

    #[inline(always)]
    const fn offset(position: u64) -> usize {
        START + (position % SLOTS) as usize * LINE
    }
}

impl<C: Commit, const ASK: bool> Link for Slots<C, ASK> {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        while self.position == self.released + SLOTS {
            pauses(1);
            // ORD: limit-release: the receiver has copied what is before it; partner: `recv` below.
            self.released = self.area.word(RELEASED).load(Acquire);
        }
        let slot = Self::offset(self.position);
        if ASK {
            prefetch_to_write(self.area.at(slot + AHEAD));
        }
        // SAFETY: a slot that the receiver has released, or that has never been used.
        unsafe { copy_in(self.area.at(slot), &payload[..LINE]) };
        self.position += 1;
        C::commit(self.area.word(TAIL), self.position, &self.area, &self.bell);
    }

    #[inline(always)]
    fn publish(&mut self) {
        if C::GROUPED {
            // ORD: limit-slot: publishes the whole group; partner: `recv` below.
            self.area.word(TAIL).store(self.position, Release);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        while self.tail == self.position {
            // ORD: limit-slot: observes the payloads; partner: `send` and `publish` above.
            self.tail = self.area.word(TAIL).load(Acquire);
            if self.tail == self.position {
                pauses(self.slip);
            }
        }
        // SAFETY: a published slot, which the sender writes again only after its release.
        unsafe {
            copy_out(
                self.area.at(Self::offset(self.position)),
                &mut payload[..LINE],
            );
        };
        self.position += 1;
        if self.position - self.released >= STEP {
            self.released = self.position;
            // ORD: limit-release: everything before it has been copied out; partner: `send` above.
            self.area.word(RELEASED).store(self.position, Release);
        }
    }

    fn ack(&mut self) {
        self.batches.ack(&self.area);
    }

    fn await_ack(&mut self) {
        self.batches.await_ack(&self.area);
    }

    fn tune(&mut self, choice: u32) {
        self.slip = choice;
    }
}
