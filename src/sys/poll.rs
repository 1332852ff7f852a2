//! Blocking once on everything that can end a wait: the bell, the handshake socket and the peer's pidfd.
//!
//! One epoll instance per waiting half. All three are watched edge-triggered, so nothing has to be read to make the next wait
//! block, and a peer that drains or fills the bell cannot make ours spin or hang. The instance is also the one descriptor that
//! a foreign event loop polls for this half: it is readable while there is an edge that we have not collected.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use super::check;

const BELL: u64 = 1;
const SOCKET: u64 = 2;
const PEER: u64 = 4;

/// What ended a wait. Nothing set: the deadline passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Woken {
    /// Somebody rang.
    pub(crate) bell: bool,
    /// The handshake socket has bytes or is closed.
    pub(crate) socket: bool,
    /// The peer's process has ended.
    pub(crate) peer: bool,
}

/// One waiting half's epoll instance.
#[derive(Debug)]
pub(crate) struct Waiter {
    epoll: OwnedFd,
}

impl Waiter {
    /// Watches what is given. A half that only ever spins has no bell.
    pub(crate) fn new(
        bell: Option<BorrowedFd<'_>>,
        socket: BorrowedFd<'_>,
        peer: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        let waiter = Self { epoll };
        waiter.add(bell, BELL)?;
        waiter.add(Some(socket), SOCKET)?;
        waiter.add(peer, PEER)?;
        Ok(waiter)
    }

    fn add(&self, fd: Option<BorrowedFd<'_>>, tag: u64) -> io::Result<()> {
        let Some(fd) = fd else { return Ok(()) };
        let events =
            u32::from_ne_bytes((libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET).to_ne_bytes());
        let mut event = libc::epoll_event { events, u64: tag };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: `event` is valid for reads for the duration of the call.
        let result =
            unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event) };
        check(result).map(drop)
    }

    /// Blocks until something happens or `deadline` passes; `None` waits for ever. A signal does not end the wait.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Woken> {
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.collect(left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Collects the edges that are there now, without blocking.
    pub(crate) fn consume(&self) -> io::Result<Woken> {
        self.collect(Some(std::time::Duration::ZERO))
    }

    fn collect(&self, left: Option<std::time::Duration>) -> io::Result<Woken> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 3];
        let count = self.raw_wait(&mut events, left)?;
        let mut seen = 0;
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            seen |= event.u64;
        }
        Ok(Woken {
            bell: seen & BELL != 0,
            socket: seen & SOCKET != 0,
            peer: seen & PEER != 0,
        })
    }

    fn raw_wait(
        &self,
        events: &mut [libc::epoll_event; 3],
        left: Option<std::time::Duration>,
    ) -> io::Result<i32> {
        let epoll = self.epoll.as_raw_fd();
        // A wait for ever, or not at all, needs no clock and so no newer call.
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            let time = libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            // SAFETY: `events` is valid for writes of three entries, `time` for reads; a null signal mask changes none.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    events.as_mut_ptr(),
                    3 as libc::c_int,
                    &raw const time,
                    core::ptr::null::<libc::sigset_t>(),
                    0usize,
                )
            };
            if count != -1 {
                return Ok(i32::try_from(count).unwrap_or(0));
            }
            let error = super::last_error();
            if error.raw_os_error() != Some(libc::ENOSYS) {
                return Err(error);
            }
        }
        // Linux before 5.11 waits in whole milliseconds: round up, so as never to wake early and spin.
        let milliseconds = left.map_or(-1, |left| {
            i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: `events` is valid for writes of three entries.
        check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 3, milliseconds) })
    }
}

impl AsFd for Waiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Whether `fd` is readable (or closed) now.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> bool {
    ready(&mut [entry(fd)], Some(Instant::now())).is_ok_and(|count| count > 0)
}

/// Waits until one of `fds` is readable or `deadline` passes; returns how many are. The answers are in `revents`.
pub(crate) fn ready(fds: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        let milliseconds = deadline.map_or(-1, |at| {
            let left = at.saturating_duration_since(Instant::now());
            i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        let count = libc::nfds_t::try_from(fds.len())
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
        // SAFETY: `fds` is valid for reads and writes of `count` entries.
        match check(unsafe { libc::poll(fds.as_mut_ptr(), count, milliseconds) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map(|ready| usize::try_from(ready).unwrap_or(0)),
        }
    }
}

/// A poll entry that asks whether `fd` is readable.
pub(crate) fn entry(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    }
}
