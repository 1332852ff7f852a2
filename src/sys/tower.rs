//! The epoll instance of a poller: the bells, sockets and pidfds of any number of connections, and its listeners' lobbies.
//!
//! What belongs to connections is watched for edges, so that nothing is read and a wake costs what is ready, however many there are. A
//! lobby is watched for its level: it stays readable until whatever made it so was dealt with. Two more are watched: a timer, and the
//! descriptor that is always readable ([`poll`](super::poll)), by which a half on another thread passes on a nudge that was meant for
//! a connection in here; whose, is in a list, since it is one descriptor for all.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::fork::Birth;
use super::poll::{always_ready, ask_once, wait_on};
use crate::sync::{Arc, Mutex};

/// What the tower watches for itself. Keys of others are smaller.
const CALLS: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// Edges that are collected at once; the others stay for the next time.
pub(crate) const EVENTS: usize = 128;
const EDGES: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// One poller's.
#[derive(Debug)]
pub(crate) struct Tower {
    epoll: Epoll,
    timer: TimerFd,
    /// Keys of bells that were called, each once; `None` once nobody collects them.
    calls: Mutex<Option<HashSet<u64>>>,
    birth: Birth,
}

impl Tower {
    pub(crate) fn new() -> io::Result<Self> {
        let birth = Birth::here()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        epoll.add(&timer, EpollEvent::new(EDGES, TIMER))?;
        epoll.add(always_ready()?, EpollEvent::new(EpollFlags::empty(), CALLS))?;
        Ok(Self {
            epoll,
            timer,
            calls: Mutex::new(Some(HashSet::new())),
            birth,
        })
    }

    /// Whether this is a child of the process that made it, to whose parent it belongs.
    pub(crate) fn is_forked(&self) -> bool {
        self.birth.is_forked()
    }

    /// Waits for up to `left` (`None`: for ever; a signal ends it), and hands each key of which there is something to tell to `told`.
    /// Returns how many were told.
    pub(crate) fn collect(
        &self,
        left: Option<Duration>,
        mut told: impl FnMut(u64),
    ) -> io::Result<usize> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let count = match wait_on(&self.epoll, &mut events, left) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            other => other?,
        };
        for event in events.iter().take(count) {
            match event.u64 {
                TIMER => {}
                CALLS => {
                    let called = self.calls().as_mut().map(core::mem::take);
                    called.into_iter().flatten().for_each(&mut told);
                }
                key => told(key),
            }
        }
        Ok(count)
    }

    /// Watches a lobby. `on`: whether it has its say now.
    pub(crate) fn watch_lobby(&self, lobby: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        Ok(self
            .epoll
            .add(lobby, EpollEvent::new(EpollFlags::EPOLLIN, key))?)
    }

    /// Whether a lobby has its say.
    pub(crate) fn heed_lobby(&self, lobby: BorrowedFd<'_>, key: u64, on: bool) -> io::Result<()> {
        let told = if on {
            EpollFlags::EPOLLIN
        } else {
            EpollFlags::empty()
        };
        Ok(self.epoll.modify(lobby, &mut EpollEvent::new(told, key))?)
    }

    /// Watches it no more. In a child of a fork the instance is the parent's, and is left alone.
    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        if !self.is_forked() {
            // It fails only for what is not there, which is what is wanted.
            let _ = self.epoll.delete(fd);
        }
    }

    /// Has the descriptor become readable at `moment`, once; `None`: at none.
    pub(crate) fn ring_at(&self, moment: Option<Instant>) -> io::Result<()> {
        match moment {
            None => self.timer.unset()?,
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now());
                let left = left.max(Duration::from_nanos(1));
                let once = Expiration::OneShot(TimeSpec::from_duration(left));
                self.timer.set(once, TimerSetTimeFlags::empty())?;
            }
        }
        Ok(())
    }

    /// Collects nothing any more: halves that keep their place in it call nobody.
    pub(crate) fn close(&self) {
        if !self.is_forked() {
            *self.calls() = None;
        }
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Option<HashSet<u64>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Tower {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// A half's place in a tower.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    tower: Arc<Tower>,
    bell: u64,
    life: u64,
}

impl Seat {
    /// `bell`: the key that is told when the half is rung; `life`: when the peer's socket or process has something to say.
    pub(crate) fn new(tower: &Arc<Tower>, bell: u64, life: u64) -> Self {
        debug_assert!(bell.max(life) < TIMER);
        Self {
            tower: Arc::clone(tower),
            bell,
            life,
        }
    }

    /// Whether the other one is the same place.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tower, &other.tower) && (self.bell, self.life) == (other.bell, other.life)
    }

    pub(super) fn watch_bell(&self, bell: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self
            .tower
            .epoll
            .add(bell, EpollEvent::new(EDGES, self.bell))?)
    }

    /// Watches what both halves of a connection share, for the first of them.
    pub(super) fn watch_life(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self.tower.epoll.add(fd, EpollEvent::new(EDGES, self.life)) {
            Err(nix::errno::Errno::EEXIST) => Ok(()),
            other => Ok(other?),
        }
    }

    pub(crate) fn forget(&self, fd: BorrowedFd<'_>) {
        self.tower.forget(fd);
    }

    /// Tells the poller to look at this half, from any thread.
    pub(super) fn call(&self) {
        match &mut *self.tower.calls() {
            Some(calls) => calls.insert(self.bell),
            None => return,
        };
        // The descriptors are ours and open, and the watch was made with the instance.
        let asked = always_ready().and_then(|ready| ask_once(&self.tower.epoll, ready, CALLS));
        debug_assert!(asked.is_ok(), "{asked:?}");
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tower.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poll::Waiter;
    use super::super::{bell, socket};
    use super::*;

    fn told(tower: &Tower) -> Vec<u64> {
        let mut keys = Vec::new();
        tower
            .collect(Some(Duration::from_millis(5)), |key| keys.push(key))
            .unwrap();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_bell_a_nudge_a_call_and_the_timer_are_told_once_and_a_forgotten_bell_never() {
        let tower = Arc::new(Tower::new().unwrap());
        let (ours, theirs) = socket::pair().unwrap();
        let bell = bell::create().unwrap();
        let copy = bell.try_clone().unwrap();
        let alone = Waiter::new(Some(bell), ours.as_fd(), None).unwrap();
        let seat = Seat::new(&tower, 4, 5);
        let seated = alone.seated(seat.clone(), ours.as_fd(), None).unwrap();
        drop(alone);
        assert!(seated.seat().unwrap().is(&seat));
        assert!(told(&tower).is_empty());
        let ring =
            || bell::Ringer::new(copy.try_clone().unwrap(), true, false).ring(theirs.as_fd());
        assert!(ring());
        assert_eq!(told(&tower), [4]);
        assert!(told(&tower).is_empty(), "an edge is told once");
        socket::nudge(theirs.as_fd()).unwrap();
        seated.wake();
        assert_eq!(told(&tower), [4, 5]);
        tower.ring_at(Some(Instant::now())).unwrap();
        let mut count = 0;
        while count == 0 {
            count = tower
                .collect(Some(Duration::from_secs(10)), |key| {
                    panic!("key {key} was told of a timer")
                })
                .unwrap();
        }
        drop(seated);
        assert!(ring());
        assert!(
            told(&tower).is_empty(),
            "the copy is open, the watch is not"
        );
    }

    #[test]
    fn calls_that_nobody_collects_take_no_memory() {
        let tower = Arc::new(Tower::new().unwrap());
        let seats = [4, 8].map(|bell| Seat::new(&tower, bell, bell + 1));
        for _ in 0..1000 {
            seats.iter().for_each(Seat::call);
        }
        assert_eq!(tower.calls().as_ref().map(HashSet::len), Some(2));
        assert_eq!(told(&tower), [4, 8]);
        tower.close();
        seats.iter().for_each(Seat::call);
        assert!(tower.calls().is_none());
    }

    #[test]
    fn a_half_that_waits_by_itself_is_rung_in_both_places() {
        let tower = Arc::new(Tower::new().unwrap());
        let (ours, _theirs) = socket::pair().unwrap();
        let alone = Waiter::new(Some(bell::create().unwrap()), ours.as_fd(), None).unwrap();
        let seated = alone
            .seated(Seat::new(&tower, 4, 5), ours.as_fd(), None)
            .unwrap();
        assert!(seated.consume().is_err(), "it has no instance of its own");
        seated.watch(ours.as_fd(), None).unwrap();
        seated.wake();
        assert!(seated.consume().unwrap().bell);
        assert_eq!(told(&tower), [4]);
    }
}
