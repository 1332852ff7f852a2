//! What is said of the frame that was received last, for who asks while another thread is in a call.

use std::sync::atomic::{AtomicU16, Ordering};

use ringway::Frame;

/// Its kind and its priority; both 0 before the first one.
#[derive(Debug, Default)]
pub(crate) struct Last {
    kind: AtomicU16,
    priority: AtomicU16,
}

impl Last {
    #[inline]
    pub(crate) fn is(&self, frame: &Frame<'_>) {
        self.has(frame.kind(), frame.priority());
    }

    #[inline]
    pub(crate) fn has(&self, kind: u16, priority: usize) {
        // ORD: last: Relaxed, the interpreter's lock is held here and where it is read; partner: the loads in this file.
        self.kind.store(kind, Ordering::Relaxed);
        // ORD: last: Relaxed, as above; there are four at most; partner: the loads in this file.
        self.priority.store(priority as u16, Ordering::Relaxed);
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
}
