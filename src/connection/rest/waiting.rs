//! A wait of a blocking call: up the ladder, and to sleep.

use std::time::Instant;

use super::{Ended, Heard, LIFE_EVERY, Rest, with_lately};
use crate::wake::ladder::{LOOKS_PER_CHECK, Step};

impl Rest {
    /// Waits until `look` finds something. When the peer is gone, `look` is asked once more: what it had committed is not lost.
    pub(crate) fn wait<T, E>(
        &mut self,
        deadline: Option<Instant>,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Result<T, Ended>, E> {
        if self.ladder.spins() {
            if let Some(found) = spin(look)? {
                self.ladder.found_soon();
                return Ok(Ok(found));
            }
        }
        self.counts.waits.add();
        self.interruption.begin();
        let began = Instant::now();
        with_lately(|lately| self.ladder.begin(began, lately));
        let outcome = self.climb(began, deadline, look)?;
        if self.ladder.learns() {
            let found = outcome.is_ok();
            with_lately(|lately| self.ladder.end(Instant::now(), found, lately));
        }
        Ok(outcome)
    }

    /// Counts a wait of somebody who looks by turns, and does not wait by this half.
    pub(crate) fn count_wait(&mut self) {
        self.counts.waits.add();
    }

    /// One wait, from its beginning to its end.
    fn climb<T, E>(
        &mut self,
        began: Instant,
        deadline: Option<Instant>,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Result<T, Ended>, E> {
        // Whether it has slept, and whether the peer has ended the last sleep.
        let (mut slept, mut rung) = (false, false);
        let found = loop {
            if let Some(found) = look()? {
                break found;
            }
            let now = Instant::now();
            // What a release rings for comes without being announced.
            if std::mem::take(&mut rung) && self.ahead.is_some() {
                self.ladder.rung_in_vain(now);
            }
            self.look_around(now);
            let late = deadline.is_some_and(|deadline| now >= deadline);
            // A wait does not time out on an answer from before it began.
            let age = if late {
                LIFE_EVERY.min(now - began)
            } else {
                LIFE_EVERY
            };
            if let Some(gone) = self.ask(now, age) {
                if let Some(found) = look()? {
                    return Ok(Ok(found));
                }
                return Ok(Err(Ended::Gone(gone)));
            }
            if late {
                return Ok(Err(Ended::TimedOut));
            }
            if self.interruption.take() {
                return Ok(Err(Ended::Interrupted));
            }
            let step = if self.waiter.can_sleep() {
                self.ladder.step(now)
            } else {
                self.ladder.sleepless()
            };
            match step {
                Step::Sleep => {
                    if let Some(found) = self.sleep(deadline, &mut rung, look)? {
                        return Ok(Ok(found));
                    }
                    slept = true;
                }
                Step::Yield => std::thread::yield_now(),
                Step::Pause => {
                    if let Some(found) = spin(look)? {
                        break found;
                    }
                }
            }
        };
        self.ladder.found();
        if slept {
            self.ring_ahead();
        }
        Ok(Ok(found))
    }

    /// Arms, looks once more, and blocks at most once. `rung`: whether the peer has ended that.
    fn sleep<T, E>(
        &mut self,
        deadline: Option<Instant>,
        rung: &mut bool,
        look: &mut impl FnMut() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let sure = self.arm_epoch();
        let found = look();
        if matches!(found, Ok(None)) && !self.watch.is_closed() {
            let fading = match self.heard {
                Heard::Fading(until) => Some(until),
                Heard::Nothing | Heard::Alive(_) => None,
            };
            let until = [deadline, fading, sure].into_iter().flatten().min();
            self.counts.sleeps.add();
            step!("park");
            let woken = self
                .settle()
                .and_then(|()| self.interruption.wait(&self.waiter, until));
            if woken.is_err() {
                std::thread::yield_now();
            }
            *rung = woken.as_ref().is_ok_and(|woken| woken.bell);
            self.heed(woken);
        }
        self.park.awake();
        found
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
