//! What a thread has learned from its waits, on whichever connection: for those that wait so seldom that they have learned little.

use std::cell::Cell;

use crate::wake::patience::Patience;

thread_local! {
    static LATELY: Cell<Patience> = Cell::new(Patience::default());
}

/// Hands it to `learn`.
pub(super) fn with_lately<T>(learn: impl FnOnce(&mut Patience) -> T) -> T {
    LATELY.with(|lately| {
        let mut patience = lately.get();
        let learned = learn(&mut patience);
        lately.set(patience);
        learned
    })
}
