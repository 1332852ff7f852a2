//! What a producer can tell of how far its consumer is.

use super::Producer;
use crate::segment::{ForeignWord, OwnRing, OwnWord};

impl<R: OwnRing, W: ForeignWord, T: OwnWord> Producer<R, W, T> {
    /// The consumer tells what it has released at least every so many bytes.
    pub(crate) fn step(&self) -> u64 {
        // As the largest frame is computed (`layout/geometry.rs`).
        self.capacity() - self.most - u64::from(self.alignment)
    }

    /// Bytes that are published and, by a fresh look, not released: what is read and not released counts too. A hint, which lets nobody
    /// touch the ring: a consumer that lies gets its frames sooner or later than others do.
    pub(crate) fn unreleased(&self) -> u64 {
        // ORD: release-hint: Relaxed, nothing is read or written on its account; partner: none (the value alone counts).
        let released = self.released.load();
        self.published().saturating_sub(released)
    }
}
