//! What is said of the frame that was received last, for who asks while another thread is in a call.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use ringway::{Frame, Receiver, Redelivery};

/// Its kind, its priority, where it is, and whether it was sent before; all 0 before the first one.
#[derive(Debug, Default)]
pub(crate) struct Last {
    /// One more than it is, and 0 where nothing is said.
    position: AtomicU64,
    kind: AtomicU16,
    priority: AtomicU16,
    redelivery: AtomicU16,
}

impl Last {
    #[inline]
    pub(crate) fn is(&self, frame: &Frame<'_>) {
        self.has(frame.kind(), frame.priority(), frame.redelivery());
        self.lies(Some(frame.position()));
    }

    /// Of a frame that is not at hand any more.
    #[inline]
    pub(crate) fn was(&self, kind: u16, receiver: &Receiver) {
        self.has(kind, receiver.last_priority(), receiver.last_redelivery());
        self.lies(receiver.last_position());
    }

    #[inline]
    fn lies(&self, position: Option<u64>) {
        let position = position.map_or(0, |position| position + 1);
        // ORD: last: Relaxed, the interpreter's lock is held here and where it is read; partner: the load in this file.
        self.position.store(position, Ordering::Relaxed);
    }

    #[inline]
    fn has(&self, kind: u16, priority: usize, redelivery: Redelivery) {
        // ORD: last: Relaxed, the interpreter's lock is held here and where it is read; partner: the loads in this file.
        self.kind.store(kind, Ordering::Relaxed);
        // ORD: last: Relaxed, as above; there are four at most; partner: the loads in this file.
        self.priority.store(priority as u16, Ordering::Relaxed);
        // ORD: last: Relaxed, as above; partner: the loads in this file.
        self.redelivery.store(redelivery as u16, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn kind(&self) -> u16 {
        // ORD: last: Relaxed, as above; partner: the stores in this file.
        self.kind.load(Ordering::Relaxed)
    }

    pub(crate) fn priority(&self) -> u16 {
        // ORD: last: Relaxed, as above; partner: the stores in this file.
        self.priority.load(Ordering::Relaxed)
    }

    pub(crate) fn position(&self) -> Option<u64> {
        // ORD: last: Relaxed, as above; partner: the store in this file.
        self.position.load(Ordering::Relaxed).checked_sub(1)
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        // ORD: last: Relaxed, as above; partner: the stores in this file.
        self.redelivery.load(Ordering::Relaxed) == Redelivery::InDoubt as u16
    }

    /// In the words of Python.
    pub(crate) fn redelivery(&self) -> &'static str {
        // ORD: last: Relaxed, as above; partner: the stores in this file.
        match self.redelivery.load(Ordering::Relaxed) {
            told if told == Redelivery::Unseen as u16 => "unseen",
            _ if self.is_in_doubt() => "in_doubt",
            _ => "first",
        }
    }
}
