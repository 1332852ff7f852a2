//! The rounds of a poller: look at what is hot, ask the kernel now and then, sleep when all is cold.

#[cfg(test)]
mod tests;

use core::cmp::Reverse;
use std::time::{Duration, Instant};

use super::door::{Accepted, Door};
use super::entry::{Visit, Want};
use super::polled::Polled;
use super::slab::{Token, Topic};
use super::turn::Ended;
use super::{Poller, forked};
use crate::connection::{Look, RecvError, is_by_peer};
use crate::error::Error;
use crate::sys::cpu;
use crate::sys::tower::EVENTS;

/// While something is hot the kernel is asked this often, in nanoseconds: a system call each time.
const ASK_EVERY: u64 = 50_000;
/// The same while nothing is found.
const ASK_SOON: u64 = 10_000;

/// So many looks in vain, and one at who may be next, while it was somebody else the last time.
const GUESS_EVERY: u32 = 2;

/// Longer than this between two readings of the clock, in nanoseconds, and for each look between them: the thread did not run, or did something else, and has not
/// heard a silence.
const UNSEEN: u64 = 20_000;
const LOOK: u64 = 500;

/// The clock is read once for so many finds, if not more often.
const CLOCK_EVERY: u32 = 8;

/// So many lines of a connection have what a turn of frames touches.
const ENTRY_LINES: usize = 14;

/// Not before so many are remembered are those who have left looked for among them.
const FORGOTTEN_FROM: usize = 32;

/// How long to look for an event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

/// What was found.
pub(super) enum Found<C> {
    Connected(Token),
    /// A turn of so many frames.
    Ready(Token, u32),
    /// Boxed, as the connection in it is large: what a look hands up is copied as a whole, whichever it is.
    Ended(Box<Ended<C>>),
    Stalled(Token, Error),
}

impl<C: Polled> Poller<C> {
    pub(super) fn find(&mut self, patience: Patience) -> Result<Option<Found<C>>, Error> {
        if self.tower.is_forked() {
            return Err(forked());
        }
        let mut asked = false;
        loop {
            while self.left > 0 {
                self.left -= 1;
                if let Some(found) = self.look_at_next() {
                    return Ok(Some(found));
                }
            }
            // While clients keep coming, the others are asked about no less often.
            if !self.queued.is_empty() {
                self.read_clock();
                if self.now.saturating_sub(self.asked) >= ASK_EVERY {
                    self.ask(Some(Duration::ZERO))?;
                    self.left = self.ring.len();
                }
            }
            if let Some(found) = self.accept() {
                // What came with it is looked at in the round that follows.
                self.left = self.ring.len();
                return Ok(Some(found));
            }
            if !self.between_rounds(patience, &mut asked)? {
                return Ok(None);
            }
            self.left = self.ring.len();
        }
    }

    /// Looks at the hot connection whose turn it is.
    #[inline]
    fn look_at_next(&mut self) -> Option<Found<C>> {
        if self.is_guess_due() {
            if let Some(found) = self.look_at_guess() {
                return Some(found);
            }
        }
        let hot = self.ring.len();
        let token = self.ring.pop_front()?;
        self.looks += 1;
        // It may have left.
        let entry = self.entries.get_mut(token)?;
        let over = self.pulse.is_over(self.now, hot);
        match entry.visit(self.now, hot, over) {
            Visit::Nothing => {
                self.ring.push_back(token);
                // Who only spins may find nothing for hours.
                self.barren = self.barren.wrapping_add(1);
            }
            Visit::Asleep => {
                entry.is_hot = false;
                if over && !entry.is_dormant {
                    entry.is_dormant = true;
                    self.remember_dormant(token);
                }
                self.date(token);
            }
            Visit::Found(Look::Ended(end)) => {
                return self.part(token, end);
            }
            Visit::Found(_) => {
                self.ring.push_back(token);
                // Where there is one frame there are others: the next one's come while these are read.
                let next = self.ring.front().copied();
                if let Some(next) = next.and_then(|next| self.entries.get_mut(next)) {
                    next.approach();
                }
                if let Some(second) = self.ring.get(1) {
                    self.entries.warm(*second, ENTRY_LINES);
                }
                return Some(self.found(token, self.budget));
            }
        }
        None
    }

    /// A connection that has ended leaves.
    #[cold]
    #[inline(never)]
    fn part(&mut self, token: Token, end: RecvError) -> Option<Found<C>> {
        let mut entry = self.entries.remove(token)?;
        entry.leave();
        step!("poller-leave");
        Some(Found::Ended(Box::new(Ended {
            token,
            polled: entry.polled,
            end,
        })))
    }

    /// Whether the next look is at whoever may be next: behind each look in vain while that comes true, behind every other one while it does not. Never
    /// behind a find: of who is guessed right again and again, one who floods, there is one frame for each look at the others.
    #[inline]
    fn is_guess_due(&self) -> bool {
        match self.barren {
            0 => false,
            _ if self.trusted => true,
            barren => barren % GUESS_EVERY == GUESS_EVERY - 1,
        }
    }

    /// Looks out of turn at the connection that was next the last time: among many that take turns by themselves, such as those of one client, it is
    /// found at once. What it finds is a turn of one frame, and those in turn are looked at in between, so that nobody who waits is passed over for long.
    #[inline]
    fn look_at_guess(&mut self) -> Option<Found<C>> {
        let token = self.guess?;
        let entry = self.entries.get_mut(token)?;
        if !entry.is_hot || entry.look() != Look::Something {
            if !self.warmed {
                self.warmed = true;
                entry.warm();
            }
            return None;
        }
        Some(self.found(token, 1))
    }

    /// Something was found, for a turn of `budget` frames.
    fn found(&mut self, token: Token, budget: u32) -> Found<C> {
        // Between two rounds the clock is read anyway; a long one has a reading now and then.
        self.unclocked += 1;
        if self.unclocked >= CLOCK_EVERY {
            self.read_clock();
        }
        self.pulse.found(self.now);
        self.barren = 0;
        self.warmed = false;
        self.trusted = self.guess == Some(token);
        let last = self.last.replace(token);
        if let Some(before) = last.and_then(|last| self.entries.get_mut(last)) {
            before.next = Some(token);
        }
        if !self.dormant.is_empty() && self.pulse.is_lively() {
            self.wake_dormant();
        }
        self.guess = None;
        if let Some(entry) = self.entries.get_mut(token) {
            entry.heat.used(self.now);
            entry.want = Want::Frame;
            self.guess = entry.next;
        }
        Found::Ready(token, budget)
    }

    /// Keeps who was hot when the thread slept. Where frames are never near each other nobody asks for them, so those who have left are taken out here.
    fn remember_dormant(&mut self, token: Token) {
        if self.dormant.len() >= 2 * self.entries.len() + FORGOTTEN_FROM {
            let entries = &self.entries;
            self.dormant.retain(|token| entries.get(*token).is_some());
        }
        self.dormant.push(token);
    }

    /// Looks again at who was hot before the thread slept, and in use not long ago.
    #[cold]
    fn wake_dormant(&mut self) {
        let mut dormant = core::mem::take(&mut self.dormant);
        for token in dormant.drain(..) {
            let Some(entry) = self.entries.get_mut(token) else {
                continue;
            };
            entry.is_dormant = false;
            if !entry.heat.is_over(self.now, self.ring.len()) {
                self.heat(token);
            }
        }
        self.dormant = dormant;
    }

    /// Accepts from the listener whose turn it is.
    #[inline(never)]
    fn accept(&mut self) -> Option<Found<C>> {
        let listener = self.queued.pop_front()?;
        let door = self.doors.get_mut(listener)?;
        // First: what the program makes of a client may panic, and the listener is to be told of again behind that.
        door.is_queued = false;
        let failed = match door.accept() {
            Accepted::Client(polled) => {
                let added = self.add(polled);
                let door = self.doors.get_mut(listener)?;
                let found = match added {
                    Ok(token) => {
                        door.succeed();
                        Ok(Some(Found::Connected(token)))
                    }
                    Err(error) if is_by_peer(&error) => {
                        if let Some(listener) = door.listener() {
                            listener.pass_over(error);
                        }
                        Ok(None)
                    }
                    Err(error) => Err(door.fail(error)),
                };
                match found {
                    Ok(found) => {
                        door.is_queued = true;
                        self.queued.push_back(listener);
                        return found;
                    }
                    Err(failed) => failed,
                }
            }
            // The tower tells of it when somebody comes.
            Accepted::Nobody => return None,
            Accepted::Failed(error) => error,
        };
        self.stall(listener);
        failed.map(|error| Found::Stalled(listener, error))
    }

    /// Asks a listener that could not accept again when its time has come.
    fn stall(&mut self, listener: Token) {
        let Some(door) = self.doors.get_mut(listener) else {
            return;
        };
        let key = listener.key(Topic::Door);
        let date = door.retry.map(|retry| Reverse((retry, key)));
        // If it cannot be silenced it is asked more often than needed.
        let _ = self.tower.heed_lobby(door.descriptor(), key, false);
        self.dates.extend(date);
    }

    /// Asks the kernel if that is due, and sleeps if nothing is hot. Returns whether to go on.
    fn between_rounds(&mut self, patience: Patience, asked: &mut bool) -> Result<bool, Error> {
        self.read_clock();
        let idle = self.ring.is_empty() && self.queued.is_empty();
        let deadline = match patience {
            Patience::None => {
                if *asked {
                    return Ok(false);
                }
                *asked = true;
                self.ask(Some(Duration::ZERO))?;
                return Ok(true);
            }
            Patience::Until(deadline) => Some(deadline),
            Patience::Endless if idle && self.entries.len() == 0 && self.are_doors_idle() => {
                return Ok(false);
            }
            Patience::Endless => None,
        };
        if !idle {
            let barren = self.barren as usize >= self.ring.len();
            let every = if barren { ASK_SOON } else { ASK_EVERY };
            if self.now.saturating_sub(self.asked) < every {
                core::hint::spin_loop();
                return Ok(true);
            }
            self.ask(Some(Duration::ZERO))?;
            *asked = true;
            return Ok(deadline.is_none_or(|deadline| Instant::now() < deadline));
        }
        let moment = self.dates.peek().map(|Reverse((moment, _))| *moment);
        let until = [deadline, moment].into_iter().flatten().min();
        let now = Instant::now();
        let left = until.map(|until| until.saturating_duration_since(now));
        if *asked && deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(false);
        }
        *asked = true;
        let sleeps = left.is_none_or(|left| !left.is_zero());
        if sleeps {
            self.pulse.sleeps();
            step!("poller-sleep");
        }
        self.ask(left)?;
        self.wakes += u64::from(sleeps);
        Ok(true)
    }

    fn are_doors_idle(&mut self) -> bool {
        self.doors.iter_mut().all(Door::is_idle)
    }

    /// Takes what the kernel has to tell, for which it waits for up to `left`.
    pub(super) fn ask(&mut self, left: Option<Duration>) -> Result<(), Error> {
        let mut keys = core::mem::take(&mut self.keys);
        let told = self.tower.collect(left, |key| keys.push(key));
        self.read_clock();
        self.asked = self.now;
        for key in keys.drain(..) {
            self.told(key);
        }
        self.keys = keys;
        self.keep_dates();
        self.more = matches!(told, Ok(count) if count == EVENTS);
        if self.more {
            self.asked = 0;
        }
        told.map(drop)
            .map_err(|error| Error::io("waiting for connections", error))
    }

    fn read_clock(&mut self) {
        let before = self.now;
        self.now = cpu::nanos();
        self.unclocked = 0;
        let passed = self.now.saturating_sub(before);
        if passed > UNSEEN + LOOK * u64::from(core::mem::take(&mut self.looks)) {
            self.pulse.missed(passed);
        }
    }

    fn told(&mut self, key: u64) {
        let (token, topic) = Token::of(key);
        match topic {
            Topic::Bell => self.heat(token),
            Topic::Life => {
                if let Some(entry) = self.entries.get_mut(token) {
                    entry.told();
                }
                self.heat(token);
            }
            Topic::Door => {
                if let Some(door) = self.doors.get_mut(token) {
                    if !door.is_queued {
                        door.is_queued = true;
                        self.queued.push_back(token);
                    }
                }
            }
        }
    }

    /// Takes those who have left out of the ring, once they are many: their places in it are found empty in their turn, but nobody has a turn while nobody waits for events.
    pub(super) fn forget_gone(&mut self) {
        if self.ring.len() >= 2 * self.entries.len() + FORGOTTEN_FROM {
            let entries = &self.entries;
            self.ring.retain(|token| entries.get(*token).is_some());
            self.left = self.left.min(self.ring.len());
        }
    }

    /// Has a connection be looked at in memory.
    pub(super) fn heat(&mut self, token: Token) {
        if let Some(entry) = self.entries.get_mut(token) {
            if !entry.is_hot {
                entry.is_hot = true;
                entry.rise();
                self.ring.push_back(token);
            }
        }
    }

    /// Notes when a connection that sleeps is to be asked for its end, if nobody tells of that.
    fn date(&mut self, token: Token) {
        let Some(entry) = self.entries.get_mut(token) else {
            return;
        };
        let Some(until) = entry.fades_until() else {
            return;
        };
        if entry.dated.is_none_or(|dated| until < dated) {
            entry.dated = Some(until);
            self.dates.push(Reverse((until, token.key(Topic::Life))));
        }
    }

    /// Looks after those whose time has come.
    fn keep_dates(&mut self) {
        if self.dates.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(Reverse((moment, key))) = self.dates.peek().copied() {
            if moment > now {
                return;
            }
            self.dates.pop();
            let (token, topic) = Token::of(key);
            if topic == Topic::Door {
                let Some(door) = self.doors.get_mut(token) else {
                    continue;
                };
                door.retry = None;
                let _ = self.tower.heed_lobby(door.descriptor(), key, true);
            } else if let Some(entry) = self.entries.get_mut(token) {
                entry.dated = None;
            }
            self.told(key);
        }
    }

    /// Has all that is hot sleep. Returns whether it did: if not, something is to be done.
    pub(super) fn cool_all(&mut self) -> bool {
        self.left = 0;
        for _ in 0..self.ring.len() {
            let Some(token) = self.ring.pop_front() else {
                break;
            };
            let now = self.now;
            let Some(entry) = self.entries.get_mut(token) else {
                continue;
            };
            if matches!(entry.cool(now), Visit::Asleep) {
                entry.is_hot = false;
                self.date(token);
            } else {
                // What was found is found again, in its turn.
                self.ring.push_back(token);
                return false;
            }
        }
        true
    }
}
