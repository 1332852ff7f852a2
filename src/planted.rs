//! Checks that can be left out in tests and in fuzzed builds, so that each fuzzed target proves that it finds what it is there for; and one in a build of its own, for the liar of
//! `tests/hostile/racing.rs`.
//!
//! In every other build [`is_left_out`] is a constant, and no check can be left out.

use crate::sync::Ordering;

/// A check. Each is looked for by one of the fuzzed targets (`fuzz`), but for the last ones, which the models look for (`model`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// A refusal's text ends where the message does, whatever length it has by its own word.
    RefusalText,
    /// The bytes of a field are no more than it has room for.
    BytesRoom,
    /// A frame ends within a lap of what was released.
    FrameBound,
    /// A frame that was announced is not dropped, though it expires meanwhile.
    AnnouncedFrame,
    /// A frame that was read along is no shorter than its extension.
    ExtensionRead,
    /// A Hello asks for a lane at least, and waits in ways that there are.
    HelloSense,
    /// A Welcome grants a lane at least, and no more than were asked for.
    WelcomeSense,
    /// A connection that is shown is behind those that were shown before it.
    ShownOrder,
    /// A turn ends with its budget.
    TurnBudget,
    /// A frame is said to be taken before it is handed out.
    TakenFirst,
    /// What is held is not released.
    HeldKept,
}

#[cfg(any(test, fuzzing))]
thread_local! {
    static LEFT_OUT: core::cell::Cell<Option<Check>> = const { core::cell::Cell::new(None) };
}

/// Whether a check is left out on this thread.
#[inline(always)]
pub(crate) fn is_left_out(check: Check) -> bool {
    #[cfg(any(test, fuzzing))]
    return LEFT_OUT.get() == Some(check);
    #[cfg(not(any(test, fuzzing)))]
    {
        #[cfg(ringway_planted = "far_frame")]
        return check as u8 == Check::FrameBound as u8;
        #[cfg(not(ringway_planted = "far_frame"))]
        {
            let _ = check;
            false
        }
    }
}

/// Whether this process is to have the fault of that name, which tests of others would meet too: `RINGWAY_PLANTED` says so.
#[cfg(any(
    ringway_planted = "early_header",
    ringway_planted = "kept_descriptor",
    ringway_planted = "kept_mapping",
    ringway_planted = "twice_taken",
    ringway_planted = "untaken_frame",
    ringway_planted = "untaken_ring"
))]
pub(crate) fn is_asked_for(name: &str) -> bool {
    static ASKED: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    let asked = ASKED.get_or_init(|| std::env::var_os("RINGWAY_PLANTED"));
    asked.as_ref().is_some_and(|asked| asked == name)
}

/// Leaves a check out on this thread, or none.
#[cfg(any(test, fuzzing))]
pub(crate) fn leave_out(check: Option<Check>) {
    LEFT_OUT.set(check);
}

/// Whether a race of that name is planted: what is built for `ThreadSanitizer` is told by a variable, so that one build has them all.
#[inline(always)]
pub(crate) fn is_raced(name: &str) -> bool {
    #[cfg(ringway_tsan)]
    return std::env::var_os("RINGWAY_PLANTED").is_some_and(|planted| planted == name);
    #[cfg(not(ringway_tsan))]
    {
        let _ = name;
        false
    }
}

/// The ordering of an access, or none at all where a race of that name is planted there.
#[inline(always)]
pub(crate) fn unless_raced(name: &str, intended: Ordering) -> Ordering {
    if is_raced(name) {
        // ORD: planted: Relaxed, which is the fault; partner: none, so that it is found.
        Ordering::Relaxed
    } else {
        intended
    }
}

/// What nothing runs: the step `coverage` has to say that it is not reached.
#[cfg(ringway_planted = "unreached")]
#[allow(dead_code, reason = "that is what it is there for")]
fn unreached(number: u64) -> u64 {
    if number > 1 { number / 2 } else { 0 }
}
