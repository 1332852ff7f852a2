//! What is said of the frame that was received last, for who asks while another thread is in a call.

use std::sync::atomic::{AtomicU16, Ordering};

use ringway::{Frame, Redelivery};

/// Its kind, its priority, and whether it was sent before; all 0 before the first one.
#[derive(Debug, Default)]
pub(crate) struct Last {
    kind: AtomicU16,
    priority: AtomicU16,
    redelivery: AtomicU16,
}

impl Last {
    #[inline]
    pub(crate) fn is(&self, frame: &Frame<'_>) {
        self.has(frame.kind(), frame.priority(), frame.redelivery());
    }

    #[inline]
    pub(crate) fn has(&self, kind: u16, priority: usize, redelivery: Redelivery) {
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

    /// In the words of Python.
    pub(crate) fn redelivery(&self) -> &'static str {
        // ORD: last: Relaxed, as above; partner: the stores in this file.
        match self.redelivery.load(Ordering::Relaxed) {
            told if told == Redelivery::Unseen as u16 => "unseen",
            told if told == Redelivery::InDoubt as u16 => "in_doubt",
            _ => "first",
        }
    }
}
