//! Everything that a listener waits for, behind one descriptor: new clients, the next messages of handshakes under way, and the
//! moment at which the earliest of these has taken too long.
//!
//! An epoll instance that holds the listening socket, the sockets of the handshakes and a timer, all level-triggered: the
//! descriptor stays readable until whatever made it so was dealt with. What is let in is taken out again by name, because epoll
//! forgets a socket only when its last copy is closed, and a connection or a forked child may have one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use super::check;

/// The listening socket is watched by its own.
#[derive(Debug)]
pub(crate) struct Lobby {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// Whether new clients count.
    open: bool,
}

impl Lobby {
    /// Watches `listener` for new clients.
    pub(crate) fn new(listener: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `epoll` was just returned by the kernel and nothing else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no memory is passed.
        let timer = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: `timer` was just returned by the kernel and nothing else owns it.
        let timer = unsafe { OwnedFd::from_raw_fd(timer) };
        let lobby = Self {
            epoll,
            timer,
            armed: None,
            open: true,
        };
        lobby.control(libc::EPOLL_CTL_ADD, listener, libc::EPOLLIN)?;
        lobby.control(libc::EPOLL_CTL_ADD, lobby.timer.as_fd(), libc::EPOLLIN)?;
        Ok(lobby)
    }

    /// Watches the line of a handshake that has begun.
    pub(crate) fn add(&self, line: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, line, libc::EPOLLIN | libc::EPOLLRDHUP)
    }

    /// Forgets a line. To be called before the handshake's copy of it is closed.
    pub(crate) fn remove(&self, line: BorrowedFd<'_>) {
        // It fails only for a line that is not there, which is what is wanted.
        let _ = self.control(libc::EPOLL_CTL_DEL, line, 0);
    }

    /// Whether new clients make the descriptor readable.
    pub(crate) fn admit(&mut self, listener: BorrowedFd<'_>, open: bool) -> io::Result<()> {
        if open != self.open {
            let events = if open { libc::EPOLLIN } else { 0 };
            self.control(libc::EPOLL_CTL_MOD, listener, events)?;
            self.open = open;
        }
        Ok(())
    }

    /// Has the descriptor become readable at `moment`, until this is called with another one; `None`: at none.
    pub(crate) fn ring_at(&mut self, moment: Option<Instant>) -> io::Result<()> {
        if moment == self.armed {
            return Ok(());
        }
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = moment.map_or(zero, |at| {
            let left = at.saturating_duration_since(Instant::now());
            libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                // Nothing at all would stop the timer, and a moment that has passed is to ring.
                tv_nsec: libc::c_long::from(left.subsec_nanos().max(u32::from(left.is_zero()))),
            }
        });
        let time = libc::itimerspec {
            it_interval: zero,
            it_value: value,
        };
        let timer = self.timer.as_raw_fd();
        // SAFETY: `time` is valid for reads, and no old value is asked for.
        check(unsafe { libc::timerfd_settime(timer, 0, &raw const time, core::ptr::null_mut()) })?;
        self.armed = moment;
        Ok(())
    }

    fn control(
        &self,
        what: libc::c_int,
        fd: BorrowedFd<'_>,
        events: libc::c_int,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: u32::from_ne_bytes(events.to_ne_bytes()),
            u64: 0,
        };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: `event` is valid for reads for the duration of the call.
        check(unsafe { libc::epoll_ctl(epoll, what, fd.as_raw_fd(), &raw mut event) }).map(drop)
    }
}

impl AsFd for Lobby {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{poll, socket};
    use std::time::Duration;

    fn rings(lobby: &Lobby, milliseconds: u64) -> bool {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        poll::ready(&mut [poll::entry(lobby.as_fd())], Some(until)).unwrap() > 0
    }

    #[test]
    fn it_rings_for_clients_lines_and_the_moment_and_stops() {
        // Pairs stand for the listening socket and for a line: readable is readable.
        let (listener, client) = socket::pair().unwrap();
        let (line, peer) = socket::pair().unwrap();
        let mut lobby = Lobby::new(listener.as_fd()).unwrap();
        assert!(!rings(&lobby, 10));
        socket::nudge(client.as_fd()).unwrap();
        assert!(rings(&lobby, 0), "a client");
        lobby.admit(listener.as_fd(), false).unwrap();
        assert!(!rings(&lobby, 10), "no client is wanted");

        lobby.add(line.as_fd()).unwrap();
        assert!(!rings(&lobby, 10));
        socket::nudge(peer.as_fd()).unwrap();
        assert!(rings(&lobby, 0), "a line");
        let copy = line.try_clone().unwrap();
        lobby.remove(line.as_fd());
        drop(line);
        assert!(
            !rings(&lobby, 10),
            "a line taken out, whatever copies there are"
        );
        drop(copy);

        lobby
            .ring_at(Some(Instant::now() + Duration::from_millis(30)))
            .unwrap();
        assert!(!rings(&lobby, 0));
        assert!(rings(&lobby, 10_000), "the moment");
        assert!(rings(&lobby, 0), "until it is dealt with");
        lobby.ring_at(None).unwrap();
        assert!(!rings(&lobby, 10));
        lobby.ring_at(Some(Instant::now())).unwrap();
        assert!(rings(&lobby, 10_000), "a moment that has passed");
        lobby.ring_at(None).unwrap();

        lobby.admit(listener.as_fd(), true).unwrap();
        assert!(
            rings(&lobby, 0),
            "the client that was not wanted waits still"
        );
    }
}
