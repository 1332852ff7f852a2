//! How a half waits: the ladder, the park protocol and the signs of life put together, the same for both halves.

#[cfg(test)]
mod asking;
mod barrier;
mod bell;
mod cores;
mod follow;
mod interrupter;
mod lately;
#[cfg(test)]
mod one_core;
#[cfg(test)]
pub(super) mod pair;
#[cfg(feature = "tokio")]
mod polls;
mod seated;
#[cfg(test)]
mod unfenced;
mod waiting;

pub(crate) use bell::Bell;
use bell::{Ahead, Rung};
pub(crate) use cores::cores_with;
pub use interrupter::Interrupter;
use lately::with_lately;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::book::{Count, Slot};
use super::link::{Life, Link};
use super::outcome::{Arm, Gone};
use crate::layout::counters;
use crate::segment::{MappedForeignWord, MappedOwnWord};
use crate::sync::Arc;
use crate::sys::cpu;
use crate::sys::poll::{Waiter, Woken};
use crate::wake::ladder::Ladder;
use crate::wake::park::{Park, Signal, Watch};

/// A half that spins or polls asks the kernel for signs of life this often: two system calls each time.
pub(crate) const LIFE_EVERY: Duration = Duration::from_millis(1);

/// What the kernel has said about the peer's life.
#[derive(Clone, Copy, Debug)]
enum Heard {
    /// Nothing yet, or something that we have not looked into: it is to be asked.
    Nothing,
    /// The peer was alive then.
    Alive(Instant),
    /// The socket is closed; until then the pidfd may still say that the process has ended.
    Fading(Instant),
}

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    TimedOut,
    Gone(Gone),
    /// This process wants it to end.
    Interrupted,
}

/// What came of going to sleep in somebody else's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rested {
    /// There is something to do.
    Ready,
    /// It sleeps, and is to be asked again at that moment if nothing wakes it.
    Until(Option<Instant>),
}

/// What one half counts of its waits and wakes.
#[derive(Debug)]
pub(crate) struct Counts {
    waits: Count,
    sleeps: Count,
    wakes: Count,
}

impl Counts {
    /// Of the half whose words are at `half`.
    pub(crate) fn new(slot: Option<&Slot>, half: usize) -> Self {
        let count = |index| Count::new(slot, half, index);
        Self {
            waits: count(4),
            sleeps: count(5),
            wakes: count(6),
        }
    }
}

/// One half's means of waiting, and of waking the peer's half opposite.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Rest {
    watch: Watch<MappedForeignWord>,
    pub(crate) link: Arc<Link>,
    park: Park<MappedOwnWord>,
    barrier: barrier::Barrier,
    /// Where the peer's receiver says whether it follows large frames.
    follower: Option<MappedForeignWord>,
    /// The bell of the peer's half; `None`: that never sleeps.
    bell: Option<Arc<Bell>>,
    ahead: Option<Ahead>,
    waiter: Arc<Waiter>,
    /// Which of the link's two halves this is: 0 sends.
    place: usize,
    ladder: Ladder,
    counts: Counts,
    /// Final once set.
    pub(crate) gone: Option<Gone>,
    heard: Heard,
    /// Made while its thread was unwinding: a panic that was there before tells nothing about this connection.
    born_unwinding: bool,
    interruption: interrupter::Interruption,
}

impl Rest {
    /// `half`: which one it is in the counters.
    pub(crate) fn new(
        watch: Watch<MappedForeignWord>,
        park: Park<MappedOwnWord>,
        bell: Option<Arc<Bell>>,
        waiter: Arc<Waiter>,
        ladder: Ladder,
        link: Arc<Link>,
        half: usize,
    ) -> Self {
        let place = usize::from(half != counters::SENDS);
        link.waits_by(place, &waiter);
        // Measured here, once, and not in the middle of the first stream.
        let _ = cpu::pauses(0);
        Self {
            watch,
            park,
            barrier: barrier::Barrier::default(),
            follower: None,
            bell,
            ahead: None,
            waiter,
            place,
            ladder,
            counts: Counts::new(link.kept.slot.as_ref(), half),
            link,
            gone: None,
            heard: Heard::Nothing,
            born_unwinding: std::thread::panicking(),
            interruption: interrupter::Interruption::default(),
        }
    }

    /// Whether looking again at once is worth anything.
    #[inline(always)]
    pub(crate) fn spins(&self) -> bool {
        self.ladder.spins()
    }

    /// Looking again at once has found something.
    #[inline(always)]
    pub(crate) fn found_soon(&mut self) {
        self.ladder.found_soon();
    }

    /// Wakes the peer's half if it sleeps. To be called behind a barrier. Costs a load and a test while it is awake. Returns
    /// whether the peer's half is closed instead.
    #[inline(always)]
    pub(crate) fn wake_peer(&mut self) -> bool {
        match self.look() {
            Signal::Nothing => false,
            signal => self.signal(signal),
        }
    }

    /// Whether there is something to do about the peer's half. To be called behind a barrier.
    #[inline(always)]
    pub(crate) fn look(&mut self) -> Signal {
        self.watch.look()
    }

    /// Tells the peer's half that ours has looked in vain.
    pub(crate) fn look_in_vain(&mut self) {
        self.park.look_in_vain();
    }

    /// Whether the peer's half has gone to sleep or looked in vain since the last [`remember`](Self::remember).
    #[inline(always)]
    pub(crate) fn peer_has_waited(&self) -> bool {
        self.watch.has_changed()
    }

    pub(crate) fn remember(&mut self) {
        self.watch.remember();
    }

    /// Does it. Returns whether the peer's half is closed.
    #[cold]
    #[inline(never)]
    pub(crate) fn signal(&mut self, signal: Signal) -> bool {
        if signal == Signal::Closed {
            self.gone.get_or_insert(Gone::Closed);
            return true;
        }
        if let Some(bell) = &self.bell {
            step!("wake-before");
            let rung = bell.ring(self.watch.asked(), self.link.socket());
            // What our other half has done before it has counted.
            if rung != Rung::Before {
                self.counts.wakes.add();
            }
            if rung == Rung::Lost {
                self.watch.forget();
                self.link.owe_a_ring();
                // It may sleep already, on what the peer would answer: whoever arms anew makes up for the ring first.
                self.link.wake_sibling(self.place);
            }
            step!("wake-after");
        }
        false
    }

    /// As [`Rest::wake_peer`], with the barrier that a release needs.
    pub(crate) fn wake_peer_after_release(&mut self) {
        if self.bell.is_some() {
            Watch::<MappedForeignWord>::barrier();
            self.wake_peer();
        }
    }

    /// Has an epoll instance of its own: a half in a poller makes one when a call of its own waits.
    fn settle(&self) -> io::Result<()> {
        let made = self.waiter.watch(self.link.socket(), self.link.pidfd())?;
        if made && !self.link.birth.is_forked() {
            // Whoever wanted to wake us a moment ago had nothing to do it by.
            self.link.wake_half(self.place);
        }
        Ok(())
    }

    fn heed(&mut self, woken: io::Result<Woken>) {
        // An error: a half in a poller got no descriptor, or exhausted kernel memory. Look at the peer and go on.
        if woken.map_or(true, |woken| woken.socket || woken.peer) {
            self.heard = Heard::Nothing;
        }
    }

    /// Whether the peer's half is closed, or its process gone. The kernel is asked if it has something to say, or has not been asked
    /// for `age`: zero asks in any case, [`LIFE_EVERY`] is for those who look often. What the other half of our side has heard counts
    /// at once. The goodbye is looked at last, so that a process that said it and ended counts as closed in order. The answer is final.
    pub(crate) fn ask(&mut self, now: Instant, age: Duration) -> Option<Gone> {
        if self.gone.is_some() {
            return self.gone;
        }
        let gone = match self.heard {
            Heard::Alive(at) if now.saturating_duration_since(at) < age && !self.is_left() => {
                self.link.verdict()
            }
            _ => self.life(now),
        };
        self.gone = self.with_goodbye(gone);
        self.gone
    }

    /// Whether our other half has ended the connection by a panic, and there is an end to be told of though the peer is as it was.
    fn is_left(&self) -> bool {
        self.link.is_abandoned()
    }

    /// What is known of the end without asking the kernel: a goodbye, or what either half has heard from the kernel.
    pub(crate) fn known_end(&mut self) -> Option<Gone> {
        if self.gone.is_none() {
            self.gone = self.with_goodbye(self.link.verdict());
        }
        self.gone
    }

    fn with_goodbye(&self, gone: Option<Gone>) -> Option<Gone> {
        if self.watch.is_closed() {
            Some(Gone::Closed)
        } else {
            gone
        }
    }

    /// Asks the kernel, and passes on the nudges that are taken in doing so: the rules and their reasons are in `sys/poll.rs`.
    fn life(&mut self, now: Instant) -> Option<Gone> {
        // Who never sleeps has no other occasion.
        let _ = self.link.make_up_rings();
        let (life, nudges) = self.link.life();
        if nudges.taken {
            self.link.wake_sibling(self.place);
            if nudges.more || self.park.is_armed() {
                self.waiter.wake();
            }
        }
        let (heard, gone) = match life {
            Life::Alive if nudges.more => (Heard::Nothing, None),
            Life::Alive => (Heard::Alive(now), None),
            Life::Fading(until) => (Heard::Fading(until), None),
            Life::Gone(how) => (Heard::Nothing, Some(how)),
        };
        self.heard = heard;
        gone
    }

    /// What came of [`arm_until`](Self::arm_until), for a loop that has no timer: what is to be looked at again at some moment keeps it coming back until then.
    pub(crate) fn without_timer(&mut self, rested: Rested) -> Arm {
        match rested {
            Rested::Until(None) => Arm::Armed,
            Rested::Until(Some(_)) => {
                self.park.awake();
                Arm::Ready
            }
            Rested::Ready => Arm::Ready,
        }
    }

    /// Prepares for polling the descriptor in somebody else's loop, which has a timer.
    pub(crate) fn arm_until<T, E>(
        &mut self,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Rested, E> {
        if !self.waiter.can_sleep() {
            return Ok(Rested::Ready);
        }
        let woken = self.settle().and_then(|()| self.waiter.consume());
        let unwatched = woken.is_err();
        self.heed(woken);
        // Awake while the kernel is asked, so that nudges taken there need not wake us: we look behind the arming. It is asked only
        // if there was an edge: the loop polls for the next one.
        self.park.awake();
        let ending = self.ask(Instant::now(), Duration::MAX).is_some() || unwatched;
        self.arm_epoch();
        let found = if ending {
            Ok(true)
        } else {
            look().map(|found| found.is_some() || self.watch.is_closed())
        };
        if !matches!(found, Ok(false)) {
            self.park.awake();
        }
        found.map(|found| {
            if found {
                Rested::Ready
            } else {
                Rested::Until(self.fades_until())
            }
        })
    }

    /// Ends the connection without a goodbye, for both halves of ours.
    pub(crate) fn abandon(&self) {
        if !self.link.birth.is_forked() {
            self.link.give_up(self.place);
        }
    }

    /// Says goodbye and wakes the peer's half, unless this is a forked child, to which nothing here belongs. A half that a panic drops
    /// says no goodbye: what it had to send may be cut short, and a peer that heard one would take it for the whole.
    pub(crate) fn close(&mut self) {
        if self.link.birth.is_forked() {
            return;
        }
        self.tell_close();
        if let Some(bell) = &self.bell {
            bell.retire();
        }
    }

    fn tell_close(&mut self) {
        if std::thread::panicking() && !self.born_unwinding {
            self.link.abandon(self.place);
        }
        if self.link.is_abandoned() {
            return;
        }
        step!("close-before");
        self.park.close();
        step!("close-after");
        if let Some(bell) = &self.bell {
            bell.end();
        }
        self.wake_peer();
        step!("close-told");
    }
}

impl AsFd for Rest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // One that is in a poller, or was, may have none of its own yet: what is polled is to be that by which it waits once it is armed.
        let _ = self.settle();
        self.waiter.as_fd()
    }
}
