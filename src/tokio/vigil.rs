//! How a half waits in a task: a moment of looks, a few turns of the other tasks, and then a sleep that the runtime's `epoll` ends.
//!
//! The half's descriptor is an `epoll` instance of its own, which the runtime watches for edges. A poll that looked in vain arms it, which collects what it has to tell and
//! looks behind that; so what comes later makes a new edge, and wakes the task that has been left with the runtime before. Until there is one, further polls ask the kernel nothing.
//!
//! Whoever waits no more, because it was dropped in the middle, is awake again for the peer, which then rings nobody, and leaves no task with the runtime.

use core::task::{Context, Poll};
use std::cell::Cell;
use std::future::Future;
use std::os::fd::{BorrowedFd, RawFd};
use std::pin::{Pin, pin};
use std::time::Instant;

use ::tokio::task::yield_now;

use super::alarm::Alarm;
use super::glance::Glance;
use super::runtime::Lack;
use super::watched::Watched;
use crate::connection::{Rest, Rested};
use crate::error::Error;
use crate::sys::cpu;
use crate::wake::ladder::Step;

/// A poll looks again and again for no longer than this, in nanoseconds.
const MOMENT: u32 = 2_000;

/// The runtime watches nothing for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRuntime;

/// What waits: a half, for what it waits for.
pub(super) trait Waits {
    fn rest(&mut self) -> &mut Rest;
    fn descriptor(&self) -> BorrowedFd<'_>;
    /// Whether there is something, an end too: then the call that follows is not in vain.
    fn look(&mut self) -> bool;
    /// Goes to sleep. What is wrong is told by the call that follows.
    fn arm(&mut self) -> Rested;
}

/// One half's.
#[derive(Debug)]
pub(super) struct Vigil {
    watched: Watched,
    /// Only where a sleep is for some time.
    timer: Option<Alarm>,
    glance: Glance,
    /// A wait has begun and is not over.
    waits: bool,
    state: State,
}

/// How far a half has gone to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awake,
    /// A task may be left with the runtime, and the peer may ring.
    Armed,
    /// The same for certain, for as long as it takes, and nothing has been told since: another poll that looked in vain has nothing to add.
    Asleep,
}

impl Vigil {
    /// Of the half with this descriptor.
    ///
    /// # Safety
    /// The half outlives it, and has this descriptor as long. The same half is handed to [`Vigil::poll`].
    pub(super) unsafe fn new(fd: BorrowedFd<'_>) -> Result<Self, Error> {
        // SAFETY: the promise is the caller's.
        let watched = unsafe { Self::watch(fd) };
        Ok(Self {
            watched: watched.map_err(|lack| lack.error("having the runtime watch a connection"))?,
            timer: None,
            glance: Glance::default(),
            waits: false,
            state: State::Awake,
        })
    }

    /// Has the runtime that we are in watch it.
    ///
    /// # Safety
    /// As of [`Vigil::new`].
    unsafe fn watch(fd: BorrowedFd<'_>) -> Result<Watched, Lack> {
        // A runtime without a timer is found here, and not when a peer is gone.
        drop(Alarm::at(Instant::now())?);
        // SAFETY: the promise is the caller's.
        unsafe { Watched::new(fd) }
    }

    /// A poll has looked in vain. `Ready`: it shall look again now. Whoever finds something or is dropped says so ([`Vigil::over`]).
    #[cold]
    #[inline(never)]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        half: &mut impl Waits,
    ) -> Poll<Result<(), NoRuntime>> {
        // The call that follows says so.
        if self.watched.is_forked() {
            return Poll::Ready(Ok(()));
        }
        let alone = is_alone(self.watched.number());
        let mut takes = alone && half.rest().spins() && self.glance.pays();
        if !self.waits {
            if takes && self.looks(half) {
                half.rest().found_soon();
                return Poll::Ready(Ok(()));
            }
            takes = false;
            self.waits = true;
            half.rest().begin_wait(Instant::now());
        }
        match half.rest().step(Instant::now()) {
            Step::Sleep => self.sleep(cx, half),
            Step::Pause if takes && self.looks(half) => Poll::Ready(Ok(())),
            Step::Pause | Step::Yield => come_back(cx),
        }
    }

    /// Looks for a moment.
    fn looks(&mut self, half: &mut impl Waits) -> bool {
        let found = (0..cpu::pauses(MOMENT)).any(|_| {
            core::hint::spin_loop();
            half.look()
        });
        self.glance.ended(found);
        found
    }

    fn sleep(
        &mut self,
        cx: &mut Context<'_>,
        half: &mut impl Waits,
    ) -> Poll<Result<(), NoRuntime>> {
        // A second time where an edge from before was still to be told.
        for _ in 0..2 {
            match self.watched.poll(cx) {
                Poll::Ready(told) => {
                    if self.state == State::Asleep {
                        self.state = State::Armed;
                    }
                    if told.is_err() {
                        self.move_here(half)?;
                    }
                }
                // The task is left with the runtime: what comes from here on wakes it. Whatever came since the arming would have made an edge, which is not there.
                Poll::Pending if self.state == State::Asleep => return Poll::Pending,
                Poll::Pending => return self.arm(cx, half),
            }
        }
        come_back(cx)
    }

    fn arm(&mut self, cx: &mut Context<'_>, half: &mut impl Waits) -> Poll<Result<(), NoRuntime>> {
        self.state = State::Armed;
        match half.arm() {
            Rested::Until(None) => {
                self.timer = None;
                self.state = State::Asleep;
            }
            Rested::Until(Some(moment)) => {
                // A fresh one: the last may be of another runtime, which is shut down, or which nobody drives.
                self.timer = Alarm::at(moment).ok();
                let timer = self.timer.as_mut().map(|timer| Pin::new(timer).poll(cx));
                // Whoever polls where there is no timer comes back at once.
                if timer.is_none_or(|polled| polled.is_ready()) {
                    return come_back(cx);
                }
            }
            Rested::Ready if half.look() => return Poll::Ready(Ok(())),
            Rested::Ready => return come_back(cx),
        }
        half.rest().count_sleep();
        Poll::Pending
    }

    /// The runtime that watched is shut down: the one that we are in does from now on.
    #[cold]
    fn move_here(&mut self, half: &impl Waits) -> Result<(), NoRuntime> {
        self.timer = None;
        // SAFETY: it is the half that was promised to outlive us with the same descriptor.
        self.watched = unsafe { Self::watch(half.descriptor()) }.map_err(|_| NoRuntime)?;
        Ok(())
    }

    /// Whether a wait has begun.
    #[inline(always)]
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The wait is over: it was `found`, or nobody waits any more.
    #[cold]
    #[inline(never)]
    pub(super) fn over(&mut self, rest: &mut Rest, found: bool) {
        self.waits = false;
        self.timer = None;
        rest.end_wait(Instant::now(), found);
        // In a forked child neither does anything.
        if std::mem::replace(&mut self.state, State::Awake) != State::Awake {
            rest.rise();
            #[cfg(ringway_planted = "left_task")]
            return;
            #[cfg(not(ringway_planted = "left_task"))]
            self.watched.forget();
        }
    }
}

/// The task is polled again when the others of its thread have had their turn, and the runtime has asked the kernel.
pub(super) fn come_back<T>(cx: &mut Context<'_>) -> Poll<T> {
    // Its first poll leaves the task with the scheduler.
    let _ = pin!(yield_now()).poll(cx);
    Poll::Pending
}

/// Whether no other half of this thread has looked in vain since this one last did: then there is nobody whose turn a moment of looks would take.
fn is_alone(half: RawFd) -> bool {
    thread_local! {
        static LAST: Cell<RawFd> = const { Cell::new(-1) };
    }
    LAST.replace(half) == half
}
