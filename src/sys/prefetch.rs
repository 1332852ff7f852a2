//! Hints that lines will soon be used: they change nothing that a program can see, whatever the address, and cost an instruction each where there is no such thing.

/// Bytes in a line.
const LINE: usize = 64;

/// Asks for the line at `place`, to be read.
#[inline(always)]
pub(crate) fn to_read(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect that a program can see, whatever the address.
    unsafe {
        core::arch::asm!("prefetcht0 [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks for the line at `place`, to be written.
#[inline(always)]
pub(crate) fn to_write(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as in `to_read`: not even one that takes the line from others writes to it.
    unsafe {
        core::arch::asm!("prefetchw [{0}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks for the first `lines` of a private value.
#[inline(always)]
pub(crate) fn value<T>(value: &T, lines: usize) {
    let place = core::ptr::from_ref(value).cast::<u8>();
    for line in 0..lines.min(size_of::<T>().div_ceil(LINE)) {
        to_write(place.wrapping_add(line * LINE));
    }
}
