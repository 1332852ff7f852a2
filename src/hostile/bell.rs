//! What a hostile holder of a bell can do to it.

use std::os::fd::{AsRawFd, OwnedFd};

use super::line::owned;

/// A state that a bell is put into, by whoever holds it: it is one file with one set of flags for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spoil {
    /// Its calls wait.
    Blocking,
    /// What was added to it is taken away.
    Drained,
    /// Nothing can be added any more.
    Full,
    /// Its calls wait, and nothing can be added.
    FullAndBlocking,
    /// Rung for nothing.
    Rung,
}

impl Spoil {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Blocking,
        Self::Drained,
        Self::Full,
        Self::FullAndBlocking,
        Self::Rung,
    ];

    /// Does it. What cannot be done to this descriptor is left.
    pub fn spoil(self, bell: &OwnedFd) {
        let add = |count: u64| {
            let bytes = count.to_ne_bytes();
            // SAFETY: eight valid bytes.
            unsafe { libc::write(bell.as_raw_fd(), bytes.as_ptr().cast(), 8) };
        };
        set(bell, libc::O_NONBLOCK);
        match self {
            Self::Rung => add(1),
            Self::Blocking => {}
            Self::Drained | Self::Full | Self::FullAndBlocking => {
                let mut drained = [0u8; 8];
                // SAFETY: valid for writes of eight bytes.
                unsafe { libc::read(bell.as_raw_fd(), drained.as_mut_ptr().cast(), 8) };
                if self != Self::Drained {
                    add(u64::MAX - 1);
                }
            }
        }
        if matches!(self, Self::Blocking | Self::FullAndBlocking) {
            set(bell, 0);
        }
    }
}

/// Has bells be watched in as many ways over a second `epoll` instance as the kernel allows. Few descriptors make many ways.
pub(super) fn tangle(bells: &[OwnedFd]) -> Vec<OwnedFd> {
    // SAFETY: no memory is passed.
    let instance = || owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
    let watch = |by: &OwnedFd, what: &OwnedFd| {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: 0,
        };
        let (by, what) = (by.as_raw_fd(), what.as_raw_fd());
        // SAFETY: `event` is valid for reads.
        unsafe { libc::epoll_ctl(by, libc::EPOLL_CTL_ADD, what, &raw mut event) == 0 }
    };
    let mut all: Vec<OwnedFd> = (0..25).map(|_| instance()).collect();
    let first = all.len();
    for bell in bells {
        assert!(all.iter().all(|one| watch(one, bell)), "a watch");
    }
    loop {
        let outer = instance();
        let refused = !all[..first].iter().all(|one| watch(&outer, one));
        all.push(outer);
        if refused {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{error}");
            return all;
        }
    }
}

fn set(bell: &OwnedFd, flags: i32) {
    // SAFETY: no memory is passed.
    unsafe { libc::fcntl(bell.as_raw_fd(), libc::F_SETFL, flags) };
}
