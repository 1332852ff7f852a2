//! The one-line exchange: a sequence word and up to 56 bytes of payload in one cache line for each direction.
//!
//! Found on an AMD EPYC 9005 guest of two cores (ns per round trip, payload 8 / 56 bytes), by pauses between two
//! polls:
//!
//! | cores | lines | 0 | 1 | 2 | 3 | 4 | 6 |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | near | 1 | 117 / 115 | 64 / 58 | 94 / 99 | 118 / 130 | 138 / 160 | 181 / 205 |
//! | near | 16 | 120 / 117 | 61 / 84 | | | | |
//! | far | 1 | 500 / 495 | 440 / 430 | 425 / 430 | 400 / 410 | 340 / 410 | 415 / 420 |
//! | far | 16 | 545 / 540 | 380 / 375 | 342 / 340 | 300 / 305 | 300 / 295 | 310 / 320 |
//!
//! A poll that comes too early takes the line away from the peer that is about to write it, and the round trip then
//! costs four transfers in place of two. So the wait between polls is worth a factor of two, and its best length
//! grows with the distance. Waiting before the first poll, or asking for the next line early (`prefetchw`), gained
//! nothing.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::work::Link;
use super::{LINE, copy_in, copy_out, pauses};

/// Lines of a direction that takes a new line for each message.
const LINES: usize = 16;

/// Pauses between two polls; plus [`ALTERNATE`] to use a new line for each message.
pub(crate) const CHOICES: &[u32] = &[
    0,
    1,
    2,
    4,
    ALTERNATE,
    ALTERNATE + 1,
    ALTERNATE + 2,
    ALTERNATE + 3,
    ALTERNATE + 4,
];

const ALTERNATE: u32 = 100;

/// One end of the exchange.
#[derive(Debug)]
pub(crate) struct Line {
    area: Area,
    side: Side,
    gap: u32,
    mask: usize,
    sent: u64,
    received: u64,
}

impl Line {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        Ok(Self {
            area: kit.map(2 * LINES * LINE)?,
            side,
            gap: 1,
            mask: 0,
            sent: 0,
            received: 0,
        })
    }

    #[inline(always)]
    fn offset(&self, side: Side, number: u64) -> usize {
        (side.index() * LINES + (number as usize & self.mask)) * LINE
    }
}

impl Link for Line {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        self.sent += 1;
        let offset = self.offset(self.side, self.sent);
        // SAFETY: at most 56 bytes behind the sequence word of a line of ours; the peer reads them once it changes.
        unsafe { copy_in(self.area.at(offset + 8), payload) };
        // ORD: limit-line: publishes the payload; partner: `recv` below, in the other process.
        self.area.word(offset).store(self.sent, Release);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        self.received += 1;
        let offset = self.offset(self.side.peer(), self.received);
        // ORD: limit-line: observes the payload; partner: `send` above, in the other process.
        while self.area.word(offset).load(Acquire) != self.received {
            pauses(self.gap);
        }
        // SAFETY: the peer wrote these bytes before the sequence word, and writes the line again after our reply.
        unsafe { copy_out(self.area.at(offset + 8), payload) };
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}

    fn tune(&mut self, choice: u32) {
        self.gap = choice % ALTERNATE;
        self.mask = if choice >= ALTERNATE { LINES - 1 } else { 0 };
    }
}
