//! Something that several threads use by turns: a mutex that can be waited for until a deadline, and that nobody waits for in the child of a fork, where
//! whoever held it does not exist.

use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::link::Peer;
use super::outcome::SendError;
use super::sender::Sender;
use crate::sync::{Arc, Mutex};
use crate::sys::fork::Birth;

/// How often a thread with a deadline looks whether the lock is free: the standard library's mutex has no wait with an end.
const LOCK_LOOK: Duration = Duration::from_micros(100);
/// A lock that is held for a plain send is free again by then.
const YIELDS: u32 = 16;

/// What is true of a sender for as long as it lives, and needs no turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) capacity: usize,
    pub(crate) max_payload: usize,
    pub(crate) priorities: usize,
    pub(crate) peer: Peer,
    birth: Birth,
}

impl Facts {
    pub(crate) fn of(sender: &mut Sender) -> Self {
        Self {
            capacity: sender.capacity(),
            max_payload: sender.max_payload(),
            priorities: sender.priorities(),
            peer: *sender.peer(),
            birth: sender.resting().link.birth,
        }
    }

    /// Whether what waits for room at one priority is to hold up no other.
    fn has_several(&self) -> bool {
        self.priorities > 1
    }
}

/// A half that sends, of bytes or of messages.
pub(crate) trait Sends {
    /// That of bytes.
    fn half(&mut self) -> &mut Sender;
}

/// A sending half, of bytes or of messages, behind a mutex. A panic of a thread that held it leaves it whole: frames become visible by one
/// store.
#[derive(Debug)]
pub(crate) struct Turns<S> {
    inner: Arc<Mutex<S>>,
    facts: Facts,
}

impl<S> Clone for Turns<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            facts: self.facts,
        }
    }
}

impl<S> Turns<S> {
    pub(crate) fn new(half: S, facts: Facts) -> Self {
        Self {
            inner: Arc::new(Mutex::new(half)),
            facts,
        }
    }

    /// What is shared, if nobody else has it.
    pub(crate) fn into_inner(self) -> Result<S, Self> {
        let facts = self.facts;
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Ok(inner.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Err(inner) => Err(Self { inner, facts }),
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// # Errors
    /// [`SendError::Forked`].
    pub(crate) fn wait(&self) -> Result<MutexGuard<'_, S>, SendError> {
        self.refuse_child()?;
        Ok(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// # Errors
    /// [`SendError::Full`]: another thread has it; [`SendError::Forked`].
    pub(crate) fn attempt(&self) -> Result<MutexGuard<'_, S>, SendError> {
        self.refuse_child()?;
        match self.inner.try_lock() {
            Ok(half) => Ok(half),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(SendError::Full),
        }
    }

    /// As `wait`, until `deadline`; it is tried at least once.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; [`SendError::Forked`].
    pub(crate) fn wait_until(&self, deadline: Instant) -> Result<MutexGuard<'_, S>, SendError> {
        let mut looks = 0;
        loop {
            match self.attempt() {
                Err(SendError::Full) => {}
                other => return other,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SendError::TimedOut);
            }
            pause(looks, left);
            looks = looks.saturating_add(1);
        }
    }

    fn turn(&self, deadline: Option<Instant>) -> Result<MutexGuard<'_, S>, SendError> {
        match deadline {
            None => self.wait(),
            Some(deadline) => self.wait_until(deadline),
        }
    }

    fn refuse_child(&self) -> Result<(), SendError> {
        if self.facts.birth.is_forked() {
            return Err(SendError::Forked);
        }
        Ok(())
    }
}

impl<S: Sends> Turns<S> {
    /// Sends until `deadline` (`None`: for ever), for which it waits for its turn and for room: by `attempt`, which does not wait for room, where there are
    /// several priorities, and else by `send`.
    pub(crate) fn send(
        &self,
        deadline: Option<Instant>,
        attempt: impl FnMut(&mut S) -> Result<(), SendError>,
        send: impl FnOnce(&mut S) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        if self.facts.has_several() {
            return self.by_turns(deadline, attempt);
        }
        send(&mut *self.turn(deadline)?)
    }

    /// Attempts until the answer is another than [`SendError::Full`], or until `deadline`, or an interrupter ends it. In between the other threads have their turns: what waits for
    /// room at one priority holds up no other.
    fn by_turns(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut S) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut looks = 0;
        loop {
            let mut half = self.turn(deadline)?;
            half.half().look_again(looks > 0);
            let tried = attempt(&mut half);
            half.half().look_again(false);
            match tried {
                Err(SendError::Full) => {}
                other => return other,
            }
            if looks == 0 {
                half.half().resting().count_wait();
            }
            let left = deadline.map_or(LOCK_LOOK, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                // A wait does not time out on an answer from before it began.
                half.half().check()?;
                return Err(SendError::TimedOut);
            }
            if half.half().resting().is_interrupted_awake() {
                return Err(SendError::Interrupted);
            }
            drop(half);
            pause(looks, left);
            looks = looks.saturating_add(1);
        }
    }
}

/// Of a wait that ends when what is to be sent expires.
pub(crate) fn or_expired(error: SendError) -> SendError {
    match error {
        SendError::TimedOut => SendError::Expired,
        other => other,
    }
}

/// Between two looks.
fn pause(looks: u32, left: Duration) {
    if looks < YIELDS {
        thread::yield_now();
    } else {
        thread::sleep(LOCK_LOOK.min(left));
    }
}
