//! The bell: an eventfd that wakes exactly one waiting half.
//!
//! Its flags and its counter belong to everyone who holds it, so a hostile peer can make it blocking and fill it, and a
//! plain `write` to it would then hang for ever. A [`Ringer`] therefore rings by one of four ways:
//!
//! | way | cost | can it block? |
//! | --- | --- | --- |
//! | [`uring`]: the kernel signals the eventfd when a no-op completes | about 0.3 µs | no |
//! | [`aio`]: the kernel signals the eventfd when a request completes | about 0.5 µs, and some 35 ms at the end of the process | no |
//! | a byte on the handshake socket, `MSG_DONTWAIT` | about 1 µs; wakes both halves, which pass it on ([`poll`](super::poll)) | no |
//! | `write` | about 0.2 µs | yes: only for a peer that the caller has named trusted |
//!
//! `docs/architecture.md` has what the ways cost beside others. The first is used where the kernel permits it. What it needs is made behind the first ring, which goes by the byte, and takes
//! the place of the bell's descriptor: a connection has as many as before. The second is used where there is no `io_uring` (an older kernel, `kernel.io_uring_disabled`, a seccomp filter) or nothing to
//! make it of just now; the third where there is neither, where a no-op is not taken, and where the caller would rather have the bell's descriptor.
//! Each of them needs a little memory of the kernel's, for a moment. The socket is tried too where the bell's way fails, so a ring is lost only if the kernel has
//! memory for neither, or a sandbox permits neither; then the half that rings asks again with its next look, at its next commit or release, and whichever half of our side sleeps next rings before it does
//! (`connection/rest/barrier.rs`). Nothing here waits for memory: a ring must not be able to block.
//!
//! We never read a bell: the waiting side watches its own edge-triggered ([`poll`](super::poll)), so a peer that drains, fills
//! or reconfigures it changes nothing but its own wakes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::uring::{Denied, Instance};
use super::{aio, check, socket, uring};

/// Makes a bell for one of our own halves.
pub(crate) fn create() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A peer's bell and the way in which we ring it.
#[derive(Debug)]
pub(crate) struct Ringer(Way);

#[derive(Debug)]
enum Way {
    /// By the bell itself: AIO, until an instance can be had.
    Bell(OwnedFd, Retry),
    /// By `io_uring`, which keeps the bell for us.
    Instance(Box<Instance>),
    /// By a plain `write`.
    Trusted(OwnedFd),
    /// By the handshake socket: the bell was given up.
    Socket,
}

impl Ringer {
    /// `trusted`: the caller has said that the peer would not block us. `lean`: it would rather have the descriptor than the faster way.
    pub(crate) fn new(bell: OwnedFd, trusted: bool, lean: bool) -> Self {
        Self(match (lean, trusted) {
            (true, _) => Way::Socket,
            (false, true) => Way::Trusted(bell),
            (false, false) => Way::Bell(bell, Retry::default()),
        })
    }

    /// The next ring is the last one. It is not worth an instance, or a context, that was not worth making before.
    pub(crate) fn end(&mut self) {
        if let Way::Bell(..) = self.0 {
            self.0 = Way::Socket;
        }
    }

    /// There are no more rings: gives up the bell, and the instance.
    pub(crate) fn retire(&mut self) {
        self.0 = Way::Socket;
    }

    /// Wakes the peer's half. `link` is the handshake socket, for the fallback. `false`: the kernel had no memory for it, or a sandbox
    /// did not permit it, and the next look rings again. That the peer is not there is not the caller's business: the socket and the pidfd speak about that.
    #[cold]
    pub(crate) fn ring(&mut self, link: BorrowedFd<'_>) -> bool {
        if let Way::Bell(bell, retry) = &mut self.0 {
            if retry.is_due() && !uring::is_refused() {
                // Whoever sleeps is on the way up while the instance is made, which takes longer than a ring of any kind.
                let rung = nudge(link);
                match Instance::new(bell.as_fd()) {
                    Ok(instance) => self.0 = Way::Instance(Box::new(instance)),
                    Err(Denied::Now) => retry.put_off(),
                    // Refused for good: that costs nothing to know.
                    Err(Denied::Ever) => {}
                    Err(Denied::NoEventfd) => retry.give_up(),
                }
                if rung {
                    return true;
                }
            }
        }
        let rung = match &mut self.0 {
            Way::Bell(bell, _) => aio::signal(bell.as_fd()).is_ok(),
            Way::Instance(instance) => match instance.signal() {
                Ok(()) => true,
                Err(Denied::Now) => false,
                // A sandbox was closed behind us. The bell is gone with the instance.
                Err(Denied::Ever | Denied::NoEventfd) => {
                    self.0 = Way::Socket;
                    false
                }
            },
            Way::Trusted(bell) => write(bell.as_fd()),
            Way::Socket => false,
        };
        rung || nudge(link)
    }
}

/// When an instance is asked for that could not be had: after 16 rings by another way, and each time that it is in vain again after twice as many, to a limit.
#[derive(Debug, Default)]
struct Retry {
    /// Rings until then.
    left: u32,
    times: u32,
}

impl Retry {
    /// So often is the number of rings doubled: 16,384 are the most.
    const MOST: u32 = 10;

    /// To be asked once for each ring.
    fn is_due(&mut self) -> bool {
        let due = self.left == 0;
        self.left = self.left.saturating_sub(1);
        due
    }

    fn put_off(&mut self) {
        self.left = 16 << self.times;
        self.times = (self.times + 1).min(Self::MOST);
    }

    fn give_up(&mut self) {
        self.left = u32::MAX;
    }
}

/// Wakes both halves of the peer, through the handshake socket. `false`: the kernel had no memory for it, or a sandbox did not permit it.
pub(crate) fn nudge(link: BorrowedFd<'_>) -> bool {
    // A full socket (`EAGAIN`) means that the peer has nudges it has not taken, and will look when it does: `poll` says
    // why nothing is lost. Of a peer that has gone there is nobody to be woken.
    let errno = socket::nudge(link).err().and_then(|e| e.raw_os_error());
    matches!(
        errno,
        None | Some(libc::EAGAIN | libc::EPIPE | libc::ECONNRESET)
    )
}

/// `false`: it was not permitted. A bell that is full has been rung.
fn write(bell: BorrowedFd<'_>) -> bool {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is valid for reads of eight bytes.
    let written = unsafe { libc::write(bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    written != -1 || super::last_error().raw_os_error() == Some(libc::EAGAIN)
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
    fn an_instance_that_could_not_be_had_is_asked_for_less_and_less_and_never_given_up() {
        let mut retry = Retry::default();
        let (mut asked, mut gap, mut gaps) = (0, 0, Vec::new());
        while asked < 14 {
            if retry.is_due() {
                asked += 1;
                gaps.push(gap);
                gap = 0;
                retry.put_off();
            } else {
                gap += 1;
            }
        }
        assert_eq!(gaps[..4], [0, 16, 32, 64]);
        assert_eq!(gaps[12..], [16_384, 16_384], "the longest");
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
        let mut ringer = Ringer::new(bell.try_clone().unwrap(), false, false);
        assert!(ringer.ring(b.as_fd()));
        let first = waiter.wait(Some(Instant::now() + Duration::from_millis(20)));
        let first = first.unwrap();
        assert!(first.socket || first.bell, "by the byte, or by AIO");
        assert!(ringer.ring(b.as_fd()));
        assert!(woken(&waiter), "a full bell still wakes");
        let mut drained = [0u8; 8];
        // SAFETY: `drained` is valid for writes of eight bytes.
        unsafe { libc::read(hostile.as_raw_fd(), drained.as_mut_ptr().cast(), 8) };
        Ringer::new(bell, true, false).ring(b.as_fd());
        assert!(woken(&waiter), "a drained bell still wakes");
    }
}
