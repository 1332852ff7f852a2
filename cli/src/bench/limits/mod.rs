//! The limits: each row's work done by hand, as simply and as fast as it can be done between two processes that map
//! the same memory writable and trust each other blindly.
//!
//! Deliberately absent: every check, death, closing, wrapping of counters, and any layer between the loop and the
//! memory. A limit that loses to Ringway is badly written and has to be improved, not explained.
//!
//! Some limits have a parameter whose best value depends on how far apart the two cores are just then (a virtual
//! machine's host moves them within seconds). Those are tried before each series of rounds and the best is taken:
//! see `choices` in the row table.

pub(crate) mod bell;
pub(crate) mod bulk;
pub(crate) mod exchange;
pub(crate) mod frames;
pub(crate) mod line;
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
