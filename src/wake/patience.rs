//! Patience: how long a wait is spun through before it sleeps, learned from how long waits lately lasted.
//!
//! Sleeping costs a wake, and spinning costs what it takes; a wait that is spun in vain costs both. What the last waits would have cost
//! with each length of spin is known from how long they lasted, and the cheapest length is taken. Where all are short that is a little more than they
//! last, where all are long it is none, and where they are mixed it is enough for the short ones, if these are enough.
//!
//! How long a wait lasted is not known once it slept: the wake is in it. Nor is a spin what found something behind a yield: it held up a peer that shares
//! its core, and a sleep would have been cheaper. So from time to time one is spun to the end, a *trial*: soon if
//! sleeps are short, seldom while trials are in vain, and again and again while they are not. Pure: it is told how waits ended, and knows no clock.

mod concert;

use std::time::Duration;

use concert::Concert;

/// What a sleep costs, in nanoseconds: between two cores of our machines a wake takes about 30 µs one way, and both sides work for it.
const SLEEP: u64 = 50_000;
/// The shortest spin that is worth having, in nanoseconds; each that follows is twice as long.
const SHORTEST: u64 = 1_000;
/// So many lengths of spin there are: 1 to 64 µs.
const LENGTHS: usize = 7;
/// The longest spin, but for a series (`patience/concert.rs`).
pub(crate) const LONGEST: Duration = Duration::from_nanos(SHORTEST << (LENGTHS - 1));
/// How long a trial is, in nanoseconds. What takes longer and is worth a spin all the same a series finds.
const TRIAL: u64 = 32_000;
/// A sleep that lasted less, in nanoseconds, may have been for something that a spin had found.
const NEAR: u64 = 2 * SLEEP;
/// A wait counts an eighth at first, and less with each that follows.
const WEIGHT: u64 = 8;
/// All waits together.
const WHOLE: u64 = 1 << 16;
/// Trials that are in vain have at most so many waits between them.
const SELDOM: u32 = 64;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// It was found while spinning.
    Spun,
    /// It gave its CPU away or slept, after a spin as long as was asked for.
    Slept,
    /// It slept at once, although a spin was asked for: there was no budget for one.
    Denied,
}

/// What one half has learned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The weights of waits that lasted up to each length; the last: longer.
    waits: [u64; LENGTHS + 1],
    /// The cheapest spin, in nanoseconds.
    best: u64,
    /// Waits before the next trial.
    until_trial: u32,
    /// The same behind a trial that is in vain, which doubles it.
    between: u32,
    concert: Concert,
}

impl Default for Patience {
    fn default() -> Self {
        // Nothing is known: as if all had lasted some 20 µs, which takes few that do not to be forgotten.
        let mut waits = [0; LENGTHS + 1];
        waits[length(20_000)] = WHOLE;
        let mut patience = Self {
            waits,
            best: 0,
            until_trial: SELDOM,
            between: 1,
            concert: Concert::new(),
        };
        patience.best = patience.cheapest();
        patience
    }
}

impl Patience {
    /// How long the next wait is to be spun, in nanoseconds.
    pub(crate) fn spin(&self) -> Duration {
        Duration::from_nanos(if self.concert.plays() {
            concert::SPIN
        } else if self.until_trial == 0 {
            self.best.max(TRIAL)
        } else {
            self.best
        })
    }

    /// So many waits were over before anybody looked at a clock.
    pub(crate) fn found_soon(&mut self, waits: u32) {
        // Further ones would change nothing any more.
        for _ in 0..waits.min(8 * WEIGHT as u32) {
            self.count(0);
        }
        if waits > 0 {
            self.best = self.cheapest();
        }
    }

    /// A wait ended after `lasted`, for which a spin of [`Patience::spin`] was asked.
    pub(crate) fn ended(&mut self, lasted: Duration, course: Course) {
        let nanos = u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX);
        let whole = self.spin().as_nanos() as u64 >= TRIAL;
        let plays = self.concert.plays();
        let trial = self.until_trial == 0 && course != Course::Denied && !plays;
        self.until_trial = self.until_trial.saturating_sub(1);
        match course {
            Course::Spun if plays => self.count(length(nanos)),
            // Between two looks may be a long time, if others had the processor.
            Course::Spun => self.count(length(nanos).min(LENGTHS - 1)),
            Course::Slept if whole || nanos >= NEAR => self.count(LENGTHS),
            Course::Denied if nanos >= NEAR => self.count(LENGTHS),
            // It may have been near: the next trial comes four times as soon.
            Course::Slept | Course::Denied => {
                self.until_trial = self.until_trial.min(self.between / 4);
            }
        }
        if trial && course == Course::Spun {
            self.between = (self.between / 4).max(1);
            // The next one too.
            self.until_trial = 0;
        } else if trial {
            self.between = (2 * self.between).min(SELDOM);
            self.until_trial = self.between;
        }
        self.best = self.cheapest();
        if self.best > 0 && course == Course::Spun {
            // What is spun for comes: there is nothing to be tried.
            self.until_trial = self.until_trial.max(self.between);
        }
        self.concert.ended(nanos, course, self.best > 0);
    }

    fn count(&mut self, length: usize) {
        for weight in &mut self.waits {
            *weight -= *weight / WEIGHT;
        }
        self.waits[length] += WHOLE / WEIGHT;
    }

    /// The spin with which the waits that are known would have cost least; of two that are alike the shorter.
    fn cheapest(&self) -> u64 {
        let all: u64 = self.waits.iter().sum();
        let (mut best, mut least) = (0, all * SLEEP);
        // Of those that a spin finds: how much they weigh, and what they cost.
        let (mut found, mut spun) = (0, 0);
        for (at, weight) in self.waits[..LENGTHS].iter().enumerate() {
            let spin = SHORTEST << at;
            found += weight;
            // They lasted from half as long to as long as it.
            spun += weight * (spin * 3 / 4);
            let cost = spun + (all - found) * (spin + SLEEP);
            if cost < least {
                (best, least) = (spin, cost);
            }
        }
        best
    }
}

/// The shortest spin that finds what comes after `nanos`; `LENGTHS`: none does.
fn length(nanos: u64) -> usize {
    (0..LENGTHS)
        .find(|&at| nanos <= SHORTEST << at)
        .unwrap_or(LENGTHS)
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests;
