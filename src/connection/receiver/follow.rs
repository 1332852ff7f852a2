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
        if let Some(entry) = self.look_at_announced()? {
            return Ok(entry);
        }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    use super::*;
    use crate::connection::rest::pair::pair;
    use crate::connection::{Arm, Config};
    use crate::wake::ladder::Wait;

    /// How often it asks whether it is late, when it is so from the `late`th time on, where nothing comes.
    fn asks(receiver: &mut Receiver, until: Option<Instant>, late: u32) -> u32 {
        let asked = Cell::new(0);
        let is_late = |_| {
            asked.set(asked.get() + 1);
            asked.get() >= late
        };
        let (mut buffer, mut early) = (vec![0; 1 << 16], Early::default());
        let found = receiver.look_closely(&mut buffer, &mut early, until, is_late);
        assert!(found.unwrap().is_none());
        asked.get()
    }

    #[test]
    fn it_looks_for_more_until_that_is_late_and_not_where_nothing_was_announced() {
        for (wait, name) in [
            (Wait::Park, "closely-park"),
            (Wait::Adaptive, "closely-adaptive"),
            (Wait::Spin, "closely-spin"),
        ] {
            let (_server, mut client) = pair(name, &Config::new().wait(wait));
            let receiver = client.receiver();
            assert_eq!(asks(receiver, None, 1), 0, "{wait:?}");
            if !receiver.rest.overlaps() {
                return;
            }
            // It has time, and the caller has not.
            let until = Some(Instant::now() + Duration::from_secs(20));
            assert_eq!(asks(receiver, until, 1), 1, "{wait:?}");
            assert_eq!(asks(receiver, until, 3), 3, "{wait:?}");
            // Neither does it stay when it is to be interrupted.
            receiver.interrupter().interrupt();
            assert_eq!(asks(receiver, until, u32::MAX), 1, "{wait:?}");
        }
    }

    #[test]
    fn only_who_sleeps_and_says_that_it_follows_is_woken_for_an_announcement() {
        let (mut server, mut client) = pair("follower", &Config::new().wait(Wait::Park));
        let (rest, receiver) = (server.sender().resting(), client.receiver());
        if !rest.overlaps() {
            return;
        }
        receiver.following.say(true);
        assert!(!rest.wake_follower(), "it is awake");
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        assert!(rest.wake_follower(), "it sleeps");
        receiver.following.say(false);
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        assert!(!rest.wake_follower(), "it sleeps, and does not follow");
    }

    /// There, the copy waits for the processor that the other one has. In a process of its own: the masks of all its threads are what its peers see.
    #[test]
    fn nobody_is_woken_for_an_announcement_where_there_is_one_processor() {
        let name = "connection::receiver::follow::tests::nobody_is_woken_for_an_announcement_where_there_is_one_processor";
        if !crate::sys::apart::is_apart(name) {
            return;
        }
        let mut one = CpuSet::new();
        let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let first = (0..CpuSet::count()).find(|&cpu| all.is_set(cpu).unwrap());
        one.set(first.unwrap()).unwrap();
        for thread in [Pid::this(), Pid::from_raw(0)] {
            sched_setaffinity(thread, &one).unwrap();
        }
        let (mut server, mut client) = pair("follower-one", &Config::new().wait(Wait::Park));
        let (rest, receiver) = (server.sender().resting(), client.receiver());
        receiver.following.say(true);
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        assert!(!rest.wake_follower());
    }
}
