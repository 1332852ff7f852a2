//! What was sent on a lane, and what has to come again of it on the one that takes it over.

use std::collections::VecDeque;

use crate::fuzz::memory::Forward;
use crate::layout::geometry::Geometry;
use crate::layout::redelivery::Redelivery;
use crate::ring::{Carried, Consumer, Standing, say_start};
use crate::segment::{ForeignRing, MappedForeignRing, Ring};

/// A frame, and where it ends.
struct Sent {
    end: u64,
    kind: u16,
    said: Redelivery,
}

pub(super) struct Again {
    frames: VecDeque<Sent>,
    start: u64,
}

impl Again {
    pub(super) fn new(start: u64) -> Self {
        Self {
            frames: VecDeque::new(),
            start,
        }
    }

    pub(super) fn sent(&mut self, end: u64, kind: u16) {
        let said = Redelivery::First;
        self.frames.push_back(Sent { end, kind, said });
    }

    /// Whether a frame ends there, or the lane begins.
    pub(super) fn is_boundary(&self, position: u64) -> bool {
        position == self.start || self.frames.iter().any(|frame| frame.end == position)
    }

    /// What comes on the new lane is what did not end before it begins; and on the old one nothing is left of that.
    pub(super) fn come(
        &mut self,
        standing: &Standing,
        carried: Carried,
        old: &MappedForeignRing,
        new: MappedForeignRing,
        geometry: &Geometry,
    ) {
        self.frames.retain(|frame| frame.end > standing.start);
        self.start = standing.start;
        let (released, taken) = (Forward::default(), Forward::default());
        say_start(&released, geometry);
        say_start(&taken, geometry);
        let mut consumer = Consumer::new(new, released, geometry);
        // Who gives none is sent nothing again.
        consumer.give_account(taken);
        let mut counted = Carried::default();
        for frame in &mut self.frames {
            let entry = consumer.peek().expect("as we have written it");
            let entry = entry.expect("no frame is lost");
            let position = consumer.position(&entry);
            let doubt = position < standing.taken || frame.said == Redelivery::InDoubt;
            frame.said = if doubt {
                Redelivery::InDoubt
            } else {
                Redelivery::Unseen
            };
            counted.in_doubt += u64::from(doubt);
            counted.unseen += u64::from(!doubt);
            let end = entry.position + entry.length();
            let found = (end, entry.kind(), entry.redelivery());
            assert_eq!(found, (frame.end, frame.kind, frame.said));
            // SAFETY: the place of a position, which is a multiple of 8.
            let left = unsafe { old.load(old.place(position)) };
            assert_eq!(left, 0, "a frame that was taken over is left at {position}");
            consumer.advance(&entry);
        }
        assert_eq!(consumer.peek(), Ok(None), "nothing else comes");
        assert_eq!(counted, carried);
    }
}
