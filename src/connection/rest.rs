//! How a half waits: the ladder, the park protocol and the signs of life put together, the same for both halves.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::link::{Life, Link};
use super::outcome::{Arm, Gone};
use crate::segment::{MappedForeignWord, MappedOwnWord};
use crate::sys::bell::Ringer;
use crate::sys::cpu;
use crate::sys::poll::Waiter;
use crate::wake::ladder::{LOOKS_PER_CHECK, Ladder, Step, Wait};
use crate::wake::park::{Park, Signal, Watch};

/// A spinning half asks the kernel for signs of life this often: a system call each.
const LIFE_EVERY: Duration = Duration::from_millis(1);

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    TimedOut,
    Gone(Gone),
}

/// One half's means of waiting, and of waking the peer's half opposite.
#[derive(Debug)]
pub(crate) struct Rest {
    watch: Watch<MappedForeignWord>,
    park: Park<MappedOwnWord>,
    ringer: Option<Ringer>,
    waiter: Waiter,
    /// `None`: this half only spins.
    bell: Option<OwnedFd>,
    ladder: Ladder,
    pub(crate) link: Arc<Link>,
    /// Final once set.
    pub(crate) gone: Option<Gone>,
    /// The kernel has said something about the peer that we have not looked into.
    suspect: bool,
    /// When a call that does not wait last asked the kernel.
    asked: Option<Instant>,
}

impl Rest {
    pub(crate) fn new(
        watch: Watch<MappedForeignWord>,
        park: Park<MappedOwnWord>,
        ringer: Option<Ringer>,
        (waiter, bell): (Waiter, Option<OwnedFd>),
        wait: Wait,
        link: Arc<Link>,
    ) -> Self {
        let ladder = Ladder::new(wait, cpu::shared_with(link.peer.pid));
        // Measured here, once, and not in the middle of the first stream.
        let _ = cpu::pauses(0);
        Self {
            watch,
            park,
            ringer,
            waiter,
            bell,
            ladder,
            link,
            gone: None,
            suspect: false,
            asked: None,
        }
    }

    /// Whether looking again at once is worth anything.
    #[inline(always)]
    pub(crate) fn spins(&self) -> bool {
        self.ladder.spins()
    }

    /// Wakes the peer's half if it sleeps. To be called behind a barrier. Costs a load and a test while it is awake. Returns
    /// whether the peer's half is closed instead.
    #[inline(always)]
    pub(crate) fn wake_peer(&mut self) -> bool {
        match self.watch.look() {
            Signal::Nothing => false,
            signal => self.signal(signal),
        }
    }

    #[cold]
    #[inline(never)]
    fn signal(&mut self, signal: Signal) -> bool {
        if signal == Signal::Closed {
            self.gone.get_or_insert(Gone::Closed);
            return true;
        }
        if let Some(ringer) = &self.ringer {
            ringer.ring(self.link.socket());
        }
        false
    }

    /// As [`Rest::wake_peer`], with the barrier that a release needs.
    pub(crate) fn wake_peer_after_release(&mut self) {
        if self.ringer.is_some() {
            Watch::<MappedForeignWord>::barrier();
            self.wake_peer();
        }
    }

    /// Waits until `look` finds something. When the peer is gone, `look` is asked once more: what it had committed is not lost.
    pub(crate) fn wait<T, E>(
        &mut self,
        deadline: Option<Instant>,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Result<T, Ended>, E> {
        if self.ladder.spins() {
            if let Some(found) = spin(look)? {
                return Ok(Ok(found));
            }
        }
        let began = Instant::now();
        let mut checked = began;
        let mut asked = false;
        loop {
            if let Some(found) = look()? {
                return Ok(Ok(found));
            }
            if let Some(gone) = self.ask_gone() {
                if let Some(found) = look()? {
                    return Ok(Ok(found));
                }
                self.gone = Some(gone);
                return Ok(Err(Ended::Gone(gone)));
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                // A wait too short to have slept has not heard from the kernel yet.
                if !asked {
                    asked = true;
                    self.suspect = true;
                    continue;
                }
                return Ok(Err(Ended::TimedOut));
            }
            let step = if self.bell.is_none() {
                Step::Pause
            } else {
                self.ladder.step(now - began)
            };
            match step {
                Step::Sleep => {
                    if let Some(found) = self.sleep(deadline, look)? {
                        return Ok(Ok(found));
                    }
                }
                step => {
                    if step == Step::Yield || !self.ladder.spins() {
                        std::thread::yield_now();
                    } else if let Some(found) = spin(look)? {
                        return Ok(Ok(found));
                    }
                    if now - checked >= LIFE_EVERY {
                        checked = now;
                        self.suspect = true;
                    }
                }
            }
        }
    }

    /// Arms, looks once more, and blocks at most once.
    fn sleep<T, E>(
        &mut self,
        deadline: Option<Instant>,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        self.park.arm();
        let found = look();
        if matches!(found, Ok(None)) && !self.watch.is_closed() {
            let until = match self.fading() {
                Some(fading) => Some(deadline.map_or(fading, |deadline| deadline.min(fading))),
                None => deadline,
            };
            match self.waiter.wait(until) {
                Ok(woken) => self.suspect |= woken.socket || woken.peer,
                // Only a closed descriptor or exhausted kernel memory: look at the peer and go on.
                Err(_) => self.suspect = true,
            }
        }
        self.park.awake();
        found
    }

    fn fading(&mut self) -> Option<Instant> {
        if !self.suspect {
            return None;
        }
        match self.link.life() {
            Life::Fading(until) => Some(until),
            Life::Gone(_) => Some(Instant::now()),
            Life::Alive => None,
        }
    }

    /// Whether the peer's half is closed, or its process gone. The goodbye is looked at last, so that a process that said it and
    /// ended counts as closed in order.
    pub(crate) fn ask_gone(&mut self) -> Option<Gone> {
        if self.gone.is_some() {
            return self.gone;
        }
        let mut gone = None;
        if self.suspect {
            match self.link.life() {
                Life::Alive => self.suspect = false,
                Life::Fading(_) => {}
                Life::Gone(how) => gone = Some(how),
            }
        }
        if self.watch.is_closed() {
            Some(Gone::Closed)
        } else {
            gone
        }
    }

    /// For calls that found nothing and do not wait: asks the kernel at most every [`LIFE_EVERY`], so that who only polls hears of
    /// a death too, and pays for a look at the clock.
    pub(crate) fn ask_polled(&mut self) -> Option<Gone> {
        let now = Instant::now();
        if self.asked.is_none_or(|asked| now - asked >= LIFE_EVERY) {
            self.asked = Some(now);
            self.suspect = true;
        }
        self.ask_gone()
    }

    /// For calls that never wait: a look at the kernel's signs of life that costs a system call.
    pub(crate) fn glance(&mut self) -> Option<Gone> {
        self.suspect = true;
        self.ask_gone()
    }

    /// Prepares for polling the descriptor in somebody else's loop.
    pub(crate) fn arm<T, E>(
        &mut self,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Arm, E> {
        if self.bell.is_none() {
            return Ok(Arm::Ready);
        }
        match self.waiter.consume() {
            Ok(woken) => self.suspect |= woken.socket || woken.peer,
            Err(_) => self.suspect = true,
        }
        self.park.arm();
        if look()?.is_some() || self.ask_gone().is_some() {
            self.park.awake();
            return Ok(Arm::Ready);
        }
        Ok(Arm::Armed)
    }

    /// Says goodbye and wakes the peer's half, unless this is a forked child, to which nothing here belongs.
    pub(crate) fn close(&mut self) {
        if self.link.birth.is_forked() {
            return;
        }
        self.park.close();
        self.wake_peer();
    }
}

impl AsFd for Rest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiter.as_fd()
    }
}

#[inline]
fn spin<T, E>(look: &mut impl FnMut() -> Result<Option<T>, E>) -> Result<Option<T>, E> {
    for _ in 0..LOOKS_PER_CHECK {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        core::hint::spin_loop();
    }
    Ok(None)
}
