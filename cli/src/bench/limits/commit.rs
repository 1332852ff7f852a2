//! How a message of a ring by hand becomes visible, and whether its receiver may sleep.

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Release, SeqCst};
use std::sync::atomic::fence;

use super::super::kit::Area;
use super::control::wake;

/// One way. The rings are made for each, so that none pays for a choice.
pub(crate) trait Commit: Debug {
    /// Nothing is visible before `publish`.
    const GROUPED: bool = false;

    /// Writes the word that makes a message visible. Messages of groups have none of their own.
    fn commit(word: &AtomicU64, value: u64, area: &Area, bell: &OwnedFd);
}

/// To a receiver that never sleeps: a store and nothing more.
#[derive(Debug)]
pub(crate) struct Stored;

/// To a receiver that may sleep at any time: a swap, which orders the commit before the look at the sleeper's word.
#[derive(Debug)]
pub(crate) struct Swapped;

/// The same by a store and a full fence.
#[derive(Debug)]
pub(crate) struct Fenced;

/// In groups, to a receiver that never sleeps.
#[derive(Debug)]
pub(crate) struct Grouped;

impl Commit for Stored {
    #[inline(always)]
    fn commit(word: &AtomicU64, value: u64, _: &Area, _: &OwnedFd) {
        // ORD: limit-frame: publishes everything before it; partner: `recv` in `frames.rs` and `slots.rs`.
        word.store(value, Release);
    }
}

impl Commit for Swapped {
    #[inline(always)]
    fn commit(word: &AtomicU64, value: u64, area: &Area, bell: &OwnedFd) {
        // ORD: limit-wake: commits, and is ordered before the look at the sleeper's word; partner: a receiver that says it
        // sleeps and then looks once more (none does here: only the cost is wanted).
        word.swap(value, SeqCst);
        wake(area, bell);
    }
}

impl Commit for Fenced {
    #[inline(always)]
    fn commit(word: &AtomicU64, value: u64, area: &Area, bell: &OwnedFd) {
        // ORD: limit-frame: publishes everything before it; partner: `recv` in `frames.rs` and `slots.rs`.
        word.store(value, Release);
        // ORD: limit-wake: orders the commit before the look at the sleeper's word; partner: none, as in `control.rs`.
        fence(SeqCst);
        wake(area, bell);
    }
}

impl Commit for Grouped {
    const GROUPED: bool = true;

    #[inline(always)]
    fn commit(_: &AtomicU64, _: u64, _: &Area, _: &OwnedFd) {}
}
