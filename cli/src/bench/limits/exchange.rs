//! The exchange for messages larger than a line: an 8-byte word and the payload behind it, in the lines that these
//! span, for each direction. The word is written last and polled by the peer.
//!
//! The wait between polls matters as in `line.rs`. Each message takes new lines, as in a lane, where the next frame cannot
//! lie where the last one did: an exchange that used the same lines again and again took 160 ns for 1 KiB on near cores
//! where this one takes 220, and would be another exchange.

use std::io;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::super::kit::{Area, Kit, Side};
use super::super::work::Link;
use super::{FENCES, LINE, between_polls, copy_in, copy_out};

/// Messages of a direction that takes new lines for each message.
const PLACES: usize = 16;

/// Bytes for each layout, half of them for each direction.
const LAYOUT: usize = 64 << 10;

/// The gap between two polls, plus one of [`LINES`] and [`PACKED`].
pub(crate) const CHOICES: &[u32] = &[
    LINES,
    LINES + 1,
    LINES + 2,
    LINES + 3,
    LINES + 4,
    LINES + FENCES + 1,
    LINES + FENCES + 2,
    LINES + FENCES + 3,
    PACKED,
    PACKED + 1,
    PACKED + 2,
    PACKED + 3,
    PACKED + 4,
    PACKED + FENCES + 1,
    PACKED + FENCES + 2,
    PACKED + FENCES + 3,
];

/// Every message begins on a line of its own.
const LINES: u32 = 100;
/// Every message lies directly behind the last one, as in a ring.
const PACKED: u32 = 200;

/// Sequence numbers begin where no payload reaches: in another layout, an old payload may lie where one is expected.
const FIRST: u64 = 1 << 40;

/// One end of an exchange of messages of `SIZE` bytes.
#[derive(Debug)]
pub(crate) struct Exchange<const SIZE: usize> {
    area: Area,
    side: Side,
    gap: u32,
    start: usize,
    stride: usize,
    sent: u64,
    received: u64,
}

impl<const SIZE: usize> Exchange<SIZE> {
    /// Whole lines that a word and a payload span.
    const SPAN: usize = (8 + SIZE).next_multiple_of(LINE);

    pub(crate) fn new(kit: &Kit, side: Side) -> io::Result<Self> {
        let area = kit.map(2 * LAYOUT)?;
        Ok(Self {
            area,
            side,
            gap: 1,
            start: 0,
            stride: Self::SPAN,
            sent: FIRST,
            received: FIRST,
        })
    }

    #[inline(always)]
    fn offset(&self, side: Side, number: u64) -> usize {
        self.start + side.index() * (LAYOUT / 2) + (number as usize % PLACES) * self.stride
    }
}

impl<const SIZE: usize> Link for Exchange<SIZE> {
    #[inline(always)]
    fn send(&mut self, payload: &[u8]) {
        self.sent += 1;
        let offset = self.offset(self.side, self.sent);
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
        self.start = (choice / LINES - 1) as usize * LAYOUT;
        self.stride = if choice < PACKED {
            Self::SPAN
        } else {
            8 + SIZE
        };
    }
}
