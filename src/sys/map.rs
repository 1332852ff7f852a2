//! Mapping a segment: a control area, and behind it each ring mapped twice back to back.
//!
//! ```text
//! file     | control | ring | next ring |
//! address  | control | ring | ring again | next ring | next ring again |
//! ```
//!
//! The second copy makes every frame contiguous in the address space, wherever in the ring it starts. Absent on purpose:
//! access to the bytes. A [`Mapping`] is an address range with an owner; `segment` is the layer that touches it.

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

/// An address range that is unmapped on drop, but never in the child of a fork, where the range is somebody else's.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: *mut u8,
    bytes: usize,
    birth: Birth,
}

// SAFETY: a `Mapping` only owns an address range; it gives no access to what is in it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

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
        let reserved = Reservation::new(bytes, align)?;
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
        // SAFETY: the range is ours, and the advice changes only what a fork copies.
        check(unsafe { libc::madvise(reserved.base.cast(), bytes, libc::MADV_DONTFORK) })?;
        let base = reserved.into_base();
        Ok(Self { base, bytes, birth })
    }

    /// The first byte of the control area.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Keeps the pages of a mapping of these sizes in memory until they are unmapped. The second copy of a ring shows the same pages, so it need
    /// not be locked too, and is not charged.
    pub(crate) fn lock(&self, control: usize, (ring, rings): (usize, usize)) -> io::Result<()> {
        assert!(control + 2 * ring * rings <= self.bytes, "other sizes");
        if self.birth.is_forked() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        let others = (1..rings).map(|index| (control + 2 * index * ring, ring));
        for (at, length) in std::iter::once((0, control + ring)).chain(others) {
            // SAFETY: the range is inside the mapping, by the check above, which `self` keeps, in the process that made it.
            unsafe { super::place::lock(self.base.add(at), length) }?;
        }
        Ok(())
    }

    /// The mark of the process that made this mapping.
    pub(crate) fn birth(&self) -> Birth {
        self.birth
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.birth.is_forked() {
            unmap(self.base, self.bytes);
        }
    }
}

/// Address space without access, to map into. Given back on drop unless [`Reservation::into_base`] kept it.
struct Reservation {
    base: *mut u8,
    bytes: usize,
}

impl Reservation {
    fn new(bytes: usize, align: usize) -> io::Result<Self> {
        let slack = if align > super::memfd::page_size() {
            align
        } else {
            0
        };
        let total = bytes
            .checked_add(slack)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let raw = map(
            total,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        )?;
        let head = raw.align_offset(align);
        // SAFETY: `head <= slack`, so the result and `bytes` behind it are inside the range just mapped.
        let base = unsafe { raw.add(head) };
        if head > 0 {
            unmap(raw, head);
        }
        if slack > head {
            // SAFETY: `head + bytes <= total`: the tail that alignment did not need.
            unmap(unsafe { base.add(bytes) }, slack - head);
        }
        Ok(Self { base, bytes })
    }

    fn into_base(self) -> *mut u8 {
        core::mem::ManuallyDrop::new(self).base
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        unmap(self.base, self.bytes);
    }
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
