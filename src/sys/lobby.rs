//! Everything that a listener waits for, behind one descriptor: new clients, the next messages of handshakes under way, and the
//! moment at which the earliest of these has taken too long.
//!
//! An epoll instance that holds the listening socket, the sockets of the handshakes and a timer, all level-triggered: the
//! descriptor stays readable until whatever made it so was dealt with. What is let in is taken out again by name, because epoll
//! forgets a socket only when its last copy is closed, and a connection or a forked child may have one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// The listening socket is watched by its own.
#[derive(Debug)]
pub(crate) struct Lobby {
    epoll: Epoll,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// Whether new clients count.
    open: bool,
}

impl Lobby {
    /// Watches `listener` for new clients.
    pub(crate) fn new(listener: BorrowedFd<'_>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        epoll.add(listener, on(EpollFlags::EPOLLIN))?;
        epoll.add(&timer, on(EpollFlags::EPOLLIN))?;
        Ok(Self {
            epoll,
            timer,
            armed: None,
            open: true,
        })
    }

    /// Watches the line of a handshake that has begun.
    pub(crate) fn add(&self, line: BorrowedFd<'_>) -> io::Result<()> {
        let told = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
        Ok(self.epoll.add(line, on(told))?)
    }

    /// Forgets a line. To be called before the handshake's copy of it is closed.
    pub(crate) fn remove(&self, line: BorrowedFd<'_>) {
        // It fails only for a line that is not there, which is what is wanted.
        let _ = self.epoll.delete(line);
    }

    /// Whether new clients make the descriptor readable.
    pub(crate) fn admit(&mut self, listener: BorrowedFd<'_>, open: bool) -> io::Result<()> {
        if open != self.open {
            let told = if open {
                EpollFlags::EPOLLIN
            } else {
                EpollFlags::empty()
            };
            self.epoll.modify(listener, &mut on(told))?;
            self.open = open;
        }
        Ok(())
    }

    /// Has the descriptor become readable at `moment`, until this is called with another one; `None`: at none.
    pub(crate) fn ring_at(&mut self, moment: Option<Instant>) -> io::Result<()> {
        if moment == self.armed {
            return Ok(());
        }
        match moment {
            None => self.timer.unset()?,
            Some(at) => {
                // Nothing at all would stop the timer, and a moment that has passed is to ring.
                let left = at.saturating_duration_since(Instant::now());
                let left = left.max(Duration::from_nanos(1));
                let once = Expiration::OneShot(TimeSpec::from_duration(left));
                self.timer.set(once, TimerSetTimeFlags::empty())?;
            }
        }
        self.armed = moment;
        Ok(())
    }
}

/// Nobody reads what rang: the call that follows looks at everything.
fn on(events: EpollFlags) -> EpollEvent {
    EpollEvent::new(events, 0)
}

impl AsFd for Lobby {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{poll, socket};

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

        // A stall may last until the moment has come: then there is a later one.
        let looked_before = (0..8).any(|power| {
            let moment = Instant::now() + Duration::from_millis(30 << power);
            lobby.ring_at(Some(moment)).unwrap();
            let early = rings(&lobby, 0);
            let before = Instant::now() < moment;
            assert!(!(early && before), "ahead of the moment");
            before
        });
        assert!(looked_before, "no look was in time");
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
