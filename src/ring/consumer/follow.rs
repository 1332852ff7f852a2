//! Following a large frame: copying out what the producer has announced of it, before it is committed.
//!
//! What the producer announces is a hint. It is bounded as a frame is, and decides nothing but how much is copied early; the header that is committed in the end says what the frame is.
//! A producer that announces what it has not written has its own bytes arrive wrong.

use super::{Consumer, Entry, SKIP};
use crate::layout::header::HEADER;
use crate::segment::{ForeignRing, ForeignWord, OwnWord};
use crate::sync::{Ordering, Site, fence};

/// Payload bytes of a frame that were copied before it was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Early {
    /// Where that frame is.
    position: u64,
    /// How many.
    pub(crate) bytes: usize,
}

impl Early {
    /// How many of them are the beginning of `entry`'s payload.
    pub(crate) fn of(&self, entry: &Entry) -> usize {
        // Behind a pad or an extension the payload begins elsewhere. And an honest frame is not shorter than what was announced of it.
        if entry.position == self.position && self.bytes <= entry.payload() {
            self.bytes
        } else {
            0
        }
    }
}

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// Payload bytes that the producer says, in `word`, it has written of the frame at the cursor.
    #[inline]
    pub(crate) fn announced(&self, word: &impl ForeignWord) -> usize {
        let told = word.load();
        // ORD: see-announced: Acquire, the bytes before the position are read behind this; partner: ring/producer/announce.rs (announce).
        fence(Site::SeeAnnounced, Ordering::Acquire);
        // No frame ends behind the bound, nor is there one where the lane is broken or has ended.
        if told > self.bound {
            return 0;
        }
        told.saturating_sub(self.next() + HEADER) as usize
    }

    /// How many bytes are announced in `word` of a frame that goes into `room`, if `least` of them or more were not copied early yet.
    pub(crate) fn announces_more(
        &self,
        word: &impl ForeignWord,
        early: &mut Early,
        room: usize,
        least: usize,
    ) -> Option<usize> {
        if early.position != self.next() {
            *early = Early {
                position: self.next(),
                bytes: 0,
            };
        }
        let there = self.announced(word).min(room);
        (there >= early.bytes + least).then_some(there)
    }

    /// Copies what is announced in `word` and was not copied early yet into its place in `target`, if that is `least` bytes or more. Returns whether it was.
    pub(crate) fn follow(
        &self,
        word: &impl ForeignWord,
        early: &mut Early,
        target: &mut [u8],
        least: usize,
    ) -> bool {
        let Some(there) = self.announces_more(word, early, target.len(), least) else {
            return false;
        };
        let place = self.ring.place(early.position + early.bytes as u64);
        // SAFETY: the cursor and a header and `there` bytes are at or before the bound, which is less than a lap behind the cursor.
        unsafe {
            self.ring
                .read::<SKIP>(place, &mut target[early.bytes..there]);
        };
        early.bytes = there;
        true
    }
}
