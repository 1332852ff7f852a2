//! Whether a predecessor may still take its listener, and the name with it, back: it keeps the writing end of a pipe, which the kernel closes for it however it ends, and its
//! successor has the reading end. Nobody writes.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;

use super::poll;

/// What a predecessor keeps for as long as it has its listener.
#[derive(Debug)]
pub(crate) struct Tenure {
    _held: OwnedFd,
    /// For the next successor, if this one fails.
    seen: Elder,
}

/// What its successor sees of that. A child of the predecessor that has a copy of the other end counts as it does.
#[derive(Debug)]
pub(crate) struct Elder(OwnedFd);

impl Tenure {
    pub(crate) fn begin() -> io::Result<Self> {
        let (seen, held) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        Ok(Self {
            _held: held,
            seen: Elder(seen),
        })
    }

    pub(crate) fn elder(&self) -> io::Result<Elder> {
        self.seen.try_clone()
    }
}

impl Elder {
    pub(super) fn over(seen: OwnedFd) -> Self {
        Self(seen)
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Whether it has dropped its listener, or ended.
    pub(crate) fn has_left(&self) -> bool {
        poll::is_hung_up(self.0.as_fd())
    }
}

impl From<Elder> for OwnedFd {
    fn from(elder: Elder) -> Self {
        elder.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn an_elder_has_left_when_its_tenure_is_over() {
        let tenure = Tenure::begin().unwrap();
        let (one, two) = (tenure.elder().unwrap(), tenure.elder().unwrap());
        assert!(!one.has_left() && !two.has_left());
        drop(two);
        assert!(!one.has_left());
        drop(tenure);
        // A child that another test has forked has a copy, for as long as it is there.
        let limit = Instant::now() + Duration::from_secs(30);
        while !one.has_left() {
            assert!(Instant::now() < limit, "it never leaves");
            std::thread::yield_now();
        }
    }
}
