//! The exchange over a thousand lanes: each round trip is on the next one, whose pages are mapped by themselves, and both sides know the order.
//!
//! What is left of a crowd when nothing is asked but the transfer of lines: a page for each direction of each lane, more than the translation
//! caches of a core hold, and lines that were used a thousand round trips ago. Nobody has to be found among the others.
//!
//! On an Intel Xeon (Cascade Lake, 2.5 GHz) guest of two cores, shared with other work, a round trip took 2.1 times as long by this as by one lane (medians of the p50 of five rounds in
//! turns). Ringway's crowd took 3.6 times as long as one connection, and 2.7 times since the poller has at hand what its next answer will touch: 1.7 and then 1.2 times
//! this limit, with both sides spinning.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::ours::crowd::CROWD;
use super::super::work::Link;
use super::{FENCE_AND_PAUSE, FENCES, LINE, between_polls, copy_in, copy_out, gap_in_words};

/// Gaps between two polls.
pub(crate) const CHOICES: &[u32] = &[1, 4, FENCES + 1, FENCES + 2, FENCE_AND_PAUSE];

/// One of them in words.
pub(crate) fn way(choice: u32) -> String {
    format!("the next lane each time; {}", gap_in_words(choice))
}

/// One direction of a lane.
const PAGE: usize = 4096;
/// A word and a payload, in whole lines.
const SPAN: usize = 2 * LINE;
/// Messages of a direction of a lane until a place comes again.
const PLACES: usize = PAGE / SPAN;

/// One end. The client takes the lanes one after the other, and the server too.
#[derive(Debug)]
pub(crate) struct Lanes {
    areas: Vec<Area>,
    side: Side,
    gap: u32,
    sent: u64,
    received: u64,
}

impl Lanes {
    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let areas = (0..CROWD).map(|lane| kit.map_at(lane * 2 * PAGE, 2 * PAGE));
        Ok(Self {
            areas: areas.collect::<io::Result<_>>()?,
            side,
            gap: 1,
            sent: 0,
            received: 0,
        })
    }

    /// Where the message of that number lies.
    #[inline(always)]
    fn place(&self, side: Side, number: u64) -> (&Area, usize) {
        let lane = number as usize % CROWD;
        let place = number as usize / CROWD % PLACES;
        (&self.areas[lane], side.index() * PAGE + place * SPAN)
    }
}

impl Link for Lanes {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        self.sent += 1;
        let (area, offset) = self.place(self.side, self.sent);
        // SAFETY: behind the word of a place of ours; the peer reads it once the word changes.
        unsafe { copy_in(area.at(offset + 8), &payload[..LINE]) };
        // ORD: limit-lanes: publishes the payload; partner: `recv` below, in the other process.
        area.word(offset).store(self.sent, Release);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        self.received += 1;
        let (area, offset) = self.place(self.side.peer(), self.received);
        // ORD: limit-lanes: observes the payload; partner: `send` above, in the other process.
        while area.word(offset).load(Acquire) != self.received {
            between_polls(self.gap);
        }
        // SAFETY: the peer wrote these bytes before the word, and writes the place again after our reply.
        unsafe { copy_out(area.at(offset + 8), &mut payload[..LINE]) };
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}

    fn tune(&mut self, choice: u32) {
        self.gap = choice;
    }
}
