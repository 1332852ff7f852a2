//! A connection in a poller: what is waited for, and how warm it is.

use std::io;
use std::time::Instant;

use super::polled::Polled;
use super::slab::Token;
use crate::connection::{Look, RecvError, Room, SendError};
use crate::sys::tower::Seat;
use crate::wake::heat::Heat;

/// One that cannot sleep is asked for its end this often, in nanoseconds.
const END_EVERY: u64 = 1_000_000;

/// What a connection is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Frame,
    /// Room for a frame, at a priority or else at the one that the sender has at hand.
    Room(Room, Option<usize>),
}

/// What a visit to a hot connection came to.
pub(super) enum Visit {
    /// Nothing, and it stays hot.
    Nothing,
    /// Nothing, and it sleeps.
    Asleep,
    Found(Look),
}

#[allow(clippy::struct_excessive_bools, reason = "each is about another list")]
#[repr(C)]
pub(super) struct Entry<C> {
    pub(super) heat: Heat,
    pub(super) is_hot: bool,
    /// It was hot when the thread fell asleep.
    pub(super) is_dormant: bool,
    /// The poller has a date with it, when its end is to be asked for.
    pub(super) dated: Option<Instant>,
    pub(super) want: Want,
    /// Who was found next when this one was found last.
    pub(super) next: Option<Token>,
    seat: Option<Seat>,
    /// When its end was last asked for, if it cannot sleep.
    asked: u64,
    /// Large, and begins with what a look needs.
    pub(super) polled: C,
}

impl<C: Polled> Entry<C> {
    pub(super) fn new(polled: C, now: u64) -> Self {
        Self {
            polled,
            heat: Heat::new(now),
            is_hot: false,
            is_dormant: false,
            dated: None,
            want: Want::Frame,
            next: None,
            seat: None,
            asked: now,
        }
    }

    /// Takes its place in a tower.
    pub(super) fn sit(&mut self, seat: Seat) -> io::Result<()> {
        self.seat = Some(seat);
        self.stay()
    }

    /// Takes its place again, if somebody has put other halves there since.
    fn stay(&mut self) -> io::Result<()> {
        if let Some(seat) = &self.seat {
            let (sender, receiver) = self.polled.lanes();
            receiver.resting().seat(seat)?;
            sender.resting().seat(seat)?;
        }
        Ok(())
    }

    /// Gives its place up, for good: the connection is over.
    pub(super) fn leave(&mut self) {
        let (sender, receiver) = self.polled.lanes();
        receiver.resting().leave();
        sender.resting().leave();
    }

    /// Gives its place up, and each half waits by itself again.
    pub(super) fn stand(&mut self) {
        let (sender, receiver) = self.polled.lanes();
        receiver.resting().unseat();
        sender.resting().unseat();
    }

    /// The kernel has something to say of its peer.
    pub(super) fn told(&mut self) {
        // If there is nothing to find, the next visit asks for its end and does not look on first.
        self.heat.forget();
        let (sender, receiver) = self.polled.lanes();
        receiver.resting().told();
        sender.resting().told();
    }

    pub(super) fn rise(&mut self) {
        let (sender, receiver) = self.polled.lanes();
        receiver.resting().rise();
        sender.resting().rise();
    }

    /// Looks for what it is wanted for.
    #[inline]
    pub(super) fn look(&mut self) -> Look {
        let (sender, receiver) = self.polled.lanes();
        match self.want {
            Want::Frame => receiver.look(),
            Want::Room(room, priority) => match sender.look(room, priority) {
                Look::Ended(end) => self.without_room(end, Self::look),
                found => found,
            },
        }
    }

    /// There will be no room any more. What the peer had committed is still received, and what it goes on to send, if it has closed this lane only; of one that broke a rule
    /// nothing more is wanted.
    #[cold]
    fn without_room(&mut self, end: RecvError, look: fn(&mut Self) -> Look) -> Look {
        if matches!(end, RecvError::Protocol(_) | RecvError::Forked) {
            return Look::Ended(end);
        }
        self.want = Want::Frame;
        look(self)
    }

    /// Has at hand what a turn will read, if there is something.
    pub(super) fn approach(&mut self) {
        self.polled.lanes().1.warm();
    }

    /// Has at hand what an answer will touch.
    pub(super) fn warm(&mut self) {
        self.polled.lanes().0.warm();
    }

    fn look_for_end(&mut self) -> Look {
        let (sender, receiver) = self.polled.lanes();
        match self.want {
            Want::Frame => receiver.look_for_end(),
            Want::Room(..) => match sender.look_for_end() {
                Look::Ended(end) => self.without_room(end, Self::look_for_end),
                found => found,
            },
        }
    }

    /// From now on it is looked at for room at `priority`, if there is such a one.
    pub(super) fn want_room_at(&mut self, priority: usize, room: Room) -> Result<(), SendError> {
        SendError::check_priority(priority, self.polled.lanes().0.priorities())?;
        self.want = Want::Room(room, Some(priority));
        Ok(())
    }

    /// Whether a frame is there.
    #[inline(always)]
    pub(super) fn has_frame(&mut self) -> bool {
        self.polled.lanes().1.has_more()
    }

    /// Looks, and decides whether it is to be looked at again. `hot`: how many are; `over`: nothing more is looked for.
    #[inline]
    pub(super) fn visit(&mut self, now: u64, hot: usize, over: bool) -> Visit {
        match self.look() {
            Look::Nothing => {}
            found => return Visit::Found(found),
        }
        if over || self.heat.is_over(now, hot) || !self.polled.lanes().1.resting().may_look() {
            self.cool(now)
        } else {
            Visit::Nothing
        }
    }

    /// Has it sleep, unless there is something.
    pub(super) fn cool(&mut self, now: u64) -> Visit {
        let (sender, receiver) = self.polled.lanes();
        if receiver.resting().can_sleep() {
            let asleep = match self.want {
                Want::Frame => receiver.fall_asleep(),
                Want::Room(room, priority) => sender.fall_asleep(room, priority),
            };
            // Without a place nobody would hear that it is rung.
            if asleep && self.stay().is_ok() {
                return Visit::Asleep;
            }
            self.rise();
        } else if now.saturating_sub(self.asked) < END_EVERY {
            return Visit::Nothing;
        } else {
            self.asked = now;
        }
        let found = match self.look() {
            Look::Nothing => self.look_for_end(),
            found => found,
        };
        match found {
            Look::Nothing => Visit::Nothing,
            found => Visit::Found(found),
        }
    }

    /// When its end is to be asked for again.
    pub(super) fn fades_until(&mut self) -> Option<Instant> {
        let (sender, receiver) = self.polled.lanes();
        let ends = [
            sender.resting().fades_until(),
            receiver.resting().fades_until(),
        ];
        ends.into_iter().flatten().min()
    }
}
