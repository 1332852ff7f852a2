//! The limits: each row's work done by hand, as simply and as fast as it can be done between two processes that map
//! the same memory writable and trust each other blindly.
//!
//! Deliberately absent: every check, death, closing, wrapping of counters, and any layer between the loop and the
//! memory. A limit that loses to Ringway is badly written and has to be improved, not explained.
//!
//! Some limits have a parameter whose best value depends on how far apart the two cores are just then (a virtual
//! machine's host moves them within seconds). Those are tried before each series of rounds and the best is taken:
//! see `Task::choices`.
//!
//! A receiver that may not be tuned can come close by what it sees. A prototype reached 0.95 of the best fixed wait, near
//! and far, in ping-pong and in both streams, with one look at the clock per 64 times that it found the ring empty:
//!
//! - *Distance*: time one poll in 64 with the cycle counter (fenced on both sides); if it found the message after an earlier
//!   poll had not, its time is one transfer of the line (25 ns near, 140 ns far). Keep a moving average `t`.
//! - *Gap* between polls: `t / 2`, at least one pause. Two or three load fences (`lfence`) in place of the pauses do as well
//!   near and need no measuring, since they last as long as the poll itself.
//! - *Slip*, a wait before the first poll once the ring is found empty, zero at first. Every 256th time try `3 t`. Next time,
//!   look at how many messages the slip brought: one, back to zero; fewer than four, halve it; else double it, up to
//!   12 us and as long as the burst is below a quarter of the ring; halve it above half of the ring.

pub(crate) mod bell;
pub(crate) mod bells;
pub(crate) mod bulk;
pub(crate) mod commit;
mod control;
pub(crate) mod exchange;
pub(crate) mod frames;
pub(crate) mod lanes;
pub(crate) mod queued;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod socket;

use std::hint::spin_loop;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Executes `count` pauses.
#[inline(always)]
fn pauses(count: u32) {
    for _ in 0..count {
        spin_loop();
    }
}

/// From this gap on, it is fences that are counted.
const FENCES: u32 = 50;

/// A fence and then a pause: the pause begins when the last poll has its answer.
const FENCE_AND_PAUSE: u32 = 99;

/// The time between two polls: so many pauses, or [`FENCES`] and so many fences. A fence lets the next poll begin only when
/// the one before has its answer, so it lasts as long as the line takes to come, on near and on far cores.
#[inline(always)]
fn between_polls(gap: u32) {
    if gap < FENCES {
        pauses(gap);
    } else if gap == FENCE_AND_PAUSE {
        finish_loads();
        pauses(1);
    } else {
        for _ in FENCES..gap {
            finish_loads();
        }
    }
}

/// The same in words.
fn gap_in_words(gap: u32) -> String {
    if gap < FENCES {
        format!("{gap} pauses between polls")
    } else if gap == FENCE_AND_PAUSE {
        "a load fence and a pause between polls".to_owned()
    } else {
        format!("{} load fences between polls", gap - FENCES)
    }
}

/// Waits until every load before it has its value.
#[inline(always)]
fn finish_loads() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction has no effect but on order and time.
    unsafe {
        std::arch::asm!("lfence", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("dsb ishld", options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    spin_loop();
}

/// Asks for the line at `address` in a state in which it can be written, and does not wait for it.
#[inline(always)]
fn prefetch_to_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect that a program can see, whatever the address.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) address, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// Copies `source` to shared memory.
///
/// # Safety
/// `target` must be valid for writes of `source.len()` bytes, and the peer must not touch them until it is told.
#[inline(always)]
unsafe fn copy_in(target: *mut u8, source: &[u8]) {
    // SAFETY: the caller's promise; a private slice and the shared area do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), target, source.len()) }
}

/// Copies shared memory to `target`.
///
/// # Safety
/// `source` must be valid for reads of `target.len()` bytes, and the peer must not write them until it is told.
#[inline(always)]
unsafe fn copy_out(source: *const u8, target: &mut [u8]) {
    // SAFETY: the caller's promise; a private slice and the shared area do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(source, target.as_mut_ptr(), target.len()) }
}
