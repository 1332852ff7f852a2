//! Mapping a segment: a control area, and behind it each ring mapped twice back to back.
//!
//! ```text
//! file     | control | ring | next ring |
//! address  | guard | control | ring | ring again | next ring | next ring again | guard |
//! ```
//!
//! The second copy makes every frame contiguous in the address space, wherever in the ring it starts. A guard is a page that nobody can access: a bound that
//! is missed ends the process, and reads nothing of what happens to lie beside the segment. Absent on purpose: access to the bytes. A [`Mapping`] is an address range with an owner; `segment` is the layer that touches it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::fork::Birth;
use super::{check, last_error};

/// Who may write through the mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Our own segment.
    ReadWrite,
    /// A peer's segment.
    ReadOnly,
}

/// An address range between two guards that is unmapped on drop, but never in the child of a fork, where the range is somebody else's.
#[derive(Debug)]
pub(crate) struct Mapping {
    reserved: Reservation,
}

impl Mapping {
    /// Maps `control` bytes of `fd` and each of the `rings` rings of `ring` bytes behind them twice; a ring may have no bytes. Sizes are multiples
    /// of the file's page size. `prefault` asks for all page tables now.
    pub(crate) fn doubled(
        fd: BorrowedFd<'_>,
        control: usize,
        (ring, rings): (usize, usize),
        huge: bool,
        access: Access,
        prefault: bool,
    ) -> io::Result<Self> {
        let birth = Birth::here()?;
        let bytes = control + 2 * ring * rings;
        let align = if huge {
            super::memfd::HUGE_PAGE
        } else {
            super::memfd::page_size()
        };
        let reserved = Reservation::new(bytes, align, birth)?;
        let protection = match access {
            Access::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
            Access::ReadOnly => libc::PROT_READ,
        };
        let mut flags = libc::MAP_SHARED | libc::MAP_FIXED;
        if prefault {
            flags |= libc::MAP_POPULATE;
        }
        // The second copy of a ring and the first one of the next lie side by side in the file too: one mapping.
        let behind = (0..rings).map(|index| {
            let length = if index + 1 < rings { 2 * ring } else { ring };
            let (at, offset) = (2 * index + 1, index);
            (control + at * ring, length, control + offset * ring)
        });
        let parts = std::iter::once((0, control + ring, 0)).chain(behind);
        for (at, length, offset) in parts.filter(|(_, length, _)| *length > 0) {
            // SAFETY: `at + length <= bytes`, inside the range that `reserved` owns and nothing else uses, so that
            // MAP_FIXED replaces only our own reservation.
            let address = unsafe {
                libc::mmap(
                    reserved.base.add(at).cast(),
                    length,
                    protection,
                    flags,
                    fd.as_raw_fd(),
                    libc::off_t::try_from(offset)
                        .map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?,
                )
            };
            if address == libc::MAP_FAILED {
                return Err(last_error());
            }
        }
        // The guards too: the kernel keeps one record for guards that lie side by side and are treated alike.
        let (start, length) = reserved.whole();
        // SAFETY: the range is ours, and the advice changes only what a fork copies.
        check(unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTFORK) })?;
        Ok(Self { reserved })
    }

    /// The first byte of the control area.
    pub(crate) fn base(&self) -> *mut u8 {
        self.reserved.base
    }

    /// Keeps the pages of a mapping of these sizes in memory until they are unmapped. The second copy of a ring shows the same pages, so it need
    /// not be locked too, and is not charged.
    pub(crate) fn lock(&self, control: usize, (ring, rings): (usize, usize)) -> io::Result<()> {
        assert!(
            control + 2 * ring * rings <= self.reserved.bytes,
            "other sizes"
        );
        if self.birth().is_forked() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        let others = (1..rings).map(|index| (control + 2 * index * ring, ring));
        for (at, length) in std::iter::once((0, control + ring)).chain(others) {
            // SAFETY: the range is inside the mapping, by the check above, which `self` keeps, in the process that made it.
            unsafe { super::place::lock(self.base().add(at), length) }?;
        }
        Ok(())
    }

    /// The mark of the process that made this mapping.
    pub(crate) fn birth(&self) -> Birth {
        self.reserved.birth
    }
}

/// Address space without access, to map into, between two guards. Given back on drop, but never in the child of a fork.
#[derive(Debug)]
struct Reservation {
    /// Behind the first guard.
    base: *mut u8,
    /// Up to the second one.
    bytes: usize,
    birth: Birth,
}

// SAFETY: a `Reservation` only owns an address range; it gives no access to what is in it.
unsafe impl Send for Reservation {}
// SAFETY: as above.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// `bytes` behind a multiple of `align`, which is one of the page size.
    fn new(bytes: usize, align: usize, birth: Birth) -> io::Result<Self> {
        let guard = super::memfd::page_size();
        // Wherever the kernel begins, a multiple of `align` with a guard before it is no further than that.
        let most = bytes
            .checked_add(align + guard)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let raw = map(
            most,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        )?;
        // SAFETY: the range has the guard.
        let base = unsafe { raw.add(guard) };
        let head = base.align_offset(align);
        // SAFETY: `head < align`, and both are multiples of the page size, so that `head + guard <= align`: the guard, `head` and `bytes` with a guard behind
        // them are inside the range just mapped.
        let base = unsafe { base.add(head) };
        if head > 0 {
            unmap(raw, head);
        }
        let tail = align - guard - head;
        if tail > 0 {
            // SAFETY: what alignment did not need, behind the second guard.
            unmap(unsafe { base.add(bytes + guard) }, tail);
        }
        Ok(Self { base, bytes, birth })
    }

    /// Where it begins and how many bytes it has, with its guards.
    fn whole(&self) -> (*mut u8, usize) {
        let guard = super::memfd::page_size();
        // SAFETY: the guard is there, by `new`.
        (unsafe { self.base.sub(guard) }, self.bytes + 2 * guard)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.birth.is_forked() {
            let (start, length) = self.whole();
            // A planted fault, which tests/soak must find: one address in sixteen stays mapped.
            #[cfg(ringway_planted = "kept_mapping")]
            if start as usize >> 12 & 15 == 0 && crate::planted::is_asked_for("kept_mapping") {
                return;
            }
            unmap(start, length);
        }
    }
}

/// Whether nobody can map the first `bytes` of a file for writing any more, by having tried. Some kernels before Linux 5.13 do not heed `F_SEAL_FUTURE_WRITE` where pages are huge.
pub(crate) fn is_shut(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<bool> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_NORESERVE;
    // SAFETY: no address is asked for, so the kernel picks a range that nothing uses.
    let address = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            bytes,
            access,
            flags,
            fd.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        let error = last_error();
        return match error.raw_os_error() {
            Some(libc::EPERM) => Ok(true),
            _ => Err(error),
        };
    }
    unmap(address.cast(), bytes);
    Ok(false)
}

/// Zeroed private memory of this process, page-aligned. The caller owns it.
pub(crate) fn anonymous(bytes: usize) -> io::Result<*mut u8> {
    map(
        bytes,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    )
}

fn map(bytes: usize, protection: libc::c_int, flags: libc::c_int) -> io::Result<*mut u8> {
    // SAFETY: no address is asked for, so the kernel picks a range that nothing uses.
    let address = unsafe { libc::mmap(core::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        Err(last_error())
    } else {
        Ok(address.cast())
    }
}

/// Makes a child find zeros in a private mapping (Linux 4.14).
pub(crate) fn wipe_on_fork(base: *mut u8, bytes: usize) -> io::Result<()> {
    // SAFETY: every caller owns the range; in this process nothing changes.
    super::check(unsafe { libc::madvise(base.cast(), bytes, libc::MADV_WIPEONFORK) }).map(drop)
}

/// Gives a range of the caller's back.
pub(crate) fn unmap(base: *mut u8, bytes: usize) {
    // SAFETY: every caller owns the range and gives it up here. An error would leave it mapped, which harms nobody.
    unsafe { libc::munmap(base.cast(), bytes) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;
    use std::os::fd::AsFd;

    #[test]
    fn the_second_copy_shows_the_same_bytes() {
        let page = memfd::page_size();
        let fd = memfd::create(c"ringway-test", false).unwrap();
        memfd::allocate(fd.as_fd(), 3 * page).unwrap();
        let sizes = (2 * page, 1);
        let mapping =
            Mapping::doubled(fd.as_fd(), page, sizes, false, Access::ReadWrite, true).unwrap();
        // SAFETY: all offsets are inside the mapping, which nothing else uses.
        unsafe {
            mapping.base().add(page + 7).write_volatile(42);
            assert_eq!(mapping.base().add(3 * page + 7).read_volatile(), 42);
            mapping.base().add(5 * page - 1).write_volatile(43);
            assert_eq!(mapping.base().add(3 * page - 1).read_volatile(), 43);
        }
    }

    #[test]
    fn each_of_several_rings_is_followed_by_itself() {
        const RINGS: usize = 4;
        let page = memfd::page_size();
        let fd = memfd::create(c"ringway-test", false).unwrap();
        memfd::allocate(fd.as_fd(), (1 + 2 * RINGS) * page).unwrap();
        let sizes = (2 * page, RINGS);
        let mapping =
            Mapping::doubled(fd.as_fd(), page, sizes, false, Access::ReadWrite, false).unwrap();
        mapping.lock(page, sizes).unwrap();
        for ring in 0..RINGS {
            let mark = ring as u8 + 1;
            // SAFETY: all offsets are inside the mapping, which nothing else uses.
            unsafe {
                let first = mapping.base().add((1 + 4 * ring) * page);
                first.write_volatile(mark);
                first.add(4 * page - 1).write_volatile(mark);
            }
        }
        for ring in 0..RINGS {
            let mark = ring as u8 + 1;
            // SAFETY: as above.
            unsafe {
                let first = mapping.base().add((1 + 4 * ring) * page);
                assert_eq!(first.read_volatile(), mark);
                assert_eq!(first.add(2 * page).read_volatile(), mark);
                assert_eq!(first.add(2 * page - 1).read_volatile(), mark);
                assert_eq!(first.add(4 * page - 1).read_volatile(), mark);
            }
        }
    }

    /// The lines of `/proc/self/maps` that touch an address range, as start, end and permissions.
    fn maps(range: core::ops::Range<usize>) -> Vec<(usize, usize, String)> {
        let text = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = |line: &str| {
            let (ends, rest) = line.split_once(' ')?;
            let (start, end) = ends.split_once('-')?;
            let hex = |text| usize::from_str_radix(text, 16).ok();
            Some((hex(start)?, hex(end)?, rest.get(..4)?.to_owned()))
        };
        let all = text.lines().filter_map(line);
        all.filter(|(start, end, _)| *start < range.end && range.start < *end)
            .collect()
    }

    #[test]
    fn a_guard_stands_on_either_side() {
        let page = memfd::page_size();
        // Huge alignment of ordinary pages: where the guard is does not depend on the size of the pages.
        for (align, lanes) in [(page, 1), (page, 3), (memfd::HUGE_PAGE, 1)] {
            let fd = memfd::create(c"ringway-test", false).unwrap();
            let control = align;
            memfd::allocate(fd.as_fd(), control + lanes * align).unwrap();
            let huge = align > page;
            let sizes = (align, lanes);
            let access = Access::ReadWrite;
            let mapping =
                Mapping::doubled(fd.as_fd(), control, sizes, huge, access, false).unwrap();
            let base = mapping.base() as usize;
            assert_eq!(base % align, 0);
            let end = base + control + 2 * align * lanes;
            let (before, behind) = (maps(base - page..base), maps(end..end + page));
            for (guard, edge) in [(before, base - page), (behind, end)] {
                let [(start, stop, mode)] = &guard[..] else {
                    panic!("no guard beside {align} bytes: {guard:?}");
                };
                assert!(*start <= edge && edge + page <= *stop, "{guard:?}");
                assert_eq!(mode, "---p");
            }
            let inside = maps(base..end);
            assert!(inside.iter().all(|(_, _, mode)| mode == "rw-s"));
        }
    }

    #[test]
    fn only_a_sealed_file_is_shut() {
        let page = memfd::page_size();
        let fd = memfd::create(c"ringway-test", false).unwrap();
        memfd::allocate(fd.as_fd(), page).unwrap();
        assert!(!is_shut(fd.as_fd(), page).unwrap());
        memfd::seal(fd.as_fd()).unwrap();
        assert!(is_shut(fd.as_fd(), page).unwrap());
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(is_shut(null.as_fd(), page).is_err(), "it cannot be told");
    }

    #[test]
    fn a_sealed_file_maps_read_only_and_not_otherwise() {
        let page = memfd::page_size();
        let fd = memfd::create(c"ringway-test", false).unwrap();
        memfd::allocate(fd.as_fd(), 2 * page).unwrap();
        memfd::seal(fd.as_fd()).unwrap();
        let map = |access| Mapping::doubled(fd.as_fd(), page, (page, 1), false, access, false);
        assert!(map(Access::ReadOnly).is_ok());
        assert_eq!(
            map(Access::ReadWrite).unwrap_err().raw_os_error(),
            Some(libc::EPERM)
        );
    }
}
