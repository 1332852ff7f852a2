//! Descriptors of every kind, most of which nobody should take.

use std::os::fd::{AsRawFd, OwnedFd};

use super::line::{owned, pair};
use super::{CONTROL, RING, SEALS, rare};

/// A memory file of `size` bytes with some seals; every page allocated, or none.
pub fn memory(size: usize, seals: i32, allocated: bool) -> OwnedFd {
    // SAFETY: the name is NUL-terminated.
    let file = owned(unsafe {
        libc::memfd_create(
            c"hostile".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        )
    });
    let length = libc::off_t::try_from(size).expect("a size");
    // SAFETY: no memory is passed.
    unsafe {
        assert_eq!(libc::ftruncate(file.as_raw_fd(), length), 0);
        if allocated {
            assert_eq!(libc::fallocate(file.as_raw_fd(), 0, 0, length), 0);
        }
        assert_eq!(libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals), 0);
    }
    file
}

/// A bell.
pub fn eventfd() -> OwnedFd {
    event(0, libc::EFD_NONBLOCK)
}

/// A pipe's two ends.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: `ends` is valid for writes.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    (owned(ends[0]), owned(ends[1]))
}

/// What a script hands over in the place of a segment or a bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gift {
    /// A segment as it should be, of one ring of [`RING`] bytes.
    Segment,
    /// One without a seal.
    Unsealed,
    /// One that can shrink.
    Shrinks,
    /// One that can grow.
    Grows,
    /// One that others can map for writing.
    Writable,
    /// One that nobody can write any more, its owner included (`F_SEAL_WRITE`), but that has no seal against shrinking.
    Finished,
    /// One without a page.
    Sparse,
    /// One that is a page too short.
    Short,
    /// One that is a page too long.
    Long,
    /// One of no bytes.
    Empty,
    /// A segment as it should be, opened again, for reading only.
    ReadOnly,
    /// The same, by a descriptor that names it and opens nothing (`O_PATH`).
    PathOnly,
    /// A bell as it should be.
    Bell,
    /// One that counts down one by one (`EFD_SEMAPHORE`).
    Semaphore,
    /// One whose calls wait.
    Blocking,
    /// One that is full, so that no more can be added.
    Full,
    /// The reading end of a pipe.
    PipeOut,
    /// Its writing end.
    PipeIn,
    /// A timer.
    Timer,
    /// A descriptor for signals.
    Signals,
    /// A directory.
    Directory,
    /// A file that is no memory file.
    File,
    /// A device.
    Device,
    /// An epoll instance.
    Epoll,
    /// An `io_uring` instance.
    Uring,
    /// An end of a pair of sockets.
    Socket,
    /// A pidfd of a process that has ended.
    Dead,
    /// An inotify instance.
    Inotify,
    /// Memory that its kernel does not see itself (`memfd_secret`), of a segment's size.
    Secret,
    /// What tells of faults of a process's pages (`userfaultfd`).
    Faults,
    /// A memory file of huge pages, sealed, without one of them.
    Huge,
    /// A file of a tmpfs that has no name, and is no memory file.
    Nameless,
    /// The victim's own segment, as it was given. One as it should be, where none was.
    Returned,
}

impl Gift {
    /// Every one.
    pub const ALL: [Self; 33] = [
        Self::Segment,
        Self::Unsealed,
        Self::Shrinks,
        Self::Grows,
        Self::Writable,
        Self::Finished,
        Self::Sparse,
        Self::Short,
        Self::Long,
        Self::Empty,
        Self::ReadOnly,
        Self::PathOnly,
        Self::Bell,
        Self::Semaphore,
        Self::Blocking,
        Self::Full,
        Self::PipeOut,
        Self::PipeIn,
        Self::Timer,
        Self::Signals,
        Self::Directory,
        Self::File,
        Self::Device,
        Self::Epoll,
        Self::Uring,
        Self::Socket,
        Self::Dead,
        Self::Inotify,
        Self::Returned,
        Self::Secret,
        Self::Faults,
        Self::Huge,
        Self::Nameless,
    ];

    /// Whether it is a segment that keeps the rules.
    pub const fn is_segment(self) -> bool {
        matches!(self, Self::Segment | Self::ReadOnly)
    }

    /// Whether it is a bell that keeps the rules: what state it is in, and who may change that, is its holders' to choose.
    pub const fn is_bell(self) -> bool {
        matches!(
            self,
            Self::Bell | Self::Semaphore | Self::Blocking | Self::Full
        )
    }

    /// Whether this host lets one be made. Where it does not, a timer takes its place.
    pub fn is_there(self) -> bool {
        !rare::is_rare(self) || rare::make(self).is_some()
    }

    /// Makes one, for a victim that has given nothing.
    pub fn make(self) -> OwnedFd {
        self.make_of(&[])
    }

    /// Makes one, for a victim that has given these: its segment first.
    pub fn make_of(self, given: &[OwnedFd]) -> OwnedFd {
        const SIZE: usize = CONTROL + RING;
        match self {
            Self::Segment => memory(SIZE, SEALS, true),
            Self::Unsealed => memory(SIZE, 0, true),
            Self::Shrinks => memory(SIZE, SEALS & !libc::F_SEAL_SHRINK, true),
            Self::Grows => memory(SIZE, SEALS & !libc::F_SEAL_GROW, true),
            Self::Writable => memory(SIZE, SEALS & !libc::F_SEAL_FUTURE_WRITE, true),
            Self::Finished => memory(SIZE, libc::F_SEAL_WRITE | libc::F_SEAL_GROW, true),
            Self::Sparse => memory(SIZE, SEALS, false),
            Self::Short => memory(SIZE - RING, SEALS, true),
            Self::Long => memory(SIZE + RING, SEALS, true),
            Self::Empty => memory(0, SEALS, false),
            Self::ReadOnly => again(&memory(SIZE, SEALS, true), libc::O_RDONLY),
            Self::PathOnly => again(&memory(SIZE, SEALS, true), libc::O_PATH),
            Self::Bell => eventfd(),
            Self::Semaphore => event(0, libc::EFD_SEMAPHORE | libc::EFD_NONBLOCK),
            Self::Blocking => event(0, 0),
            Self::Full => {
                let bell = eventfd();
                super::Spoil::Full.spoil(&bell);
                bell
            }
            Self::PipeOut => pipe().0,
            Self::PipeIn => pipe().1,
            Self::Timer => timer(),
            Self::Signals => {
                // SAFETY: all-zero bytes are a valid, empty set of signals.
                owned(unsafe {
                    let none: libc::sigset_t = core::mem::zeroed();
                    libc::signalfd(-1, &raw const none, libc::SFD_CLOEXEC)
                })
            }
            Self::Directory => open(c"/", libc::O_RDONLY | libc::O_DIRECTORY),
            Self::File => open(c"/proc/self/exe", libc::O_RDONLY),
            Self::Device => open(c"/dev/null", libc::O_RDWR),
            // SAFETY: no memory is passed.
            Self::Epoll => owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }),
            Self::Uring | Self::Secret | Self::Faults | Self::Huge | Self::Nameless => {
                rare::make(self).unwrap_or_else(timer)
            }
            Self::Socket => pair().0,
            Self::Dead => dead(),
            // SAFETY: no memory is passed.
            Self::Inotify => owned(unsafe { libc::inotify_init1(libc::IN_CLOEXEC) }),
            Self::Returned => match given.first() {
                Some(segment) => segment.try_clone().expect("a descriptor more"),
                None => Self::Segment.make(),
            },
        }
    }
}

fn event(count: u32, flags: i32) -> OwnedFd {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::eventfd(count, libc::EFD_CLOEXEC | flags) })
}

fn timer() -> OwnedFd {
    // SAFETY: no memory is passed.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) })
}

fn open(path: &core::ffi::CStr, flags: i32) -> OwnedFd {
    // SAFETY: the path is NUL-terminated.
    owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) })
}

/// The same file by another descriptor.
fn again(file: &OwnedFd, flags: i32) -> OwnedFd {
    let path = format!("/proc/self/fd/{}\0", file.as_raw_fd());
    let path = core::ffi::CStr::from_bytes_with_nul(path.as_bytes());
    open(path.expect("one zero, at the end"), flags)
}

/// A pidfd of a child that has ended and was waited for; of nobody but a fork's child, which makes no call but the one that ends it.
fn dead() -> OwnedFd {
    // SAFETY: the child makes one system call, which ends it.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child and runs nothing.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: no memory is passed; it is our own child, which stays a zombie until the next call.
    let pidfd = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, child, 0) } as i32);
    // SAFETY: a null pointer is allowed where no status is wanted.
    unsafe { libc::waitpid(child, core::ptr::null_mut(), 0) };
    pidfd
}
