//! Large frames announce themselves: while one is copied in, the consumer is told how far it has come, and may follow with its copy out.
//!
//! The announcement is a position: up to there the payload of the frame at the published tail is written. It only grows, and a frame ends at or behind the last
//! announcement in it, so that one word says which frame is meant and how much of it is there: a consumer at position p takes it for the frame at p if it is more than
//! p and a header. It is a hint. The commit stays the header's store; a producer that dies before that has sent nothing.

use super::Producer;
use crate::layout::header::{HEADER, Header, frame_length};
use crate::ring::manner::Published;
use crate::ring::slot::Refusal;
use crate::ring::tally::ONE;
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, Site, order};

/// From so many payload bytes on a frame is announced. Below, the copy takes less time than a consumer needs to hear of it.
pub(crate) const LARGE: usize = 64 << 10;
/// So many bytes are copied between two announcements. Each costs the copy a line that the consumer is looking at.
const PART: usize = 16 << 10;

/// Where announcements are made, and of what.
#[derive(Debug)]
pub(super) struct Announcing<T> {
    word: T,
    part: usize,
}

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// Announces large frames in `word` from now on.
    pub(crate) fn announce_in(&mut self, word: T) {
        self.announce_from(word, LARGE, PART);
    }

    /// Announces frames of `from` bytes or more, after each `part`.
    pub(crate) fn announce_from(&mut self, word: T, from: usize, part: usize) {
        self.plain = self.most.min(from as u64 - 1);
        self.announcing = Some(Announcing { word, part });
    }

    /// As [`send_through`](Self::send_through), after a fresh look at what the consumer has released. A group whose guard was leaked is
    /// published first, or nothing behind it would ever be seen. `told` as in [`put_announced`](Self::put_announced).
    pub(crate) fn try_send_waking(
        &mut self,
        payload: &[u8],
        kind: u16,
        told: impl FnMut() -> bool,
    ) -> Result<Published, Refusal> {
        self.check_size(payload.len())?;
        self.publish();
        let length = frame_length(payload.len() as u64);
        if self.tail + length + HEADER > self.limit {
            self.make_room(payload.len(), length)?;
        }
        let sent = if payload.len() as u64 > self.plain {
            self.put_announced(payload, kind, told)
        } else {
            self.send_through(payload, kind)
        };
        sent.ok_or(Refusal::Full)
    }

    /// Copies `payload` into a frame, tells the consumer while it does, and publishes it, if the gate lets it pass. `told` is called behind each
    /// announcement, to wake a consumer that would follow, and returns whether it did.
    #[cold]
    #[inline(never)]
    fn put_announced(
        &mut self,
        payload: &[u8],
        kind: u16,
        mut told: impl FnMut() -> bool,
    ) -> Option<Published> {
        let origin = self.tail;
        let length = frame_length(payload.len() as u64);
        if origin + length > self.ring.gate() {
            return None;
        }
        let place = self.ring.place(origin);
        if self.cleared != origin + length {
            self.terminate(place, length);
        }
        let part = self.announcing.as_ref().map_or(LARGE, |how| how.part);
        let mut offset = HEADER;
        for bytes in payload.chunks(part) {
            if offset > HEADER {
                self.announce(origin + offset);
                if told() {
                    // As whenever the consumer was found asleep; its tail is still before this frame.
                    self.tell();
                    self.consumer_slept();
                }
            }
            // SAFETY: `length + HEADER <= capacity`, since `origin + length + HEADER <= limit` and `limit <= origin + capacity`; all that
            // range is released, and no reservation is alive, since it would borrow `self`.
            unsafe { self.ring.write(place, offset, bytes) };
            offset += bytes.len() as u64;
        }
        self.tail = origin + length;
        self.frames += ONE;
        let published = self.publish_word(place, Header::frame(payload.len() as u32, kind).0);
        self.clear_ahead(length);
        Some(published)
    }

    /// As [`try_send_waking`](Self::try_send_waking), to a consumer that nobody wakes early.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn try_send(&mut self, payload: &[u8], kind: u16) -> Result<Published, Refusal> {
        self.try_send_waking(payload, kind, || false)
    }

    /// Tells the consumer that the frame at the tail is written up to `position`.
    fn announce(&self, position: u64) {
        if let Some(Announcing { word, .. }) = &self.announcing {
            step!("announce-before");
            // ORD: announce: Release, the bytes before the position; partner: ring/consumer/follow.rs (see-announced).
            word.store(position, order(Site::Announce, Ordering::Release));
            step!("announce-after");
        }
    }
}
