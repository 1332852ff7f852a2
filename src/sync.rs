//! The only door to atomics, and the list of every ordering that the proof rests on.
//!
//! Two things are deliberate. The types come from `loom` when the crate is built with `--cfg loom`, so the models run
//! the shipped sources of `ring` and `wake`. And every ordering that matters is asked for by a [`Site`]: outside the
//! models [`order`] and [`fence`] are the identity and cost nothing; inside, the model test weakens one site at a time and
//! expects a model to fail. An ordering whose weakening no model notices is either wrong or needless.
//!
//! What is absent: compare-and-swap. Every shared word has exactly one writer (`docs/SAFETY.md`).

pub(crate) use core::sync::atomic::Ordering;

#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64};
#[cfg(any(loom, ringway_shuttle))]
pub(crate) use engine::sync::atomic::AtomicU64;
/// What runs the models: every interleaving of small ones, or random schedules of larger ones.
#[cfg(loom)]
pub(crate) use loom as engine;
#[cfg(ringway_shuttle)]
pub(crate) use shuttle as engine;

#[cfg(any(loom, ringway_shuttle))]
pub(crate) mod mortal;
#[cfg(loom)]
pub(crate) mod weaken;

/// What threads of one process share, and its lock. Never of anything that a peer sees.
#[cfg(not(any(loom, ringway_shuttle, ringway_tsan)))]
pub(crate) use std::sync::{Arc, Mutex, Weak};
#[cfg(ringway_tsan)]
pub(crate) use visible::{Arc, Mutex, Weak};

#[cfg(ringway_tsan)]
mod visible;

/// A place in the protocol whose ordering is load-bearing; `docs/SAFETY.md` has the table of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    /// Header store that makes a frame, or a group, visible.
    Commit,
    /// Fence after the consumer has loaded a header that is not zero.
    Take,
    /// Store of how much of a large frame has been written.
    Announce,
    /// Fence after the consumer has loaded that.
    SeeAnnounced,
    /// Barrier between the first announcement of a frame and the look at the peer's park epoch.
    AnnounceBarrier,
    /// Store of the released position.
    Release,
    /// Fence after the producer has loaded the released position.
    Reclaim,
    /// Barrier between a commit and the look at the peer's park epoch.
    WakeBarrier,
    /// Barrier between storing a new park epoch and looking at the lane again.
    ParkBarrier,
    /// Barrier between a release and the look at the sender's park epoch.
    SpaceBarrier,
    /// Barrier between saying that commits carry none and the first that does not.
    UnfenceBarrier,
    /// Store that says that they carry one again.
    Refence,
    /// Fence after the sleeper has loaded what the sender says of that.
    SeeFenceMode,
    /// Store that says "this half is closed".
    Close,
    /// Barrier between that store and the look at the peer's park epoch.
    CloseBarrier,
    /// Fence after the peer's "closed" was seen, before the last look at the lane.
    SeeClose,
    /// Fence between a claim and what is written into what it claims.
    Claim,
    /// Fence after a tap has copied, before it looks at the claim.
    Glimpse,
    /// Fence between the first telling of an anchor's number and the anchor.
    Coming,
    /// Store of the second telling of an anchor's number.
    Come,
    /// Fence after a tap has loaded that, before it loads the anchor.
    SeeCome,
    /// Fence after a tap has loaded the anchor, before it loads the first telling, or looks there.
    SeeTail,
}

/// The ordering to use at `site`: `intended`, unless a model is weakening that site.
#[cfg_attr(loom, track_caller)]
#[inline(always)]
pub(crate) fn order(site: Site, intended: Ordering) -> Ordering {
    #[cfg(loom)]
    if weaken::is(site) {
        return Ordering::Relaxed;
    }
    let _ = site;
    intended
}

/// A fence at `site`, left out when a model is weakening that site.
#[cfg_attr(loom, track_caller)]
#[inline(always)]
pub(crate) fn fence(site: Site, intended: Ordering) {
    #[cfg(any(loom, ringway_shuttle))]
    mortal::step();
    #[cfg(loom)]
    if weaken::is(site) {
        return;
    }
    let _ = site;
    // ORD: fence: whatever the caller's site says; partner: named at each call.
    raw_fence(intended);
}

/// Keeps the compiler from exchanging stores through the two addresses of one word of a doubled mapping. The processor keeps
/// their order by itself: it is one physical word.
#[inline(always)]
pub(crate) fn alias_fence() {
    // ORD: alias: compiler only; partner: none.
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Keeps the compiler from moving a look at the park epoch before a commit that carries no barrier. The processor may: the sleeper has a
/// barrier made here, between any two instructions.
#[inline(always)]
pub(crate) fn light_fence() {
    // ORD: light-barrier: compiler only; partner: sys/membarrier.rs (`everywhere`).
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Keeps the compiler from moving what is done with a frame before the word that says that it was handed out. Whoever was killed between two
/// instructions has done what is before them: the processor stops it in the order of the program.
pub(crate) fn handed_out() {
    // ORD: taken-first: compiler only; partner: kernel (it is the death of this process that the reader has heard of).
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

#[cfg(not(any(loom, ringway_shuttle)))]
use core::sync::atomic::fence as raw_fence;
#[cfg(any(loom, ringway_shuttle))]
use engine::sync::atomic::fence as raw_fence;
