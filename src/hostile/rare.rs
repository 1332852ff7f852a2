//! Descriptors that not every host lets one make.

use std::os::fd::{AsRawFd, OwnedFd};

use super::line::owned;
use super::{CONTROL, Gift, RING, SEALS};

/// Whether there are hosts without it.
pub(super) const fn is_rare(gift: Gift) -> bool {
    matches!(
        gift,
        Gift::Uring | Gift::Secret | Gift::Faults | Gift::Huge | Gift::Nameless
    )
}

/// One of those, if there is one here.
pub(super) fn make(gift: Gift) -> Option<OwnedFd> {
    match gift {
        Gift::Uring => uring(),
        Gift::Secret => secret(),
        // SAFETY: no memory is passed.
        Gift::Faults => made(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) }),
        Gift::Huge => huge(),
        Gift::Nameless => nameless(),
        _ => None,
    }
}

/// What a call has answered, if it made one.
fn made(answer: libc::c_long) -> Option<OwnedFd> {
    (answer >= 0).then(|| owned(answer as i32))
}

/// `None`: this kernel has none, or its administrator has switched them off.
fn uring() -> Option<OwnedFd> {
    // Larger than its parameters, of which all are zero.
    let mut parameters = [0u64; 32];
    // SAFETY: the kernel reads and writes its 120 bytes of parameters.
    made(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })
}

/// `None`: this kernel is older than Linux 5.14, or was told not to.
fn secret() -> Option<OwnedFd> {
    // Its number on every architecture; the C library's crate has it for some only.
    const SYS_MEMFD_SECRET: libc::c_long = 447;
    // SAFETY: no memory is passed.
    let file = made(unsafe { libc::syscall(SYS_MEMFD_SECRET, libc::O_CLOEXEC) })?;
    let size = libc::off_t::try_from(CONTROL + RING).expect("a size");
    // SAFETY: no memory is passed.
    let sized = unsafe { libc::ftruncate(file.as_raw_fd(), size) };
    assert_eq!(sized, 0);
    Some(file)
}

/// `None`: this kernel has no huge pages of this size. None of them has to be free: the file has none.
fn huge() -> Option<OwnedFd> {
    const PAGE: libc::off_t = 2 << 20;
    const MFD_HUGE_2MB: libc::c_uint = 21 << 26;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB | MFD_HUGE_2MB;
    // SAFETY: the name is NUL-terminated.
    let file = made(unsafe { libc::memfd_create(c"hostile".as_ptr(), flags) }.into())?;
    // SAFETY: no memory is passed.
    unsafe {
        assert_eq!(libc::ftruncate(file.as_raw_fd(), PAGE), 0);
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, SEALS), 0);
    }
    Some(file)
}

/// `None`: there is no tmpfs at its usual place, or it is not for us.
fn nameless() -> Option<OwnedFd> {
    let flags = libc::O_TMPFILE | libc::O_RDWR | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated.
    made(unsafe { libc::open(c"/dev/shm".as_ptr(), flags, 0o600) }.into())
}
