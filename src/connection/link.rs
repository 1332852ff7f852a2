//! What both halves of a connection share: the handshake socket, the peer's pidfd, and what they have told us.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::book::Slot;
use super::lineage::Lineage;
use super::outcome::Gone;
use super::quota::Grant;
use super::schemas::PeerSchemas;
use super::shown::Segments;
use crate::sync::{Arc, Mutex, Weak};
use crate::sys::fork::Birth;
use crate::sys::line::Line;
use crate::sys::memfd::Identity;
use crate::sys::poll::Waiter;
use crate::sys::prefetch;
use crate::sys::socket::{self, Look};
use crate::sys::{bell, credentials};

/// Who is at the other end, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Its user id, as seen from our user namespace.
    pub uid: u32,
    /// Its process id, if it has one in our pid namespace.
    pub pid: Option<i32>,
}

/// A process that ends closes its sockets a moment before its pidfd tells of the end: so long we wait for the second before
/// we say that the process lives and has merely closed the connection, unless it is seen to be about to end.
const GRACE: Duration = Duration::from_millis(200);

/// The connection's sign of life.
#[derive(Debug)]
pub(crate) struct Link {
    line: Line,
    pidfd: Option<OwnedFd>,
    pub(crate) peer: Peer,
    pub(crate) birth: Birth,
    /// What it says of its frames.
    pub(crate) schemas: PeerSchemas,
    pub(crate) kept: Kept,
    closed_at: Mutex<Option<Instant>>,
    /// A ring of the peer was lost.
    owes_a_ring: Mutex<bool>,
    /// By what each half waits, the one that sends first: both watch one socket, and what one takes from it may be meant for the other.
    waiters: [Mutex<Weak<Waiter>>; 2],
    /// How the connection ended for both halves, once one of them has heard it from the kernel. A goodbye is not that: it ends one lane.
    verdict: OnceLock<Gone>,
    /// Since then neither half of ours says goodbye any more.
    abandoned: OnceLock<Instant>,
}

/// What a connection has until its last half is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Where it is counted.
    pub(crate) slot: Option<Slot>,
    /// What those who read along are given.
    pub(crate) _segments: Option<Arc<Segments>>,
    /// What a listener has granted it.
    pub(crate) _grant: Option<Grant>,
    /// The line of connections that it belongs to.
    pub(crate) lineage: Option<Lineage>,
    /// Which file our segment is.
    pub(crate) own: Identity,
}

/// The answer of a look at the peer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    /// The socket is closed; until then the pidfd may still say that the process has ended.
    Fading(Instant),
    Gone(Gone),
}

impl Link {
    pub(crate) fn new(
        line: Line,
        pidfd: Option<OwnedFd>,
        peer: Peer,
        schemas: PeerSchemas,
        kept: Kept,
        birth: Birth,
    ) -> Self {
        Self {
            line,
            pidfd,
            peer,
            birth,
            schemas,
            kept,
            closed_at: Mutex::new(None),
            owes_a_ring: Mutex::new(false),
            waiters: Default::default(),
            verdict: OnceLock::new(),
            abandoned: OnceLock::new(),
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }

    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// Asks for what [`verdict`](Self::verdict) looks at. A hint.
    #[inline(always)]
    pub(crate) fn approach(&self) {
        prefetch::value(&self.verdict, 1);
    }

    /// How the connection ended, if either half has heard it: a load and a test, and no system call.
    #[inline(always)]
    pub(crate) fn verdict(&self) -> Option<Gone> {
        self.verdict.get().copied()
    }

    /// Asks the kernel. Takes nudges from the socket on the way: the caller passes them on.
    pub(crate) fn life(&self) -> (Life, Look) {
        if let Some(gone) = self.verdict() {
            let nothing = Look {
                open: false,
                taken: false,
                more: false,
            };
            return (Life::Gone(gone), nothing);
        }
        let look = socket::look(&self.line);
        let life = match self.judge(look.open) {
            // Of two halves that hear it at once, the first one speaks for both.
            Life::Gone(gone) => Life::Gone(*self.verdict.get_or_init(|| gone)),
            other => other,
        };
        (life, look)
    }

    /// The kernel had no memory for a ring of the peer's bell. Whichever half sleeps next makes up for it.
    pub(crate) fn owe_a_ring(&self) {
        *lock(&self.owes_a_ring) = true;
    }

    /// Makes up for rings that were lost, through the socket, which wakes both of the peer's halves. `false`: there is no memory for that yet either.
    pub(crate) fn make_up_rings(&self) -> bool {
        let mut owes = lock(&self.owes_a_ring);
        *owes = *owes && !bell::nudge(self.socket());
        !*owes
    }

    /// Whether no half of the peer's is left, by the kernel's word: its process has ended, or has closed the socket, which both of its halves hold. Whoever has only said that nothing more comes from it may close it later.
    pub(crate) fn is_over(&self) -> bool {
        self.pidfd().is_some_and(credentials::has_ended) || socket::is_closed(&self.line)
    }

    /// Half `half` waits by `waiter` from now on. Who has just been woken through the one before, and has not heard it, is woken through this.
    pub(crate) fn waits_by(&self, half: usize, waiter: &Arc<Waiter>) {
        let mut slot = lock(&self.waiters[half]);
        let before = core::mem::replace(&mut *slot, Arc::downgrade(waiter));
        if before.strong_count() > 0 {
            waiter.wake();
        }
    }

    /// Wakes the half that is not `half`.
    pub(crate) fn wake_sibling(&self, half: usize) {
        self.wake_half(1 - half);
    }

    /// Wakes that half. Under the lock, so that it does not wake what was just left.
    pub(crate) fn wake_half(&self, half: usize) {
        if let Some(waiter) = lock(&self.waiters[half]).upgrade() {
            waiter.wake();
        }
    }

    /// Half `half` ends the connection without a goodbye while our other one may still hold the socket, which then says none either: the peer finds it closed. What it
    /// says to us can be heard for as long as it may take to do so; then the connection is over for our other half too.
    pub(crate) fn abandon(&self, half: usize) {
        self.say_no_more();
        self.wake_sibling(half);
    }

    fn say_no_more(&self) {
        let _ = self.abandoned.set(Instant::now());
        self.line.hang_up();
    }

    /// The same by choice, and not by a panic: nothing more is heard either, and our other half, which may wait, is told as if the peer had closed the connection.
    pub(crate) fn give_up(&self, half: usize) {
        self.say_no_more();
        self.verdict.get_or_init(|| Gone::PeerClosed);
        self.wake_sibling(half);
    }

    /// Whether it was ended so.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.get().is_some()
    }

    fn judge(&self, open: bool) -> Life {
        let ended = self.pidfd().map(credentials::has_ended);
        if ended == Some(true) {
            return Life::Gone(Gone::PeerDied);
        }
        #[cfg(ringway_planted = "stopped_is_dead")]
        if self.peer.pid.is_some_and(credentials::is_stopped) {
            return Life::Gone(Gone::PeerDied);
        }
        let mut closed_at = lock(&self.closed_at);
        let abandoned = self.abandoned.get().copied();
        if open && abandoned.is_none() {
            *closed_at = None;
            return Life::Alive;
        }
        let until =
            *closed_at.get_or_insert_with(|| abandoned.unwrap_or_else(Instant::now)) + GRACE;
        let may_say_more = open || ended.is_some();
        if may_say_more && Instant::now() < until {
            Life::Fading(until)
        } else if self.is_ending() {
            Life::Gone(Gone::PeerDied)
        } else {
            Life::Gone(Gone::PeerClosed)
        }
    }

    /// Whether the peer, whose socket is closed, will run no more, though the kernel has told of no end for as long as we wait for that.
    fn is_ending(&self) -> bool {
        // The end itself is asked for once more: it may have come since.
        let ends = |pidfd| credentials::is_ending(pidfd) || credentials::has_ended(pidfd);
        self.pidfd().is_some_and(ends)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
