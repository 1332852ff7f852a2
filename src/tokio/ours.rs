//! What the runtime does for us, which a forked child must leave alone: it shares the runtime's `epoll`, where taking a watch out takes its parent's, and has the runtime's locks as its
//! parent's other threads left them. So there it is leaked, and nobody asks the runtime for it.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::io;

use crate::sys::fork::Birth;

/// It belongs to the process that made it.
#[derive(Debug)]
pub(super) struct Ours<T> {
    inner: ManuallyDrop<T>,
    birth: Birth,
}

impl<T> Ours<T> {
    /// Made here.
    pub(super) fn new(made: T) -> io::Result<Self> {
        Ok(Self {
            inner: ManuallyDrop::new(made),
            birth: Birth::here()?,
        })
    }

    /// Whether we are a child of that process.
    pub(super) fn is_forked(&self) -> bool {
        self.birth.is_forked()
    }
}

impl<T> Deref for Ours<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Ours<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for Ours<T> {
    fn drop(&mut self) {
        // A planted fault, which tests/tokio must find.
        #[cfg(ringway_planted = "shared_watch")]
        let is_forked = false;
        #[cfg(not(ringway_planted = "shared_watch"))]
        let is_forked = self.birth.is_forked();
        if is_forked {
            return;
        }
        // SAFETY: it is dropped here and nowhere else, and nobody is given it behind this.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}
