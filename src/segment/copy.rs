//! Copying bytes out of memory that another process may be changing.
//!
//! An ordinary load of such memory is a data race, and the optimiser may act on that: it has been seen to drop a copy and check
//! the shared bytes twice, which hands a hostile peer a time-of-check hole. So foreign bytes leave through machine code that
//! the compiler cannot see into:
//!
//! - up to [`INLINE`] bytes on x86-64: one `asm!` block of overlapping unaligned moves (two loads from each end cover every
//!   length between one power of two and the next, as in most `memcpy` implementations);
//! - everything else: the C library's `memcpy`, called through a function pointer that has passed through an empty `asm!` block, so
//!   that the compiler knows neither the function nor what it does.
//!
//! Built for `AddressSanitizer`, which sees no inline code, all lengths take the second way.
//!
//! The second runs at `memcpy` speed (`ringway bench stream-large`). Bytes that race arrive in any mixture of old and new; they are plain numbers, and whoever
//! wants more of them validates the copy.

use core::arch::asm;

/// Lengths up to this many bytes are copied by inline code.
#[cfg(all(target_arch = "x86_64", not(any(ringway_asan, fuzzing))))]
pub(crate) const INLINE: usize = 128;

/// Copies `length` bytes from shared memory, `SKIP` bytes behind `source`, to private memory.
///
/// # Safety
/// `source` is mapped and readable for `SKIP + length` bytes (they may change meanwhile); `target` is valid for writes of `length`
/// bytes and private to this process; the two do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy_out<const SKIP: usize>(
    source: *const u8,
    target: *mut u8,
    length: usize,
) {
    #[cfg(all(target_arch = "x86_64", not(any(ringway_asan, fuzzing))))]
    if length <= INLINE {
        // SAFETY: the caller's promise, handed on unchanged.
        return unsafe { copy_small::<SKIP>(source, target, length) };
    }
    // SAFETY: the caller's promise.
    unsafe { copy_large(source.add(SKIP), target, length) }
}

/// # Safety
/// As for [`copy_out`].
#[inline(always)]
unsafe fn copy_large(source: *const u8, target: *mut u8, length: usize) {
    type Memcpy =
        unsafe extern "C" fn(*mut libc::c_void, *const libc::c_void, usize) -> *mut libc::c_void;
    let mut memcpy: Memcpy = libc::memcpy;
    // SAFETY: the block contains no instruction; it only hides from the compiler which function this is.
    unsafe { asm!("/* {0} */", inout(reg) memcpy, options(nostack, preserves_flags)) };
    // SAFETY: the caller's promise is `memcpy`'s, save that `source` may change. It loads bytes and stores them, and reads no
    // byte to decide anything, so that a change shows in the copied values and nowhere else.
    unsafe { memcpy(target.cast(), source.cast(), length) };
}

/// Two overlapping moves of `$width`-byte registers: covers `$width ..= 2 * $width` bytes.
#[cfg(all(target_arch = "x86_64", not(any(ringway_asan, fuzzing))))]
macro_rules! ends {
    ($source:ident, $target:ident, $length:ident, $class:ident, $move:literal, $modifier:literal, $width:literal) => {
        asm!(
            concat!($move, " {a", $modifier, "}, [{s} + {k}]"),
            concat!($move, " {b", $modifier, "}, [{s} + {n} + {k} - ", $width, "]"),
            concat!($move, " [{t}], {a", $modifier, "}"),
            concat!($move, " [{t} + {n} - ", $width, "], {b", $modifier, "}"),
            s = in(reg) $source, t = in(reg) $target, n = in(reg) $length, k = const SKIP,
            a = out($class) _, b = out($class) _,
            options(nostack, preserves_flags)
        )
    };
}

/// # Safety
/// As for [`copy_out`], and `length <= INLINE`.
#[cfg(all(target_arch = "x86_64", not(any(ringway_asan, fuzzing))))]
#[inline(always)]
unsafe fn copy_small<const SKIP: usize>(source: *const u8, target: *mut u8, length: usize) {
    // SAFETY: in each arm every access lies in `[0, length)` of target, and of source behind `SKIP`: the first moves start at 0, the last ones
    // end at `length`, and the arm's bounds make the widths fit. No stack and no flags are touched.
    unsafe {
        if length > 32 {
            if length > 64 {
                asm!(
                    "movdqu {a}, [{s} + {k}]", "movdqu {b}, [{s} + {k} + 16]", "movdqu {c}, [{s} + {k} + 32]", "movdqu {d}, [{s} + {k} + 48]",
                    "movdqu {e}, [{s} + {n} + {k} - 64]", "movdqu {f}, [{s} + {n} + {k} - 48]",
                    "movdqu {g}, [{s} + {n} + {k} - 32]", "movdqu {h}, [{s} + {n} + {k} - 16]",
                    "movdqu [{t}], {a}", "movdqu [{t} + 16], {b}", "movdqu [{t} + 32], {c}", "movdqu [{t} + 48], {d}",
                    "movdqu [{t} + {n} - 64], {e}", "movdqu [{t} + {n} - 48], {f}",
                    "movdqu [{t} + {n} - 32], {g}", "movdqu [{t} + {n} - 16], {h}",
                    s = in(reg) source, t = in(reg) target, n = in(reg) length, k = const SKIP,
                    a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                    e = out(xmm_reg) _, f = out(xmm_reg) _, g = out(xmm_reg) _, h = out(xmm_reg) _,
                    options(nostack, preserves_flags)
                );
            } else {
                asm!(
                    "movdqu {a}, [{s} + {k}]", "movdqu {b}, [{s} + {k} + 16]",
                    "movdqu {c}, [{s} + {n} + {k} - 32]", "movdqu {d}, [{s} + {n} + {k} - 16]",
                    "movdqu [{t}], {a}", "movdqu [{t} + 16], {b}",
                    "movdqu [{t} + {n} - 32], {c}", "movdqu [{t} + {n} - 16], {d}",
                    s = in(reg) source, t = in(reg) target, n = in(reg) length, k = const SKIP,
                    a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                    options(nostack, preserves_flags)
                );
            }
        } else if length >= 16 {
            ends!(source, target, length, xmm_reg, "movdqu", "", "16");
        } else if length >= 8 {
            ends!(source, target, length, reg, "mov", ":r", "8");
        } else if length >= 4 {
            ends!(source, target, length, reg, "mov", ":e", "4");
        } else if length >= 2 {
            ends!(source, target, length, reg, "mov", ":x", "2");
        } else if length == 1 {
            asm!(
                "mov {a}, [{s} + {k}]", "mov [{t}], {a}",
                s = in(reg) source, t = in(reg) target, k = const SKIP, a = out(reg_byte) _,
                options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_length_and_some_large_ones_arrive_whole_and_touch_nothing_else() {
        let source: Vec<u8> = (0..70_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 1)
            .collect();
        for length in (0..=300).chain([4095, 4096, 4097, 65_536]) {
            for shift in [0, 1, 7] {
                let mut target = vec![0u8; length + 32];
                // SAFETY: both ranges are inside their vectors, which are distinct.
                unsafe {
                    copy_out::<0>(
                        source.as_ptr().add(shift),
                        target.as_mut_ptr().add(16),
                        length,
                    );
                };
                assert!(
                    target[..16].iter().all(|&byte| byte == 0),
                    "before, length {length}"
                );
                assert_eq!(
                    target[16..16 + length],
                    source[shift..shift + length],
                    "length {length}"
                );
                assert!(
                    target[16 + length..].iter().all(|&byte| byte == 0),
                    "behind, length {length}"
                );
            }
        }
    }
}
