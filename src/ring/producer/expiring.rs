//! Frames that expire: their header says so, and an extension before the payload says when.
//!
//! They go the way of frames in a group, which knows pads already: a frame that needs no extension pays for none.

use super::Producer;
use crate::layout::extension::EXTENSION;
use crate::layout::geometry::padding;
use crate::layout::header::{HEADER, Header, frame_length};
use crate::ring::manner::Published;
use crate::ring::slot::{Refusal, Slot};
use crate::segment::{ForeignWord, OwnRing, OwnWord};
use crate::sync::{Ordering, alias_fence};

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// The longest payload of a frame that expires, in bytes.
    fn most_expiring(&self) -> u64 {
        self.most - EXTENSION
    }

    /// Finds room for an extension and for a payload whose address is a multiple of `alignment`. The slot's payload is both.
    pub(crate) fn try_reserve_expiring(
        &mut self,
        payload: usize,
        alignment: usize,
    ) -> Result<Slot, Refusal> {
        if !alignment.is_power_of_two() || alignment > self.alignment as usize {
            return Err(Refusal::Alignment {
                asked: alignment,
                most: self.alignment,
            });
        }
        let most = self.most_expiring();
        if payload as u64 > most {
            return Err(Refusal::TooLarge { payload, most });
        }
        let both = payload as u64 + EXTENSION;
        let pad = padding(self.tail + EXTENSION, (alignment as u64).max(8));
        let length = frame_length(both);
        if self.tail + pad + length + HEADER > self.limit {
            self.make_room(both as usize, pad + length)?;
        }
        // The slot may be filled beyond that word.
        self.cleared = 0;
        Ok(Slot {
            origin: self.tail,
            pad,
            payload: both as u32,
        })
    }

    /// Writes payload bytes into a slot with an extension, from the payload's beginning.
    pub(crate) fn fill_expiring(&mut self, slot: &Slot, payload: &[u8]) {
        assert!(
            payload.len() as u64 + EXTENSION <= u64::from(slot.payload),
            "payload longer than its slot"
        );
        let place = self.ring.place(slot.origin);
        // SAFETY: inside the slot, which `try_reserve_expiring` found room for.
        unsafe {
            self.ring
                .write(place, slot.pad + HEADER + EXTENSION, payload);
        };
    }

    /// Adds the frame in `slot`, with the first `payload` bytes of it, to the open group, or opens one with it. Nothing becomes visible. It expires at
    /// `expires`, in nanoseconds of the host's clock.
    pub(crate) fn append_expiring(&mut self, slot: &Slot, payload: u32, kind: u16, expires: u64) {
        assert!(
            slot.origin == self.tail && u64::from(payload) + EXTENSION <= u64::from(slot.payload),
            "slot of another time"
        );
        let place = self.ring.place(slot.origin);
        // As in `append_header`: a terminator may have been written there through the other address.
        alias_fence();
        // SAFETY: a place of this ring; multiples of 8, inside a slot that room was found for.
        // ORD: extension: Relaxed, made visible by the group's commit; partner: ring/consumer.rs (take).
        unsafe {
            self.ring
                .store(place, slot.pad + HEADER, expires, Ordering::Relaxed);
        };
        self.append_header(slot, Header::expiring(payload, kind));
    }

    /// Publishes the frame in `slot`, as [`append_expiring`](Self::append_expiring), behind the open group if there is one.
    pub(crate) fn commit_expiring(
        &mut self,
        slot: &Slot,
        payload: u32,
        kind: u16,
        expires: u64,
    ) -> Published {
        self.append_expiring(slot, payload, kind, expires);
        self.publish().unwrap_or(Published::Plain)
    }
}
