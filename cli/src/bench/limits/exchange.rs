//! The exchange: an 8-byte word and the payload behind it, in the lines that these span, for each direction. The word is
//! written last and polled by the peer. Up to 56 bytes of payload fit into the word's own line.
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
//! grows with the distance. With one to three load fences in place of pauses, near cores take 56 to 75 ns, and less by
//! chance: between two pauses a pair falls into step at 60, 70 or 80 ns, and stays there. Waiting before the first poll,
//! or asking for the next line early (`prefetchw`), gained nothing.
//!
//! A message of more than a line takes new lines each time, as in a lane, where the next frame cannot lie where the last
//! one did: an exchange that used the same lines again and again took 160 ns for 1 KiB on near cores where this one takes
//! 220, and would be another exchange.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::work::Link;
use super::{FENCE_AND_PAUSE, FENCES, LINE, between_polls, copy_in, copy_out, gap_in_words};

/// Messages of a direction that takes a new place for each message.
const PLACES: usize = 16;

/// Bytes for each layout, half of them for each direction. Layouts share no neighbourhood: where the lines around the
/// one in use have been written lately, the exchange was seen to take 72 to 86 ns in place of 64.
const LAYOUT: usize = 64 << 10;

/// Bytes of the layout whose lines are not in the first cache when they come up again, half of them for each direction.
const WIDE_LAYOUT: usize = 512 << 10;

/// Choices for messages of one line: the gap between two polls, plus one of [`FIXED`], [`LINES`], [`PACKED`], [`LANE`] and [`WIDE`].
pub(crate) const ONE_LINE: &[u32] = &[
    FIXED,
    FIXED + 1,
    FIXED + 2,
    FIXED + 4,
    FIXED + FENCES + 1,
    FIXED + FENCES + 2,
    FIXED + FENCES + 3,
    FIXED + FENCE_AND_PAUSE,
    LINES,
    LINES + 1,
    LINES + 2,
    LINES + 3,
    LINES + 4,
    LINES + FENCES + 1,
    LINES + FENCES + 2,
    LINES + FENCES + 3,
    LINES + FENCE_AND_PAUSE,
    PACKED,
    PACKED + 1,
    PACKED + 2,
    PACKED + 3,
    PACKED + 4,
    PACKED + FENCES + 1,
    PACKED + FENCES + 2,
    PACKED + FENCES + 3,
    PACKED + FENCE_AND_PAUSE,
    LANE + 1,
    LANE + 2,
    LANE + 4,
    LANE + FENCES + 1,
    LANE + FENCES + 2,
    LANE + FENCES + 3,
    LANE + FENCE_AND_PAUSE,
    WIDE + 1,
    WIDE + 4,
    WIDE + FENCES + 1,
    WIDE + FENCES + 2,
    WIDE + FENCE_AND_PAUSE,
];

/// Choices for longer messages: the same without [`FIXED`].
pub(crate) const MORE_LINES: &[u32] = ONE_LINE.split_at(8).1;

/// Every message takes the same line.
const FIXED: u32 = 0;
/// Every message begins on the next line that is free.
const LINES: u32 = 100;
/// Every message lies directly behind the last one, as in a ring, and small ones share a line.
const PACKED: u32 = 200;

/// The same with as many places as there is room for, and the word of the next message is cleared before this one is
/// published, as in a lane without an index: the line that comes next is then already here. It wins for 64 bytes.
const LANE: u32 = 300;

/// Every message begins on the next line that is free, of many more than the first cache holds.
const WIDE: u32 = 400;

/// A choice in words.
pub(crate) fn way(choice: u32) -> String {
    let place = match choice {
        ..LINES => "one line again and again",
        LINES..PACKED => "each message on new lines",
        PACKED..LANE => "each message behind the last",
        LANE..WIDE => "as a lane, the next word cleared ahead",
        WIDE.. => "each message on new lines, of 256 KiB",
    };
    format!("{place}; {}", gap_in_words(choice % LINES))
}

/// Sequence numbers begin where no payload reaches: in another layout, an old payload may lie where one is expected.
const FIRST: u64 = 1 << 40;

/// One end of an exchange of messages of `SIZE` bytes.
#[derive(Debug)]
pub(crate) struct Exchange<const SIZE: usize> {
    area: Area,
    side: Side,
    gap: u32,
    start: usize,
    half: usize,
    mask: usize,
    stride: usize,
    clears: bool,
    sent: u64,
    received: u64,
}

impl<const SIZE: usize> Exchange<SIZE> {
    /// Whole lines that a word and a payload span.
    const SPAN: usize = (8 + SIZE).next_multiple_of(LINE);
    const ONE_LINE: bool = Self::SPAN == LINE;
    /// As many places as there is room for.
    const MANY: usize = 1 << (LAYOUT / 2 / (8 + SIZE)).ilog2();
    const WIDE_MANY: usize = 1 << (WIDE_LAYOUT / 2 / Self::SPAN).ilog2();

    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let mut new = Self {
            area: kit.map(4 * LAYOUT + WIDE_LAYOUT)?,
            side,
            gap: 1,
            start: 0,
            half: 0,
            mask: 0,
            stride: 0,
            clears: false,
            sent: FIRST,
            received: FIRST,
        };
        new.tune(1 + if Self::ONE_LINE { FIXED } else { LINES });
        Ok(new)
    }

    #[inline(always)]
    fn offset(&self, side: Side, number: u64) -> usize {
        self.start + side.index() * self.half + (number as usize & self.mask) * self.stride
    }
}

impl<const SIZE: usize> Link for Exchange<SIZE> {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        self.sent += 1;
        let offset = self.offset(self.side, self.sent);
        if self.clears {
            let next = self.offset(self.side, self.sent + 1);
            // ORD: limit-exchange: relaxed, ordered before the word that publishes; partner: `recv` below, in the other process.
            self.area.word(next).store(0, Relaxed);
        }
        // SAFETY: `SIZE` bytes behind the word of a place of ours; the peer reads them once the word changes.
        unsafe { copy_in(self.area.at(offset + 8), &payload[..SIZE]) };
        // ORD: limit-exchange: publishes the payload; partner: `recv` below, in the other process.
        self.area.word(offset).store(self.sent, Release);
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        self.received += 1;
        let offset = self.offset(self.side.peer(), self.received);
        // ORD: limit-exchange: observes the payload; partner: `send` above, in the other process.
        while self.area.word(offset).load(Acquire) != self.received {
            between_polls(self.gap);
        }
        // SAFETY: the peer wrote these bytes before the word, and writes the place again after our reply.
        unsafe { copy_out(self.area.at(offset + 8), &mut payload[..SIZE]) };
    }

    fn ack(&mut self) {}

    fn await_ack(&mut self) {}

    fn tune(&mut self, choice: u32) {
        self.gap = choice % LINES;
        self.start = (choice / LINES) as usize * LAYOUT;
        self.half = if choice < WIDE { LAYOUT } else { WIDE_LAYOUT } / 2;
        self.mask = match choice {
            ..LINES => 0,
            LINES..LANE => PLACES - 1,
            LANE..WIDE => Self::MANY - 1,
            WIDE.. => Self::WIDE_MANY - 1,
        };
        self.stride = match choice {
            PACKED..WIDE => 8 + SIZE,
            _ => Self::SPAN,
        };
        self.clears = (LANE..WIDE).contains(&choice);
    }
}
