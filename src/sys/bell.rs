//! The bell: an eventfd that wakes exactly one waiting half.
//!
//! Its flags and its counter belong to everyone who holds it, so a hostile peer can make it blocking and fill it, and a
//! plain `write` to it would then hang for ever. A [`Ringer`] therefore rings by one of three ways:
//!
//! | way | cost | can it block? |
//! | --- | --- | --- |
//! | [`aio`]: the kernel signals the eventfd when a request completes | about 0.8 µs | no |
//! | a byte on the handshake socket, `MSG_DONTWAIT` | about 1 µs; wakes both halves, which pass it on ([`poll`](super::poll)) | no |
//! | `write` | about 0.25 µs | yes: only for a peer that the caller has named trusted |
//!
//! `docs/architecture.md` has what the ways cost beside others. The first is used where the kernel has it, the second where it does not (a seccomp filter, `CONFIG_AIO=n`), and where the caller
//! would rather have the bell's descriptor.
//! Each of them needs a little memory of the kernel's, for a moment. The socket is tried too where the bell's way fails, so a ring is lost only if the kernel has
//! memory for neither; then the half that rings asks again with its next look, at its next commit or release, and whichever half of our side sleeps next rings before it does
//! (`connection/rest/barrier.rs`). Nothing here waits for memory: a ring must not be able to block.
//!
//! We never read a bell: the waiting side watches its own edge-triggered ([`poll`](super::poll)), so a peer that drains, fills
//! or reconfigures it changes nothing but its own wakes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{aio, check, socket};

/// Makes a bell for one of our own halves.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A peer's bell and the way in which we ring it.
#[derive(Debug)]
pub(crate) struct Ringer {
    /// `None`: the bell was given up, and the handshake socket rings.
    bell: Option<OwnedFd>,
    trusted: bool,
}

impl Ringer {
    /// `trusted`: the caller has said that the peer would not block us. `lean`: it would rather have the descriptor than the faster way.
    pub(crate) fn new(bell: OwnedFd, trusted: bool, lean: bool) -> Self {
        let bell = (!lean).then_some(bell);
        Self { bell, trusted }
    }

    /// Wakes the peer's half. `link` is the handshake socket, for the fallback. `false`: the kernel had no memory for it, and the
    /// next look rings again. Other errors are not the caller's business: a peer whose bell cannot be rung is hostile or dead,
    /// and the socket and the pidfd speak about that.
    #[cold]
    pub(crate) fn ring(&self, link: BorrowedFd<'_>) -> bool {
        match &self.bell {
            Some(bell) if self.trusted => {
                write(bell.as_fd());
                return true;
            }
            Some(bell) if aio::signal(bell.as_fd()).is_ok() => return true,
            _ => {}
        }
        nudge(link)
    }
}

/// Wakes both halves of the peer, through the handshake socket. `false`: the kernel had no memory for it.
pub(crate) fn nudge(link: BorrowedFd<'_>) -> bool {
    // A full socket (`EAGAIN`) means that the peer has nudges it has not taken, and will look when it does: `poll` says
    // why nothing is lost.
    let errno = socket::nudge(link).err().and_then(|e| e.raw_os_error());
    !matches!(errno, Some(libc::ENOBUFS | libc::ENOMEM))
}

fn write(bell: BorrowedFd<'_>) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is valid for reads of eight bytes.
    unsafe { libc::write(bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::Waiter;
    use std::time::{Duration, Instant};

    fn woken(waiter: &Waiter) -> bool {
        waiter
            .wait(Some(Instant::now() + Duration::from_millis(20)))
            .unwrap()
            .bell
    }

    #[test]
    fn every_way_rings_even_a_blocking_and_full_bell() {
        let (a, b) = socket::pair().unwrap();
        let bell = create().unwrap();
        let waiter = Waiter::new(Some(bell.try_clone().unwrap()), a.as_fd(), None).unwrap();
        let hostile = bell.try_clone().unwrap();
        // SAFETY: `F_SETFL` passes no memory; this is what a hostile peer would do to its copy of the descriptor.
        unsafe { libc::fcntl(hostile.as_raw_fd(), libc::F_SETFL, 0) };
        let full = (u64::MAX - 1).to_ne_bytes();
        // SAFETY: `full` is valid for reads of eight bytes.
        let written = unsafe { libc::write(hostile.as_raw_fd(), full.as_ptr().cast(), 8) };
        assert_eq!(written, 8);
        assert!(woken(&waiter));
        assert!(!woken(&waiter), "an edge is seen once");
        Ringer::new(bell.try_clone().unwrap(), false, false).ring(b.as_fd());
        assert!(woken(&waiter), "a full bell still wakes");
        let mut drained = [0u8; 8];
        // SAFETY: `drained` is valid for writes of eight bytes.
        unsafe { libc::read(hostile.as_raw_fd(), drained.as_mut_ptr().cast(), 8) };
        Ringer::new(bell, true, false).ring(b.as_fd());
        assert!(woken(&waiter), "a drained bell still wakes");
    }
}
