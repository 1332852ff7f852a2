//! Blocking once on everything that can end a wait: the bell, the handshake socket and the peer's pidfd.
//!
//! One epoll instance per waiting half. All three are watched edge-triggered, so nothing has to be read to make the next wait
//! block, and a peer that drains or fills the bell cannot make ours spin or hang. The instance is also the one descriptor that
//! a foreign event loop polls for this half: it is readable while there is an edge that we have not collected.
//!
//! # Why a wake on the socket is not lost
//!
//! A peer that cannot ring a bell sends a byte on the handshake socket, a nudge ([`bell`](super::bell)). Both halves of our side
//! watch that one socket, and epoll tells an edge only if the socket is still readable when it gets there: a half that takes
//! the byte first makes the other's edge vanish. So there is a fourth thing to watch: a descriptor that is always readable and
//! this process's alone, watched for nothing until [`Waiter::wake`] asks epoll to tell of it once. That takes locks which are held for
//! moments, waits for nobody, and cannot fail on a watch that is there.
//!
//! The rules for whoever takes nudges, in `connection/rest.rs`:
//!
//! 1. It wakes its sibling after that, whatever they were meant for.
//! 2. It wakes itself too if it is armed (its epoch is odd), or if it left some behind.
//! 3. A half that was told of the socket takes what is there before it arms again.
//!
//! Say half A has armed an epoch, and the peer, which saw that, commits and then sends a byte at time *t*. Then:
//!
//! - Nobody has taken the byte when A next asks epoll: A is told of the socket.
//! - A took it. If awake, A arms again before it blocks, and looks behind that: it sees the commit. If armed, A is told
//!   of the wake that it gave itself (rule 2).
//! - The sibling took it, and wakes A (rule 1). A request that finds A asleep ends the sleep; one that comes while A is awake stays
//!   until A asks. What A has collected before does not cancel it: the kernel does one or the other at a time.
//! - There was no room (`EAGAIN`), and so no edge. Then a byte from before *t* was in the socket at *t*, or about to be given
//!   free by somebody who is not back from taking it. If it is taken, the rules are followed after *t*, and one of the cases above
//!   holds for it. If it is not, A has not been told of it, or it would have taken it (rules 2 and 3): A is told when it asks.
//!
//! `src/model/nudge.rs` tries this in every interleaving of two preemptions. A wake is no reason to take nudges, so two halves cannot keep each
//! other awake. A sibling that was dropped needs no wake, and one that moved to another thread took its instance along.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::{again, check, tower::Seat};
use crate::sync::{Arc, AtomicI32, AtomicU64, Mutex, Ordering, Weak};

const BELL: u64 = 1;
const SOCKET: u64 = 2;
const PEER: u64 = 4;
const SIBLING: u64 = 8;
/// As many as are watched.
const EVENTS: usize = 4;

/// What ended a wait. Nothing set: the deadline passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Woken {
    /// The peer rang, or our own side called [`Waiter::wake`].
    pub(crate) bell: bool,
    /// The handshake socket has bytes or is closed.
    pub(crate) socket: bool,
    /// The peer's process has ended.
    pub(crate) peer: bool,
}

/// One waiting half's epoll instance, and its bell.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Made with it; by a half in a poller, which sleeps on the poller's, only when a call of its own waits.
    own: OnceLock<Own>,
    /// Held open: if the peer closed its copy and there were no other, the watch would end. `None`: this half only ever spins.
    bell: Option<Arc<OwnedFd>>,
    /// Its place in a poller.
    seat: Option<Seat>,
}

/// An instance.
#[derive(Debug)]
struct Own {
    epoll: Epoll,
    /// What it asks to be told of, to be woken. Only one that can be rung has it.
    ready: Option<Ready>,
}

impl Waiter {
    /// Watches what is given. A half that only ever spins has no bell.
    pub(crate) fn new(
        bell: Option<OwnedFd>,
        socket: BorrowedFd<'_>,
        peer: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        let waiter = Self::with(bell.map(Arc::new), None);
        waiter.watch(socket, peer)?;
        Ok(waiter)
    }

    fn with(bell: Option<Arc<OwnedFd>>, seat: Option<Seat>) -> Self {
        let own = OnceLock::new();
        Self { own, bell, seat }
    }

    /// The same half's with a place in a poller, and without an instance of its own.
    pub(crate) fn seated(
        &self,
        seat: Seat,
        socket: BorrowedFd<'_>,
        peer: Option<BorrowedFd<'_>>,
    ) -> io::Result<Self> {
        if let Some(bell) = &self.bell {
            seat.watch_bell(bell.as_fd())?;
        }
        // From here on a failure drops it, and the watch of the bell with it.
        let waiter = Self::with(self.bell.clone(), Some(seat));
        if let Some(seat) = &waiter.seat {
            seat.watch_life(socket)?;
            peer.map_or(Ok(()), |peer| seat.watch_life(peer))?;
        }
        Ok(waiter)
    }

    /// The same half's without either: it has an instance again as soon as it waits.
    pub(crate) fn bare(&self) -> Self {
        Self::with(self.bell.clone(), None)
    }

    /// Its place in a poller.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        self.seat.as_ref()
    }

    /// Has an instance of its own, which watches what is given. Edges from before are told. Returns whether it was made now: nothing could wake it by that before.
    pub(crate) fn watch(
        &self,
        socket: BorrowedFd<'_>,
        peer: Option<BorrowedFd<'_>>,
    ) -> io::Result<bool> {
        if self.own.get().is_some() {
            return Ok(false);
        }
        let edges = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(bell) = &self.bell {
            epoll.add(bell, EpollEvent::new(edges, BELL))?;
        }
        let ready = self.bell.is_some().then(Ready::for_a_half).transpose()?;
        if let Some(ready) = &ready {
            let nothing = EpollEvent::new(EpollFlags::empty(), SIBLING);
            epoll.add(ready.descriptor()?, nothing)?;
        }
        epoll.add(socket, EpollEvent::new(edges, SOCKET))?;
        if let Some(peer) = peer {
            epoll.add(peer, EpollEvent::new(edges, PEER))?;
        }
        // A half is used by one thread at a time, and so nobody else has made one.
        let _ = self.own.set(Own { epoll, ready });
        Ok(true)
    }

    /// Whether this half may sleep, and be woken.
    pub(crate) fn can_sleep(&self) -> bool {
        self.bell.is_some()
    }

    /// Ends this half's sleep, or its next one. From any thread of this process, and without blocking; see the module.
    #[cold]
    pub(crate) fn wake(&self) {
        if !self.can_sleep() {
            return;
        }
        if let Some((epoll, ready)) = self.own.get().and_then(Own::parts) {
            let woken = ready
                .descriptor()
                .and_then(|ready| ask_once(epoll, ready, SIBLING));
            // Both descriptors are ours and open, and the watch was made with the instance.
            debug_assert!(woken.is_ok(), "{woken:?}");
        }
        if let Some(seat) = &self.seat {
            seat.call();
        }
    }

    /// Blocks until something happens or `deadline` passes; `None` waits for ever. A signal does not end the wait.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> io::Result<Woken> {
        again(|| self.wait_once(deadline))
    }

    /// The same, and a signal ends it: [`io::ErrorKind::Interrupted`].
    pub(crate) fn wait_once(&self, deadline: Option<Instant>) -> io::Result<Woken> {
        self.collect(deadline.map(|at| at.saturating_duration_since(Instant::now())))
    }

    /// Collects the edges that are there now, without blocking.
    pub(crate) fn consume(&self) -> io::Result<Woken> {
        self.collect(Some(Duration::ZERO))
    }

    fn collect(&self, left: Option<Duration>) -> io::Result<Woken> {
        let Some(Own { epoll, .. }) = self.own.get() else {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        };
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        let count = wait_on(epoll, &mut events, left)?;
        let seen = events
            .iter()
            .take(count)
            .fold(0, |seen, event| seen | event.u64);
        Ok(Woken {
            bell: seen & (BELL | SIBLING) != 0,
            socket: seen & SOCKET != 0,
            peer: seen & PEER != 0,
        })
    }
}

impl Own {
    /// Where it can be woken.
    fn parts(&self) -> Option<(&Epoll, &Ready)> {
        self.ready.as_ref().map(|ready| (&self.epoll, ready))
    }
}

/// Has `epoll` tell once of a descriptor that is always readable, which it watches as `data`.
pub(super) fn ask_once(epoll: &Epoll, ready: BorrowedFd<'_>, data: u64) -> io::Result<()> {
    let once = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
    Ok(epoll.modify(ready, &mut EpollEvent::new(once, data))?)
}

/// So many halves share a descriptor that is always readable. The kernel lets no descriptor have more than 500 ways to an `epoll` instance over another one, and
/// somebody else's loop may watch all our instances, and another one too, such as a second runtime.
const SHARED_BY: usize = 240;

/// A descriptor that is always readable, for a half and others.
#[derive(Debug)]
enum Ready {
    /// The one that the process has in any case.
    First { _user: Arc<()> },
    /// One that the first halves have left no room in.
    Further(Arc<OwnedFd>),
}

/// Who uses which.
struct Shared {
    first: Option<Arc<()>>,
    last: Weak<OwnedFd>,
}

impl Ready {
    fn for_a_half() -> io::Result<Self> {
        static SHARED: Mutex<Shared> = Mutex::new(Shared {
            first: None,
            last: Weak::new(),
        });
        // Where another thread has it, or had it when this process was forked, a half has one of its own.
        let Ok(mut shared) = SHARED.try_lock() else {
            return make_ready().map(|own| Self::Further(Arc::new(own)));
        };
        let users = shared.first.get_or_insert_default();
        if Arc::strong_count(users) <= SHARED_BY {
            let user = Arc::clone(users);
            return always_ready().map(|_| Self::First { _user: user });
        }
        let last = shared.last.upgrade();
        if let Some(ready) = last.filter(|ready| Arc::strong_count(ready) <= SHARED_BY) {
            return Ok(Self::Further(ready));
        }
        let ready = Arc::new(make_ready()?);
        shared.last = Arc::downgrade(&ready);
        Ok(Self::Further(ready))
    }

    fn descriptor(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::First { .. } => always_ready(),
            Self::Further(ready) => Ok(ready.as_fd()),
        }
    }
}

fn make_ready() -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed.
    let fd = check(unsafe { libc::eventfd(1, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Collects edges into `events`, for up to `left`; `None` waits for ever. Returns how many.
pub(super) fn wait_on(
    epoll: &Epoll,
    events: &mut [libc::epoll_event],
    left: Option<Duration>,
) -> io::Result<usize> {
    static REFUSED: AtomicU64 = AtomicU64::new(0);
    let epoll = epoll.0.as_raw_fd();
    let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
    // ORD: refused: Relaxed, it only saves a call that would fail; partner: the store in this file.
    let refused = REFUSED.load(Ordering::Relaxed) != 0;
    // A wait for ever, or not at all, needs no clock and so no newer call.
    if let Some(left) = left.filter(|left| !left.is_zero() && !refused) {
        let time = libc::timespec {
            tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        // SAFETY: `events` is valid for writes of `room` entries, `time` for reads; a null signal mask changes none.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                events.as_mut_ptr(),
                room,
                &raw const time,
                core::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if count != -1 {
            return Ok(usize::try_from(count).unwrap_or(0));
        }
        // Not there before Linux 5.11 (`ENOSYS`), or not allowed by a seccomp profile that is older (`EPERM`). Whatever else is
        // wrong, the older call says too.
        let error = super::last_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => return Err(error),
            // ORD: refused: Relaxed, as above; partner: the load in this file.
            Some(libc::ENOSYS | libc::EPERM) => REFUSED.store(1, Ordering::Relaxed),
            _ => {}
        }
    }
    // It waits in whole milliseconds: round up, so as never to wake early and spin.
    let milliseconds = left.map_or(-1, |left| {
        i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    });
    // SAFETY: `events` is valid for writes of `room` entries.
    let count = check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), room, milliseconds) })?;
    Ok(usize::try_from(count).unwrap_or(0))
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // The peer may keep its copy of the bell open for as long as it likes, and the watch would last as long.
        if let (Some(seat), Some(bell)) = (&self.seat, &self.bell) {
            seat.forget(bell.as_fd());
        }
    }
}

impl AsFd for Waiter {
    /// That of the instance. Where there was no descriptor for one: of a half in a poller, the poller's; of another, one that is readable for nothing.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match (self.own.get(), &self.seat) {
            (Some(own), _) => own.epoll.0.as_fd(),
            (None, Some(seat)) => seat.as_fd(),
            (None, None) => always_ready().expect("there since the first poller"),
        }
    }
}

/// An eventfd of this process that is readable for ever: its counter is one, nobody reads it, and nobody else is given it. A child of
/// a fork shares it and has as little reason to read it.
pub(crate) fn always_ready() -> io::Result<BorrowedFd<'static>> {
    // No `OnceLock`: a child that was forked while another thread fills it would wait for ever.
    static READY: AtomicI32 = AtomicI32::new(NONE);
    const NONE: i32 = -1;
    // ORD: ready-made: Relaxed, a number that the kernel knows; partner: the exchange in this file.
    let mut ready = READY.load(Ordering::Relaxed);
    if ready == NONE {
        let made = make_ready()?;
        let fd = made.as_raw_fd();
        // ORD: ready-made: Relaxed, as above; of two threads that race here one is too late, and closes its own.
        ready = match READY.compare_exchange(NONE, fd, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => made.into_raw_fd(),
            Err(first) => first,
        };
    }
    // SAFETY: whoever stored it gave it up, and nobody closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(ready) })
}

/// Whether `fd` is readable (or closed) now.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> bool {
    ready(&mut [entry(fd)], Some(Instant::now())).is_ok_and(|count| count > 0)
}

/// Whether the other end of `fd`, a connected socket or the reading end of a pipe, is closed, or both ends have been shut down for writing.
pub(crate) fn is_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut entry = [entry(fd)];
    ready(&mut entry, Some(Instant::now())).is_ok() && entry[0].revents & libc::POLLHUP != 0
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

#[cfg(test)]
mod tests {
    use super::super::{bell, socket};
    use super::*;
    use crate::sys::line::Line;
    use std::time::Duration;

    /// A half without a pidfd to watch.
    fn waiter(socket: &OwnedFd) -> Waiter {
        Waiter::new(Some(bell::create().unwrap()), socket.as_fd(), None).unwrap()
    }

    #[test]
    fn a_wake_ends_the_next_sleep_or_the_present_one_and_only_that() {
        let (ours, _theirs) = socket::pair().unwrap();
        let half = waiter(&ours);
        let woken = Woken {
            bell: true,
            ..Woken::default()
        };
        assert_eq!(half.consume().unwrap(), Woken::default());
        half.wake();
        half.wake();
        assert_eq!(half.wait(None).unwrap(), woken);
        assert_eq!(half.consume().unwrap(), Woken::default(), "told once");
        let limit = Instant::now() + Duration::from_secs(60);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                let sleeper = scope.spawn(|| half.wait(Some(limit)).unwrap());
                std::thread::yield_now();
                half.wake();
                assert_eq!(sleeper.join().unwrap(), woken);
            }
        });
    }

    /// What the kernel does, and why taking a nudge obliges.
    #[test]
    fn an_edge_that_somebody_else_took_is_not_told() {
        let (ours, theirs) = socket::pair().unwrap();
        let (first, second) = (waiter(&ours), waiter(&ours));
        socket::nudge(theirs.as_fd()).unwrap();
        assert!(first.consume().unwrap().socket);
        assert!(socket::look(&Line::new(ours)).taken);
        assert_eq!(second.consume().unwrap(), Woken::default());
        second.wake();
        assert!(second.consume().unwrap().bell);
    }

    #[test]
    fn any_number_of_halves_can_be_watched_by_two_loops() {
        let make = || Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let outer = [make(), make()];
        let (ours, _theirs) = socket::pair().unwrap();
        let mut halves = Vec::new();
        for _ in 0..3 * SHARED_BY {
            let half = waiter(&socket::pair().unwrap().0);
            let watched = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0);
            for outer in &outer {
                outer.add(&half, watched).unwrap();
            }
            halves.push(half);
        }
        let last = waiter(&ours);
        last.wake();
        assert!(last.consume().unwrap().bell);
    }

    #[test]
    fn a_half_that_only_spins_has_nothing_to_wake() {
        let (ours, _theirs) = socket::pair().unwrap();
        let half = Waiter::new(None, ours.as_fd(), None).unwrap();
        half.wake();
        assert_eq!(half.consume().unwrap(), Woken::default());
    }
}
