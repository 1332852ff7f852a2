//! Receiving a large frame while its sender still copies it in: what is announced of it is copied out at once, and the rest when it is committed.
//!
//! The two copies go on side by side, and a receiver that sleeps is woken when the frame begins. Only calls that copy into the caller's buffer can do so, and only where there is one
//! lane: of several, another frame may come first.

use std::time::{Duration, Instant};

use super::Receiver;
use crate::connection::outcome::RecvError;
use crate::ring::{Early, Entry};
use crate::segment::{MappedForeignWord, MappedOwnWord, OwnWord};
use crate::sync::Ordering;
use crate::wake::ladder::LOOKS_PER_CHECK;

/// So much is copied early at a time, at the least: a peer that announces byte by byte gets no more turns than it has pages.
const LEAST: usize = 4 << 10;
/// For so long a half that could sleep looks for more of a frame that it follows: its sender copies as fast as it does, and a sleep and a wake take longer.
const PATIENCE: Duration = Duration::from_micros(50);

/// What following needs.
#[derive(Debug)]
pub(crate) struct Following {
    /// What the peer has announced.
    announced: MappedForeignWord,
    /// Whether we follow, for the peer's sender.
    says: MappedOwnWord,
}

impl Following {
    pub(crate) fn new(announced: MappedForeignWord, says: MappedOwnWord) -> Self {
        Self { announced, says }
    }

    fn say(&self, follows: bool) {
        // ORD: follows: Relaxed, a hint, ordered by the barrier behind the epoch that follows; partner: connection/rest/follow.rs (follows).
        self.says.store(u64::from(follows), Ordering::Relaxed);
    }
}

impl Receiver {
    /// Takes a frame of any length into a buffer that a large one may fit, waiting for it. Of a lone lane, in the process that made the connection.
    pub(super) fn follow_into(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<usize, RecvError> {
        let mut early = Early::default();
        let entry = match self.look_at_lane()? {
            Some(entry) => entry,
            None => self.follow(buffer, &mut early, deadline)?,
        };
        let copied = early.of(&entry);
        Ok(copied + self.take_behind(&entry, buffer, copied)?)
    }

    /// The next frame, waiting for it; what is announced of it meanwhile is in the buffer.
    #[inline(never)]
    fn follow(
        &mut self,
        buffer: &mut [u8],
        early: &mut Early,
        deadline: Option<Instant>,
    ) -> Result<Entry, RecvError> {
        if self.rest.spins() {
            self.slip();
        }
        let is_late = |now| deadline.is_some_and(|deadline| now >= deadline);
        if is_late(Instant::now()) {
            // Whoever only polls would have the same bytes copied each time, of a frame that is perhaps never committed.
            return self.next(deadline);
        }
        // Behind a first part more will come soon.
        let (mut until, mut seen) = (None, None);
        loop {
            if let Some(entry) = self.look_closely(buffer, early, until, is_late)? {
                return Ok(entry);
            }
            if seen == Some(early.bytes) {
                // An announcement that was taken back: by a peer that would have us look for ever.
                return self.next(deadline);
            }
            self.following.say(true);
            let found = self.wait_for_more(buffer.len(), early, deadline);
            self.following.say(false);
            if let Some(entry) = found? {
                return Ok(entry);
            }
            if self.rest.is_interrupted() {
                // Nothing is taken yet of the frame that was followed.
                return Err(RecvError::Interrupted);
            }
            let now = Instant::now();
            if is_late(now) {
                // An announcement is no reason to stay longer than the caller likes. Lane and kernel are asked once more.
                return self.next(deadline);
            }
            (until, seen) = (Some(now + PATIENCE), Some(early.bytes));
        }
    }

    /// Looks for a frame or more of one while that may come soon: as long as a half looks that waits, and from the first announced bytes on for a moment behind each.
    fn look_closely(
        &mut self,
        buffer: &mut [u8],
        early: &mut Early,
        mut until: Option<Instant>,
        is_late: impl Fn(Instant) -> bool,
    ) -> Result<Option<Entry>, RecvError> {
        loop {
            for _ in 0..LOOKS_PER_CHECK {
                if let Some(entry) = self.look_at_lane()? {
                    self.slip.found(entry.length());
                    self.rest.found_soon();
                    return Ok(Some(entry));
                }
                if self
                    .lane
                    .follow(&self.following.announced, early, buffer, LEAST)
                {
                    until = Some(Instant::now() + PATIENCE);
                } else if until.is_none() && !self.rest.spins() {
                    return Ok(None);
                } else {
                    self.gap.pass();
                }
            }
            let now = Instant::now();
            let more = until.is_some_and(|until| now < until) && self.rest.overlaps();
            // Frames that are dropped and others that are announced can come by turns for as long as the peer likes.
            if !more || is_late(now) || self.rest.is_to_be_interrupted() {
                return Ok(None);
            }
        }
    }

    /// Waits for a frame, or for more of it: `None`. That is not copied yet, so that a ring ahead of the answer need not wait for it.
    #[cold]
    fn wait_for_more(
        &mut self,
        room: usize,
        early: &mut Early,
        deadline: Option<Instant>,
    ) -> Result<Option<Entry>, RecvError> {
        self.tell_of_wait();
        let Self {
            lane,
            rest,
            following,
            ..
        } = self;
        let outcome = rest.wait(deadline, &mut || {
            Ok(match lane.peek()? {
                Some(entry) => Some(Some(entry)),
                None => lane
                    .announces_more(&following.announced, early, room, LEAST)
                    .map(|_| None),
            })
        });
        match outcome {
            Ok(Ok(found)) => {
                if let Some(entry) = found {
                    self.slip.found(entry.length());
                }
                Ok(found)
            }
            Ok(Err(ended)) => Err(self.over(ended)),
            Err(halt) => self.halted_until(halt, deadline),
        }
    }
}
