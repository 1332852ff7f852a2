//! The bell of the peer's half opposite. Two of our halves ring that of the peer's receiver: the one that sends, behind its commits, and the one that receives, ahead of an answer
//! (`wake/early.rs`).

use std::os::fd::BorrowedFd;
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use super::Rest;
use crate::layout::control::CLOSED_EPOCH;
use crate::segment::{ForeignWord, MappedForeignWord};
use crate::sync::{Arc, Mutex};
use crate::sys::bell::Ringer;
use crate::wake::early::Early;

/// A lock of this process: whoever holds it rings, by a system call that no peer can make block, or by those that prepare for the next ones.
#[derive(Debug)]
pub(crate) struct Bell(Mutex<State>);

#[derive(Debug)]
struct State {
    ringer: Ringer,
    early: Early,
    /// The half that sends is closed: nothing is answered any more.
    ended: bool,
}

impl Bell {
    pub(crate) fn new(ringer: Ringer) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            ringer,
            early: Early::new(),
            ended: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings for `epoch`, unless that was done already. As [`Ringer::ring`].
    pub(super) fn ring(&self, epoch: u64, link: BorrowedFd<'_>) -> Rung {
        let mut state = self.state();
        if state.early.answers(epoch, Instant::now()) {
            Rung::Before
        } else if state.ringer.ring(link) {
            Rung::Now
        } else {
            Rung::Lost
        }
    }

    /// As [`Ringer::end`].
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ringer.end();
        state.ended = true;
    }

    /// Nobody rings any more: gives up what that took.
    pub(super) fn retire(&self) {
        let mut state = self.state();
        state.ringer.retire();
        state.ended = true;
    }
}

/// What came of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rung {
    Now,
    /// It was made before.
    Before,
    /// The kernel had no memory for it.
    Lost,
}

/// Where the half that receives rings ahead of an answer.
#[derive(Debug)]
pub(super) struct Ahead {
    bell: Arc<Bell>,
    /// The epoch of the peer's receiver.
    epoch: MappedForeignWord,
}

impl Rest {
    /// The bell that it rings behind a commit or a release, if the peer's half has one.
    pub(crate) fn bell(&self) -> Option<&Arc<Bell>> {
        self.bell.as_ref()
    }

    /// Rings the peer's receiver ahead of answers, by the bell of our half that sends.
    pub(crate) fn ring_ahead_by(&mut self, bell: &Arc<Bell>, epoch: MappedForeignWord) {
        self.ahead = Some(Ahead {
            bell: Arc::clone(bell),
            epoch,
        });
    }

    /// A frame has ended a sleep: wakes the peer's receiver, if it sleeps and that has paid lately.
    pub(super) fn ring_ahead(&mut self) {
        let Some(ahead) = self.ahead.as_ref().filter(|_| self.overlaps()) else {
            return;
        };
        // Who sends has it: it needs no ring ahead of it.
        let Ok(mut state) = ahead.bell.0.try_lock() else {
            return;
        };
        // A stale one costs the peer a wake in vain.
        // ORD: watch-epoch: Relaxed, only an early ring is decided by it: whoever answers looks behind a barrier; partner: wake/park.rs (park-epoch).
        let epoch = ahead.epoch.load();
        if state.ended || !state.early.woken(epoch, Instant::now()) {
            return;
        }
        if epoch % 2 == 1 && epoch != CLOSED_EPOCH {
            step!("wake-before");
            if state.ringer.ring(self.link.socket()) {
                state.early.rang(epoch);
                self.counts.wakes.add();
            }
            step!("wake-after");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::pair::pair;
    use super::{Ahead, Rest};
    use crate::connection::{Arm, Config, Connection};
    use crate::wake::ladder::Wait;

    /// Answers until there is nobody left.
    fn answer(connection: Connection) {
        let (mut sender, mut receiver) = connection.split();
        let mut buffer = [0u8; 8];
        while receiver.recv_into(&mut buffer).is_ok() {
            sender.send(&buffer).unwrap();
        }
    }

    #[test]
    fn who_is_woken_by_a_frame_and_answers_soon_rings_ahead_of_the_answer() {
        let config = Config::new().wait(Wait::Park);
        let (server, mut client) = pair("ahead", &config);
        if !client.receiver().resting().overlaps() {
            return;
        }
        thread::scope(|scope| {
            scope.spawn(|| answer(server));
            let (mut sender, mut receiver) = client.split();
            let mut buffer = [0u8; 8];
            // On a busy machine answers come late, and it is seldom tried.
            let end = Instant::now() + Duration::from_secs(60);
            let mut question = 0u64;
            while receiver.resting().counts.wakes.value() < 3 {
                assert!(Instant::now() < end, "nobody rings ahead of an answer");
                question += 1;
                sender.send(&question.to_ne_bytes()).unwrap();
                receiver.recv_into(&mut buffer).unwrap();
                assert_eq!(buffer, question.to_ne_bytes());
            }
            // Nothing but early rings: it releases too little here to wake one that waits for room.
        });
    }

    /// Has it take for granted that an early ring is worth a try: answers came soon.
    fn expects_soon_answers(rest: &Rest) {
        let Ahead { bell, .. } = rest.ahead.as_ref().unwrap();
        let (mut state, now) = (bell.state(), Instant::now());
        let mut answers = 0..10_000;
        while !state.early.woken(0, now) {
            assert!(answers.next().is_some(), "it is never tried");
            assert!(!state.early.answers(1, now));
        }
    }

    /// One that is awake needs no ring, and one that is closed hears none.
    #[test]
    fn only_a_peer_that_sleeps_is_rung_ahead_of_an_answer() {
        let config = Config::new().wait(Wait::Park);
        let (mut server, mut client) = pair("ahead-asleep", &config);
        let rest = server.receiver().resting();
        if !rest.overlaps() {
            return;
        }
        expects_soon_answers(rest);
        let rings = |server: &mut Connection| {
            let rest = server.receiver().resting();
            rest.ring_ahead();
            rest.counts.wakes.value()
        };
        assert_eq!(rings(&mut server), 0, "it is awake");
        assert_eq!(client.receiver().arm(), Ok(Arm::Armed));
        assert_eq!(rings(&mut server), 1, "it sleeps");
        drop(client);
        expects_soon_answers(server.receiver().resting());
        assert_eq!(rings(&mut server), 1, "it is closed");
    }
}
