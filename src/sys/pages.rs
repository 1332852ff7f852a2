//! How much of a memory file has pages: `cachestat` (Linux 6.5).
//!
//! The blocks that `fstat` counts may lie behind the file's end, where `fallocate` puts them if it is asked to keep the size: as many as are missing before it. Whoever reads where a page is
//! missing has one made, and charged to its own control group, which may end it for that.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{last_error, memfd};

/// The number of the call, on all architectures of ours. The C library's crate does not have it for each.
const SYS_CACHESTAT: libc::c_long = 451;

/// `struct cachestat_range` of `linux/mman.h`.
#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// `struct cachestat` of the same, in pages.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    /// Of a memory file: swapped out.
    evicted: u64,
    recently_evicted: u64,
}

/// Bytes of the first `bytes` for which there are pages, in memory or swapped out. `None`: the kernel does not tell us.
///
/// # Errors
/// It tells those who may write the file, and this descriptor is none of theirs.
pub(super) fn present(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<Option<u64>> {
    let mut most = 0;
    // What is swapped in or out at this moment may not be seen.
    for _ in 0..3 {
        let Some(found) = look(fd, bytes)? else {
            return Ok(None);
        };
        most = most.max(found);
        if most >= bytes {
            break;
        }
    }
    Ok(Some(most))
}

fn look(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<Option<u64>> {
    let range = Range {
        offset: 0,
        length: bytes,
    };
    let mut counts = Counts::default();
    // SAFETY: `range` is valid for reads and `counts` for writes of what the kernel knows by those names.
    let answer = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            fd.as_raw_fd(),
            &raw const range,
            &raw mut counts,
            0 as libc::c_uint,
        )
    };
    if answer == 0 {
        let pages = counts.cached.saturating_add(counts.evicted);
        return Ok(Some(pages.saturating_mul(memfd::page_size() as u64)));
    }
    let error = last_error();
    // A sandbox answers so too; but the kernel does not, of a descriptor that can write, as those of memory files are at first.
    if error.raw_os_error() == Some(libc::EPERM) && !can_write(fd)? {
        return Err(error);
    }
    Ok(None)
}

fn can_write(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    Ok(flags.intersection(OFlag::O_ACCMODE) == OFlag::O_RDWR)
}
