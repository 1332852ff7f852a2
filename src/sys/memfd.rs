//! Anonymous memory files: making ours, sealing it, and judging one that a peer sent.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::resource::Resource;

use super::uring::{Denied, Instance};
use super::{again, check, pages, place};

/// The four seals that make a descriptor safe to hand out and safe to map: its size is fixed for ever, and nobody who
/// receives it can map it writable.
pub(crate) const SEALS: libc::c_int =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

/// Linux's `MFD_NOEXEC_SEAL` (6.3): the file can never be made executable. Older kernels refuse it with `EINVAL`.
const MFD_NOEXEC_SEAL: libc::c_uint = 0x0008;
/// `log2(2 MiB) << MFD_HUGE_SHIFT`: huge pages of the size that `HUGE_PAGE` names.
const MFD_HUGE_2MB: libc::c_uint = 21 << 26;

/// The size of the huge pages that the `huge_pages` option uses, in bytes.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

const TMPFS_MAGIC: i64 = 0x0102_1994;
const HUGETLBFS_MAGIC: i64 = 0x9584_58f6;

/// Creates an empty memory file that is closed on exec, and not executable where the kernel can promise that.
pub(crate) fn create(name: &CStr, huge: bool) -> io::Result<OwnedFd> {
    let mut flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    if huge {
        flags |= libc::MFD_HUGETLB | MFD_HUGE_2MB;
    }
    match memfd_create(name, flags | MFD_NOEXEC_SEAL) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => memfd_create(name, flags),
        other => other,
    }
}

fn memfd_create(name: &CStr, flags: libc::c_uint) -> io::Result<OwnedFd> {
    // SAFETY: `name` is a valid NUL-terminated string for the duration of the call.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets the size. No page is allocated yet. `EFBIG`: the limit on a file's size is lower.
pub(crate) fn resize(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let length = length(bytes)?;
    // The kernel would send SIGXFSZ too, by which a process ends that is not prepared for it.
    let most = place::limit(Resource::RLIMIT_FSIZE);
    // A planted fault, which tests/memory must find: nobody asks.
    #[cfg(ringway_planted = "unasked_limit")]
    let most = most.filter(|_| false);
    if most.is_some_and(|most| bytes as u64 > most) {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    // SAFETY: no memory is passed; the descriptor is open for the duration of the borrow.
    again(|| check(unsafe { libc::ftruncate(fd.as_raw_fd(), length) })).map(drop)
}

fn length(bytes: usize) -> io::Result<libc::off_t> {
    libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))
}

/// Sets the size and allocates every page of it now, so that no later access can fail for want of memory.
///
/// `ENOSPC` (no huge pages, a full tmpfs limit) and `ENOMEM` (a memory limit) come back from here, while there is
/// still a caller to tell; an unallocated page would be a `SIGBUS` later.
pub(crate) fn allocate(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    resize(fd, bytes)?;
    length(bytes)?;
    in_pieces(bytes, |from, bytes| {
        let (from, bytes) = (length(from)?, length(bytes)?);
        // SAFETY: no memory is passed; the descriptor is open for the duration of the borrow.
        let allocated = check(unsafe { libc::fallocate(fd.as_raw_fd(), 0, from, bytes) });
        // A planted fault, which tests/failing must find: nobody looks at the answer, not even whether a signal came in between.
        #[cfg(ringway_planted = "unheeded_errno")]
        let allocated = allocated.or(Ok(0));
        allocated.map(drop)
    })
}

/// So much is allocated in a call. Kernels before Linux 6.11 give up at a signal and undo what the call has done, so that a program with a timer whose signals come faster than a
/// whole segment is allocated would never have one.
const PIECE: usize = HUGE_PAGE;

/// Allocates piece by piece, each again until no signal comes in between.
fn in_pieces(
    bytes: usize,
    mut allocate: impl FnMut(usize, usize) -> io::Result<()>,
) -> io::Result<()> {
    for from in (0..bytes).step_by(PIECE) {
        again(|| allocate(from, PIECE.min(bytes - from)))?;
    }
    Ok(())
}

/// Applies the [`SEALS`]. Must come after our own writable mapping was made: `F_SEAL_FUTURE_WRITE` refuses later ones.
pub(crate) fn seal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `F_ADD_SEALS` takes an integer and touches no memory of ours.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) }).map(drop)
}

/// Which file it is: no two that are there at the same time have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// That of a memory file of ours.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        stat(fd).map(|status| Self::told(&status))
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields have other widths on other architectures"
    )]
    fn told(status: &libc::stat) -> Self {
        Self {
            device: status.st_dev as u64,
            inode: status.st_ino as u64,
        }
    }
}

fn stat(fd: BorrowedFd<'_>) -> io::Result<libc::stat> {
    // SAFETY: all-zero bytes are a valid `stat`, which the kernel then fills.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: `status` is valid for writes for the duration of the call.
    check(unsafe { libc::fstat(fd.as_raw_fd(), &raw mut status) })?;
    Ok(status)
}

/// What is wrong with a descriptor that a peer sent as its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// It has no seals at all: no memory file.
    NotAMemoryFile,
    /// It lacks at least one of the four seals; the value is the seals that it has.
    Seals(libc::c_int),
    /// It is not on tmpfs (or hugetlbfs where huge pages were agreed).
    FileSystem,
    /// It is our own.
    Own,
    /// Its size is not the one that the peer announced.
    Size { announced: u64, actual: u64 },
    /// Not all of its pages are allocated.
    Sparse { size: u64, allocated: u64 },
    /// The kernel would not answer.
    Unreadable(i32),
}

/// Checks a descriptor before it is mapped: seals, file system, whose it is, size, allocation, in that order. `own`: the segment of ours that the peer may have.
///
/// The order matters: seals exist on memory files only, and asking for them cannot reach a hostile file system; `fstat` of a
/// FUSE file can hang.
pub(crate) fn inspect(
    fd: BorrowedFd<'_>,
    announced: u64,
    huge: bool,
    own: Option<Identity>,
) -> Result<(), Defect> {
    // SAFETY: `F_GET_SEALS` passes no memory.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    if seals == -1 {
        let errno = super::last_error().raw_os_error().unwrap_or(0);
        // What has no seals says `EINVAL`, a mere path `EBADF`; else we may not ask.
        return Err(match errno {
            libc::EINVAL | libc::EBADF => Defect::NotAMemoryFile,
            _ => Defect::Unreadable(errno),
        });
    }
    if seals & SEALS != SEALS {
        return Err(Defect::Seals(seals));
    }
    let unreadable = |error: io::Error| Defect::Unreadable(error.raw_os_error().unwrap_or(0));
    // SAFETY: all-zero bytes are a valid `statfs`, which the kernel then fills.
    let mut filesystem: libc::statfs = unsafe { core::mem::zeroed() };
    // SAFETY: `filesystem` is valid for writes for the duration of the call.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut filesystem) }).map_err(unreadable)?;
    #[allow(
        clippy::unnecessary_cast,
        reason = "f_type has another width on other architectures"
    )]
    let kind = filesystem.f_type as i64;
    if kind != if huge { HUGETLBFS_MAGIC } else { TMPFS_MAGIC } {
        return Err(Defect::FileSystem);
    }
    let status = stat(fd).map_err(unreadable)?;
    if own == Some(Identity::told(&status)) {
        return Err(Defect::Own);
    }
    let size = u64::try_from(status.st_size).unwrap_or(0);
    if size != announced {
        return Err(Defect::Size {
            announced,
            actual: size,
        });
    }
    let allocated = u64::try_from(status.st_blocks)
        .unwrap_or(0)
        .saturating_mul(512);
    if allocated < size {
        return Err(Defect::Sparse { size, allocated });
    }
    // Of huge pages `mmap` reserves what is missing, or fails.
    if !huge {
        let present = pages::present(fd, size).map_err(unreadable)?;
        if let Some(allocated) = present.filter(|present| *present < size) {
            return Err(Defect::Sparse { size, allocated });
        }
    }
    Ok(())
}

/// Whether a descriptor is an eventfd, asked without touching the file behind it.
///
/// The name that `/proc` gives an anonymous inode cannot be imitated by a file system. Where `/proc` cannot be read, the kernel is asked to
/// register it with an `io_uring`, or to ring it, which wakes a peer in vain: it refuses either for anything else. Where it cannot do that either, nobody can tell: then the
/// error is that of `/proc`.
pub(crate) fn is_eventfd(fd: BorrowedFd<'_>) -> io::Result<bool> {
    match std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())) {
        Ok(target) => Ok(target.as_os_str() == "anon_inode:[eventfd]"),
        Err(unread) => rings(fd).ok_or(unread),
    }
}

/// What the kernel says of it that is to ring it; `None`: it does not ring anything for us.
fn rings(fd: BorrowedFd<'_>) -> Option<bool> {
    match Instance::new(fd) {
        Ok(_) => return Some(true),
        Err(Denied::NoEventfd) => return Some(false),
        Err(Denied::Now | Denied::Ever) => {}
    }
    match super::aio::signal(fd).map_err(|error| error.raw_os_error()) {
        Ok(()) => Some(true),
        Err(Some(libc::EINVAL | libc::EBADF)) => Some(false),
        Err(_) => None,
    }
}

/// The size of an ordinary page, in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: `sysconf` has no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_eventfd_rings() {
        let bell = super::super::bell::create().unwrap();
        let (socket, _peer) = super::super::socket::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for ask in [|fd| is_eventfd(fd).ok(), rings] {
            assert_eq!(ask(bell.as_fd()), Some(true));
            assert_eq!(ask(socket.as_fd()), Some(false));
            assert_eq!(ask(file.as_fd()), Some(false));
        }
    }
    use std::fs::File;
    use std::os::fd::AsFd;

    /// A second handle on the same file, to try what a peer could.
    fn duplicate(fd: BorrowedFd<'_>) -> io::Result<File> {
        fd.try_clone_to_owned().map(File::from)
    }

    fn sealed(bytes: usize) -> OwnedFd {
        let fd = create(c"ringway-test", false).unwrap();
        allocate(fd.as_fd(), bytes).unwrap();
        seal(fd.as_fd()).unwrap();
        fd
    }

    #[test]
    fn a_sealed_file_passes_and_cannot_change() {
        let fd = sealed(8192);
        assert_eq!(inspect(fd.as_fd(), 8192, false, None), Ok(()));
        let file = duplicate(fd.as_fd()).unwrap();
        assert!(file.set_len(4096).is_err(), "F_SEAL_SHRINK");
        assert!(file.set_len(16384).is_err(), "F_SEAL_GROW");
        assert!(
            std::io::Write::write(&mut &file, b"x").is_err(),
            "F_SEAL_FUTURE_WRITE"
        );
    }

    /// What was given away and is sealed keeps its pages for whoever keeps the descriptor: there is no way to take them back, which `SECURITY.md` says.
    #[test]
    fn not_even_its_owner_frees_the_pages_of_a_sealed_file() {
        use nix::fcntl::{FallocateFlags, fallocate};
        use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap};

        let fd = create(c"ringway-test", false).unwrap();
        allocate(fd.as_fd(), 8192).unwrap();
        let size = std::num::NonZeroUsize::new(8192).unwrap();
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping overlaps nothing.
        let own = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, &fd, 0) }.unwrap();
        seal(fd.as_fd()).unwrap();
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        assert_eq!(
            fallocate(&fd, punch, 0, 8192),
            Err(nix::errno::Errno::EPERM)
        );
        // SAFETY: the mapping is ours, and nothing in it is in use.
        let removed = unsafe { madvise(own, 8192, MmapAdvise::MADV_REMOVE) };
        assert_eq!(removed, Err(nix::errno::Errno::EPERM));
        // SAFETY: as above.
        unsafe { nix::sys::mman::munmap(own, 8192) }.unwrap();
    }

    #[test]
    fn every_defect_is_named() {
        let null = File::open("/dev/null").unwrap();
        assert_eq!(
            inspect(null.as_fd(), 0, false, None),
            Err(Defect::NotAMemoryFile)
        );
        let unsealed = create(c"ringway-test", false).unwrap();
        allocate(unsealed.as_fd(), 4096).unwrap();
        assert!(matches!(
            inspect(unsealed.as_fd(), 4096, false, None),
            Err(Defect::Seals(_))
        ));
        assert_eq!(
            inspect(sealed(4096).as_fd(), 8192, false, None),
            Err(Defect::Size {
                announced: 8192,
                actual: 4096
            })
        );
        let sparse = create(c"ringway-test", false).unwrap();
        duplicate(sparse.as_fd()).unwrap().set_len(8192).unwrap();
        seal(sparse.as_fd()).unwrap();
        assert_eq!(
            inspect(sparse.as_fd(), 8192, false, None),
            Err(Defect::Sparse {
                size: 8192,
                allocated: 0
            })
        );
        assert_eq!(
            inspect(sealed(4096).as_fd(), 4096, true, None),
            Err(Defect::FileSystem)
        );
    }

    /// The kernel as it was before Linux 6.11: a signal comes whenever so much was allocated, and undoes what the call at hand has done.
    #[test]
    fn signals_that_come_all_the_time_hold_up_no_allocation() {
        const BYTES: usize = 64 << 20;
        const BETWEEN: usize = 3 << 20;
        let (mut calls, mut worked, mut there) = (0, 0, 0);
        let allocated = in_pieces(BYTES, |from, bytes| {
            calls += 1;
            if calls > 1000 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            assert_eq!(from, there, "one behind the other");
            let signal = (worked / BETWEEN + 1) * BETWEEN;
            worked += bytes;
            if worked > signal {
                worked = signal;
                return Err(io::Error::from_raw_os_error(libc::EINTR));
            }
            there += bytes;
            Ok(())
        });
        assert!(allocated.is_ok(), "{allocated:?}");
        assert_eq!(there, BYTES);
    }

    /// As many pages as the file should have, but behind its end: the kernel counts them with the others.
    #[test]
    fn pages_behind_the_end_do_not_stand_for_those_that_are_missing() {
        use nix::fcntl::{FallocateFlags, fallocate};

        let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        for allocated in [0u64, 4096] {
            let there = i64::try_from(allocated).unwrap();
            let hollow = create(c"ringway-test", false).unwrap();
            resize(hollow.as_fd(), 8192).unwrap();
            fallocate(&hollow, keep, 8192, 8192 - there).unwrap();
            if there > 0 {
                fallocate(&hollow, FallocateFlags::empty(), 0, there).unwrap();
            }
            seal(hollow.as_fd()).unwrap();
            // Where memory files have huge pages, one covers both.
            let as_meant = stat(hollow.as_fd()).unwrap().st_blocks == 16;
            if !as_meant || pages::present(hollow.as_fd(), 8192).unwrap().is_none() {
                eprintln!("skipped: this kernel does not tell (6.5 does), or has huge pages here");
                return;
            }
            let missing = Defect::Sparse {
                size: 8192,
                allocated,
            };
            assert_eq!(inspect(hollow.as_fd(), 8192, false, None), Err(missing));
        }
    }

    /// By whatever descriptor it comes back; and as another's it is none of ours.
    #[test]
    fn our_own_file_is_told_from_another_like_it() {
        let (own, other) = (sealed(4096), sealed(4096));
        let identity = Identity::of(own.as_fd()).unwrap();
        let again = duplicate(own.as_fd()).unwrap();
        for file in [own.as_fd(), again.as_fd()] {
            assert_eq!(inspect(file, 4096, false, Some(identity)), Err(Defect::Own));
            assert_eq!(inspect(file, 4096, false, None), Ok(()));
        }
        assert_eq!(inspect(other.as_fd(), 4096, false, Some(identity)), Ok(()));
    }

    #[test]
    fn an_eventfd_is_told_from_a_file() {
        assert!(!is_eventfd(File::open("/dev/null").unwrap().as_fd()).unwrap());
        assert!(is_eventfd(super::super::bell::create().unwrap().as_fd()).unwrap());
    }
}
