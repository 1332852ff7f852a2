//! The ring of frames: 64-byte messages, each behind an 8-byte header that commits it. One of the two ways to build the
//! fastest ring without a shared tail index; `slots.rs` is the other, and a row's limit is the better of the two.
//!
//! Found on an AMD EPYC 9005 guest of two cores, million messages/s by how many pauses the receiver waits when it finds
//! the ring empty, before it polls again (256 KiB, release published 16 times per lap; "near": raw ping-pong 105 ns,
//! "far": 500 ns):
//!
//! | | cores | 0 | 8 | 32 | 128 | 256 | 512 |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | spin only | near | 52 to 64 | 116 | 160 to 172 | 190 to 197 | 195 | 197 to 200 |
//! | | far | 28 to 38 | | 75 to 90 | 85 to 100 | 93 to 100 | 99 |
//! | wake check | near | 46 | 84 | 97 | 104 | 106 | 107 |
//! | | far | 31 to 48 | | 58 to 70 | 66 to 77 | 76 | 78 |
//! | groups of 16 | near | 138 to 156 | 160 | 177 to 180 | 192 to 196 | | 198 |
//! | | far | 59 to 71 | | 73 to 80 | 82 to 92 | 90 to 98 | 96 |
//!
//! - Rings of less than 64 KiB lose with long waits: the sender fills them before the receiver looks again.
//! - The sender asks for the lines 1 KiB ahead before it needs them (`prefetchw`, *two* lines per message: frames of 72
//!   bytes skip every ninth line otherwise). On far cores that is worth a third to a half (spin only 74 without the
//!   second line and 54 without any, wake check 50 and 47, groups 73 and 57); on near cores it changes nothing.
//! - A prefetch in the receiver loses: it takes lines that the sender still writes.

use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::work::Link;
use super::commit::Commit;
use super::control::{Batches, RELEASED, START};
use super::{copy_in, copy_out, pauses, prefetch_to_write};

/// Pauses of a receiver that finds the ring empty.
pub(crate) const CHOICES: &[u32] = &[8, 32, 128, 512];

const PAYLOAD: usize = 64;
const FRAME: usize = 8 + PAYLOAD;
/// Bytes of the ring: a whole number of frames, about 256 KiB.
const RING: usize = 3640 * FRAME;
/// The receiver says how far it is once per so many bytes.
const STEP: u64 = (RING / 16) as u64;
/// A frame that begins so far behind what was released has room, and its terminator too.
const ROOM: u64 = (RING - 2 * FRAME) as u64;
const AHEAD: usize = 1024;

/// One end; `C` is how a message becomes visible.
#[derive(Debug)]
pub(crate) struct Frames<C> {
    area: Area,
    bell: OwnedFd,
    slip: u32,
    /// Bytes since the start, and where that is in the ring.
    position: u64,
    offset: usize,
    /// The sender: a frame that begins behind this has no room, as far as is known. The receiver: it says how far it is once it
    /// has come so far.
    until: u64,
    /// Where the open group begins.
    first: Option<usize>,
    batches: Batches,
    commit: PhantomData<C>,
}

impl<C> Frames<C> {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let area = kit.map(START + RING + 2 * AHEAD)?;
        let bell = kit.bells[side.peer().index()].try_clone()?;
        Ok(Self {
            area,
            bell,
            slip: 32,
            position: 0,
            offset: START,
            until: if side == Side::Lead { ROOM } else { STEP },
            first: None,
            batches: Batches::default(),
            commit: PhantomData,
        })
    }

    #[inline(always)]
    const fn behind(offset: usize) -> usize {
        if offset + FRAME == START + RING {
            START
        } else {
            offset + FRAME
        }
    }

    #[cold]
    fn wait_for_space(&mut self) {
        while self.position > self.until {
            pauses(1);
            // ORD: limit-release: the receiver has copied what is before it; partner: `recv` below.
            self.until = self.area.word(RELEASED).load(Acquire) + ROOM;
        }
    }
}

impl<C: Commit> Link for Frames<C> {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        if self.position > self.until {
            self.wait_for_space();
        }
        let (here, behind) = (self.offset, Self::behind(self.offset));
        prefetch_to_write(self.area.at(here + AHEAD));
        prefetch_to_write(self.area.at(here + AHEAD + 64));
        // ORD: limit-frame: relaxed, ordered before the header that commits; partner: `recv` below.
        self.area.word(behind).store(0, Relaxed);
        // SAFETY: a frame within the ring that the receiver has released, or has never been used.
        unsafe { copy_in(self.area.at(here + 8), &payload[..PAYLOAD]) };
        let header = self.area.word(here);
        if C::GROUPED {
            match self.first {
                None => self.first = Some(here),
                // ORD: limit-frame: relaxed, published by the group's first header; partner: `recv` below.
                Some(_) => header.store(FRAME as u64, Relaxed),
            }
        } else {
            C::commit(header, FRAME as u64, &self.area, &self.bell);
        }
        self.position += FRAME as u64;
        self.offset = behind;
    }

    #[inline(always)]
    fn publish(&mut self) {
        if let Some(first) = self.first.take() {
            // ORD: limit-frame: publishes the whole group; partner: `recv` below.
            self.area.word(first).store(FRAME as u64, Release);
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        // ORD: limit-frame: observes terminator and payload; partner: `send` and `publish` above.
        while self.area.word(self.offset).load(Acquire) != FRAME as u64 {
            pauses(self.slip);
        }
        // SAFETY: a committed frame within the ring, which the sender writes again only after its release.
        unsafe { copy_out(self.area.at(self.offset + 8), &mut payload[..PAYLOAD]) };
        self.position += FRAME as u64;
        self.offset = Self::behind(self.offset);
        if self.position >= self.until {
            self.until = self.position + STEP;
            // ORD: limit-release: everything before it has been copied out; partner: `wait_for_space` above.
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
