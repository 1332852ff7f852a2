//! Death at a step, in the models: whoever lives by [`live`] executes so many steps of the protocol and not one more.
//!
//! A step is an access to a word that is shared, or to payload, word by word, or a fence, or the ring of a bell: what a killed process has done up to some instruction is what it has done up to
//! one of these, as far as anybody can see. It ends by unwinding, without a message, and nothing of what it held is dropped on the way. What it has stored is visible to whoever hears of the
//! death, as the kernel sees to it.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::engine::thread::{self, ThreadId};

std::thread_local! {
    /// Who is to die, and the steps that are left to it. All threads of a model are coroutines of one thread.
    static DOOMED: Cell<Option<(ThreadId, u32)>> = const { Cell::new(None) };
    /// How many have died.
    static DEAD: Cell<u64> = const { Cell::new(0) };
}

/// More steps than anybody makes.
#[cfg(test)]
pub(crate) const FOR_EVER: u32 = u32::MAX;

/// What unwinds.
struct Death;

/// One step of whoever runs now: its last one was the one before, if its time is over.
pub(crate) fn step() {
    let Some((who, left)) = DOOMED.get() else {
        return;
    };
    if thread::current().id() != who {
        return;
    }
    if left == 0 {
        DOOMED.set(None);
        DEAD.set(DEAD.get() + 1);
        resume_unwind(Box::new(Death));
    }
    DOOMED.set(Some((who, left - 1)));
}

/// Lives for `steps` at most, one at a time of all threads of a model; or, with [`FOR_EVER`], as everybody else does. Returns whether that was too short for `life`.
#[cfg(test)]
pub(crate) fn live(steps: u32, life: impl FnOnce()) -> bool {
    if steps == FOR_EVER {
        life();
        return false;
    }
    DOOMED.set(Some((thread::current().id(), steps)));
    let end = catch_unwind(AssertUnwindSafe(life));
    DOOMED.set(None);
    match end {
        Ok(()) => false,
        Err(cause) if cause.is::<Death>() => true,
        Err(cause) => resume_unwind(cause),
    }
}

/// How many have died until now, in all models that this thread has run.
#[cfg(all(test, ringway_shuttle))]
pub(crate) fn deaths() -> u64 {
    DEAD.get()
}
