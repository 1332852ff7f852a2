//! A flag that threads see.

use std::sync::OnceLock;

/// Set once, and never unset.
#[derive(Debug, Default)]
pub(crate) struct Flag(OnceLock<()>);

impl Flag {
    /// Sets it. Returns whether it was set before.
    pub(crate) fn set(&self) -> bool {
        self.0.set(()).is_err()
    }

    /// Whether it is set.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }
}
