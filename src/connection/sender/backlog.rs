//! What a batcher asks of the half that it sends through.

use super::Sender;

impl Sender {
    /// Whether the drop publishes what is accepted and not visible yet: then whoever keeps it back need not have a drop of its own.
    pub(crate) fn publish_when_dropped(&mut self, on: bool) {
        self.flushes = on;
    }

    /// Bytes that the peer has not said to have read, of those that are visible to it. Zero: it waits, or looks in vain. Not to be called in a forked child.
    #[inline(always)]
    pub(crate) fn unreleased(&self) -> u64 {
        self.lane.unreleased()
    }

    /// Whether frames are accepted that are not visible yet.
    #[inline(always)]
    pub(crate) fn has_open_group(&self) -> bool {
        self.lane.has_open_group()
    }
}
