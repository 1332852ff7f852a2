//! How far a consumer reads when its producer has said its last word, or may have.

use super::Consumer;
use crate::layout::geometry::MAX_POSITION;
use crate::layout::header::HEADER;
use crate::segment::{ForeignRing, OwnWord};

/// So many releases, some laps of the ring, lie between two questions whether the producer is there, if frames never end.
const ASKED_EVERY: u64 = 64;

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// Reads nothing more, whatever the peer writes; only held frames can be read again.
    pub(crate) fn end(&mut self) {
        self.settle();
        self.last = self.next();
        // A broken lane stays shut, or it would look like an empty one.
        if self.broken.is_none() {
            self.open_gate();
        }
    }

    /// Where the last frame ends, at most, that its producer can have committed by what it was told of released ones.
    pub(super) fn furthest(&self) -> u64 {
        (self.published + self.ring.capacity() - HEADER).min(MAX_POSITION)
    }

    /// The producer is gone: what it is told from now on makes no room for anything. Who reads on behind that reads a lap that was read before.
    pub(crate) fn bound_by_end(&mut self) {
        self.last = self.last.min(self.furthest());
    }

    /// Whether it is worth asking, behind a release, if the producer is still there: once in some laps.
    pub(crate) fn has_gone_laps(&self) -> bool {
        self.releases % ASKED_EVERY == 0
    }
}
