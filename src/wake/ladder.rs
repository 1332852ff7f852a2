//! The ladder of a wait: spin, yield, sleep. Pure: the moments are handed in.

use std::time::{Duration, Instant};

use super::budget::Budget;
use super::linger::Linger;
use super::patience::{Course, LONGEST, Patience};

/// How a half waits when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Never sleep. Declared to the peer for the life of the connection, which then skips its wake check. Takes a whole CPU.
    ///
    /// Two threads that wait for each other like this and share a CPU take a time slice for each message, some milliseconds: neither gives it up before the
    /// scheduler takes it. Only where it is certain that they share one (the thread that waits may run on one CPU only, and every thread of the peer on the same one only) does it
    /// yield between two looks. That is asked when the connection is made, in a half's first wait, and every 100 ms of the later ones (every 1.6 s where nothing has changed for long).
    Spin,
    /// Spin while that pays, then sleep. It is learned from how long waits lately lasted: where they are short (up to some 60 µs, about what a sleep and a wake
    /// cost) they are spun through, and where they are long, from some 100 µs on, they are slept through, but for a trial now and then. [`Config::spin_budget`](crate::Config::spin_budget)
    /// sets a limit. Never spins where that cannot pay: while both sides have only one CPU, and the same (asked as for `Spin`, of the thread that waits and of the peer's threads, so these may be pinned
    /// after the connection is made), or where the control group of this process has a quota of one CPU's time or less when the first connection is made.
    #[default]
    Adaptive,
    /// Look once, then sleep. Only a peer that wakes this half ahead of its answer is looked for a moment longer (50 µs), as long as it then mostly comes.
    Park,
}

/// What to do after a look that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Pause the CPU and look again.
    Pause,
    /// Give the CPU to whoever wants it, and look again.
    Yield,
    /// Sleep until rung.
    Sleep,
}

/// What there is to spin on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Both sides can run at the same time.
    Several,
    /// Both sides may run on one CPU only, and on the same one: the peer cannot run while we spin.
    One,
    /// Our process gets no more than one CPU's time: what we spin, we and our other threads do not run.
    Rationed,
}

/// Between two questions where both sides may run: threads are pinned, and halves handed to other threads, at any time.
const ASK_SOON: Duration = Duration::from_millis(100);
/// Twice as long each time that nothing has changed, up to this: there may be a thousand halves that ask.
const ASK_LATER: Duration = Duration::from_millis(1600);

/// What a half learned longer ago than this is stale: it waits now and then, and its thread may know better. A client of many servers that asks each in turn
/// learns from all of them at once how soon they answer, and not from each once in a rotation.
const STALE: Duration = Duration::from_millis(10);

/// Looks between two glances at the clock, deadline and sign of life.
pub(crate) const LOOKS_PER_CHECK: u32 = 128;

/// One half's ladder: what it has learned, and the place of its present wait.
#[derive(Debug)]
pub(crate) struct Ladder {
    wait: Wait,
    cores: Cores,
    /// When the thread that waits last asked for them, and how long that is to last.
    asked: Option<Instant>,
    ask_every: Duration,
    patience: Patience,
    budget: Option<Budget>,
    /// What [`Ladder::spins`] answers.
    spins: bool,
    /// Waits that were over before anybody looked at a clock.
    soon: u32,
    /// Of the present wait: when it began, how long it spins, and whether it has yielded and slept.
    began: Option<Instant>,
    spin: Duration,
    yielded: bool,
    slept: bool,
    /// When the wait before it was over.
    ended: Option<Instant>,
    linger: Linger,
}

impl Ladder {
    /// `budget`: how much of each second may be spun under [`Wait::Adaptive`].
    pub(crate) fn new(wait: Wait, cores: Cores, budget: Option<Duration>) -> Self {
        let budget = budget.filter(|budget| *budget < Duration::from_secs(1));
        let mut ladder = Self {
            wait,
            cores,
            asked: None,
            ask_every: ASK_SOON,
            patience: Patience::default(),
            budget: budget.map(|budget| Budget::new(budget, LONGEST)),
            spins: false,
            soon: 0,
            began: None,
            spin: Duration::ZERO,
            yielded: false,
            slept: false,
            ended: None,
            linger: Linger::new(),
        };
        ladder.spins = ladder.spins_now();
        ladder
    }

    /// Whether looking again at once is worth anything before asking the clock. Never under a budget, which every look is counted against.
    #[inline(always)]
    pub(crate) fn spins(&self) -> bool {
        self.spins
    }

    /// A look of those found something: a short wait.
    #[inline(always)]
    pub(crate) fn found_soon(&mut self) {
        self.soon = self.soon.wrapping_add(1);
    }

    /// Whether somebody who decides when to sleep, and keeps no account of ours, may look at all.
    pub(crate) fn may_look(&self) -> bool {
        match self.wait {
            Wait::Spin => self.cores != Cores::One,
            Wait::Adaptive => self.learns() && self.budget.is_none(),
            Wait::Park => false,
        }
    }

    /// Whether it is time, in a wait, to ask again what there is to spin on. It is then to be told ([`Ladder::stand_on`]).
    pub(crate) fn asks(&mut self, now: Instant) -> bool {
        let due = |asked| now.saturating_duration_since(asked) >= self.ask_every;
        // Who parks does not care. The first wait asks, since another thread may have made the connection.
        let asks = self.wait != Wait::Park && self.asked.is_none_or(due);
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// What there is to spin on now.
    pub(crate) fn stand_on(&mut self, cores: Cores) {
        if self.cores == cores {
            self.ask_every = (2 * self.ask_every).min(ASK_LATER);
        } else {
            self.cores = cores;
            self.ask_every = ASK_SOON;
            self.spins = self.spins_now();
        }
    }

    /// Whether both sides can run at once, as far as is known.
    pub(crate) fn has_several(&self) -> bool {
        self.cores == Cores::Several
    }

    /// Whether both sides may run on one CPU only, as far as is known.
    pub(crate) fn is_on_one(&self) -> bool {
        self.cores == Cores::One
    }

    /// Whether it is told how waits end, and spins accordingly.
    pub(crate) fn learns(&self) -> bool {
        self.wait == Wait::Adaptive && self.cores == Cores::Several
    }

    /// A wait begins. `lately`: what was learned from the waits of its thread, on whichever connection.
    pub(crate) fn begin(&mut self, now: Instant, lately: &mut Patience) {
        self.began = Some(now);
        self.yielded = false;
        self.slept = false;
        self.spin = Duration::ZERO;
        self.linger.forget();
        if self.learns() {
            let soon = std::mem::take(&mut self.soon);
            self.patience.found_soon(soon);
            lately.found_soon(soon);
            let mut spin = self.patience.spin();
            let is_stale = |ended| now.saturating_duration_since(ended) >= STALE;
            if self.ended.is_some_and(is_stale) {
                spin = spin.max(lately.spin());
            }
            let affords = |budget: &mut Budget| budget.affords(now, spin);
            if self.budget.as_mut().is_none_or(affords) {
                self.spin = spin;
            }
        }
    }

    /// A sleep was ended by the peer, and there is nothing: it says that something comes ([`early`](super::early)).
    pub(crate) fn rung_in_vain(&mut self, now: Instant) {
        if self.has_several() && self.budget.is_none() {
            self.linger.begin(now);
        }
    }

    /// What it waits for is there.
    pub(crate) fn found(&mut self) {
        self.linger.found();
    }

    /// The next step of this wait.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if self.wait == Wait::Spin {
            return self.sleepless();
        }
        if self.linger.is_on(now) {
            return Step::Pause;
        }
        let elapsed = self.elapsed(now);
        if !self.yielded && elapsed < self.spin {
            Step::Pause
        } else if !self.yielded && !self.spin.is_zero() {
            // Once, where a spin was in vain: a peer that waits for this very CPU answers without a sleep and a wake.
            self.yielded = true;
            Step::Yield
        } else {
            self.spent(elapsed);
            self.slept = true;
            Step::Sleep
        }
    }

    /// The next step of a half that cannot be rung.
    pub(crate) fn sleepless(&self) -> Step {
        if self.wait == Wait::Spin && self.cores != Cores::One {
            Step::Pause
        } else {
            Step::Yield
        }
    }

    /// The wait is over. `found`: because of what it waited for, and not of its deadline.
    pub(crate) fn end(&mut self, now: Instant, found: bool, lately: &mut Patience) {
        let lasted = self.elapsed(now);
        self.spent(lasted);
        // One that its deadline cut short says nothing, unless it has slept through what a spin would have found.
        if self.learns() && (found || (self.slept && lasted > 4 * LONGEST)) {
            let denied = self.spin.is_zero() && !self.patience.spin().is_zero();
            self.patience.ended(lasted, self.course(denied));
            // Nothing is said of a spin that it was not asked for.
            lately.ended(lasted, self.course(self.spin < lately.spin()));
        }
        self.ended = Some(now);
        self.began = None;
        self.spins = self.spins_now();
    }

    fn spins_now(&self) -> bool {
        match self.wait {
            Wait::Spin => self.cores != Cores::One,
            Wait::Adaptive => {
                self.learns() && self.budget.is_none() && !self.patience.spin().is_zero()
            }
            Wait::Park => false,
        }
    }

    /// How the wait ended. `denied`: a longer spin was asked for than it had.
    fn course(&self, denied: bool) -> Course {
        match self.yielded || self.slept {
            false => Course::Spun,
            true if denied => Course::Denied,
            true => Course::Slept,
        }
    }

    fn elapsed(&self, now: Instant) -> Duration {
        self.began
            .map_or(Duration::ZERO, |began| now.saturating_duration_since(began))
    }

    /// Pays for the spin of this wait, once.
    fn spent(&mut self, elapsed: Duration) {
        if let Some(budget) = self.budget.as_mut().filter(|_| !self.slept) {
            if !self.spin.is_zero() {
                budget.spend(elapsed);
            }
        }
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests;
