//! A reader's cursor, which counts the frames that it passes for nothing.
//!
//! Where the next frame is and how many there were are one word, the *mark*: bytes since the last [`turn`](Cursor::turn) above, frames below.
//! Passing a frame is one addition, of a constant where the frame's length is one. Counted beside the position, each frame took one instruction
//! more: with the sender's, 2.7 % of those of a stream of 64 bytes.

use super::tally::ONE;
use crate::layout::header::HEADER;

/// Low bits of a mark, which count frames. With these, a frame of up to 2 KiB adds what fits into an instruction.
const COUNT: u32 = 20;
/// The most bytes that a mark may tell before a turn is due: no frame is shorter than its header, so the frames in them can be counted.
const SPAN: u64 = HEADER * ((1 << COUNT) - 1);

/// Where a reader is, and how many frames it has read.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    mark: u64,
    /// Where bytes and frames of the mark are counted from.
    base: u64,
    frames: u64,
}

impl Cursor {
    /// At `position`, behind `frames` frames.
    pub(super) fn new(position: u64, frames: u64) -> Self {
        Self {
            mark: 0,
            base: position,
            frames,
        }
    }

    /// Where the next frame is expected.
    #[inline(always)]
    pub(super) fn position(&self) -> u64 {
        self.base + self.bytes()
    }

    /// Bytes since the last turn.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u64 {
        self.mark >> COUNT
    }

    /// Frames that were read.
    pub(super) fn frames(&self) -> u64 {
        self.frames + self.mark % (1 << COUNT)
    }

    /// The mark.
    #[inline(always)]
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// What the mark will be behind a frame of `length` bytes, less than 2^33.
    #[inline(always)]
    pub(super) fn behind(&self, length: u64) -> u64 {
        self.mark + (length << COUNT) + ONE
    }

    /// Moves to a mark that [`behind`](Self::behind) told.
    #[inline(always)]
    pub(super) fn pass(&mut self, mark: u64) {
        self.mark = mark;
    }

    /// Moves over `length` bytes that are no frame.
    pub(super) fn skip(&mut self, length: u64) {
        self.mark += length << COUNT;
    }

    /// Takes back so many bytes of what was moved over without being a frame.
    pub(super) fn back(&mut self, length: u64) {
        self.mark -= length << COUNT;
    }

    /// Counts from here on.
    pub(super) fn turn(&mut self) {
        *self = Self::new(self.position(), self.frames());
    }

    /// The last mark of a frame that ends at `end` at most, and for whose bytes no turn is due. None has it if `end` is behind the cursor.
    pub(super) fn last(&self, end: u64) -> u64 {
        match end.checked_sub(self.base) {
            Some(bytes) => (bytes.min(SPAN) << COUNT) | ((1 << COUNT) - 1),
            None => 0,
        }
    }

    /// The first mark that says `position` or more. `u64::MAX`, which none has, for positions out of reach.
    pub(super) fn first(&self, position: u64) -> u64 {
        match position.saturating_sub(self.base) {
            bytes if bytes >> 33 == 0 => bytes << COUNT,
            _ => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_the_shortest_frames_as_a_mark_can_count_pass_before_a_turn() {
        let mut cursor = Cursor::new(1 << 40, 5);
        let last = cursor.last(u64::MAX);
        let mut passed = 0;
        while cursor.behind(HEADER) <= last {
            cursor.pass(cursor.behind(HEADER));
            passed += 1;
        }
        assert_eq!(passed, SPAN / HEADER);
        assert_eq!(cursor.position(), (1 << 40) + SPAN);
        assert_eq!(cursor.frames(), 5 + passed * ONE);
        // One more than the gate lets through, of any length, is still counted.
        cursor.turn();
        cursor.pass(cursor.behind((1 << 32) + HEADER));
        assert_eq!(cursor.position(), (1 << 40) + SPAN + (1 << 32) + HEADER);
        assert_eq!(cursor.frames(), 5 + (passed + 1) * ONE);
    }

    #[test]
    fn marks_stand_for_positions() {
        let mut cursor = Cursor::new(800, 0);
        assert_eq!(cursor.last(799), 0);
        for length in [8, 72, 16] {
            let end = cursor.position() + length;
            let behind = cursor.behind(length);
            assert!(behind <= cursor.last(end) && behind > cursor.last(end - 8));
            assert!(behind >= cursor.first(end) && behind < cursor.first(end + 8));
            assert!(cursor.last(end) < cursor.first(end + 1), "not a byte more");
            cursor.pass(behind);
        }
        assert_eq!(cursor.first(u64::MAX), u64::MAX);
        cursor.skip(48);
        assert_eq!((cursor.position(), cursor.frames()), (944, 3 * ONE));
    }
}
