//! One connection's turn, and what else a poller has to tell.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::Poller;
use super::entry::{Entry, Want};
use super::polled::Polled;
use super::slab::Token;
use crate::connection::{RecvError, Room, SendError};
use crate::error::Error;
use crate::planted::{self, Check};

/// What a [`Poller`] has to tell.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "what is told is told once"]
pub enum Event<'a, C: Polled> {
    /// A client has connected, and is in the poller.
    Connected(Turn<'a, C>),
    /// Frames are waiting, or there is the room that was asked for ([`Turn::until_room`]).
    Ready(Turn<'a, C>),
    /// A connection has ended, and everything that the peer had committed was received, unless the peer broke a rule. It has left the poller. The death of a peer, or of its socket, is told at once; that it
    /// has said goodbye in order up to 200 ms later, while others keep the thread busy.
    Ended(Box<Ended<C>>),
    /// A listener could not accept, such as for want of descriptors, and tries again by itself every 20 ms. Told once until it could again.
    Stalled {
        /// Which listener.
        listener: Token,
        /// Why.
        error: Error,
    },
}

/// A connection that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended<C> {
    /// What named it.
    pub token: Token,
    /// What was in the poller. Where the peer has closed one lane only, the other still carries what is sent.
    pub polled: C,
    /// How it ended.
    pub end: RecvError,
}

const THERE: &str =
    "a turn is of a connection that is there: nothing leaves while the poller is borrowed";

/// One connection's turn: the connection, and a budget of frames, so that nobody's flood makes the others wait.
///
/// ```no_run
/// # use ringway::{Event, Poller, RecvError};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut poller: Poller = Poller::new()?;
/// if let Some(Event::Ready(mut turn)) = poller.event()? {
///     while turn.more() {
///         let (sender, receiver) = turn.halves();
///         let question = receiver.recv()?.to_vec(); // there is one, so this does not wait
///         if sender.try_send(&question).is_err() {
///             // keep the answer, and say `turn.until_room(len)`
///             break;
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a connection that is ready and not read is ready again at once"]
pub struct Turn<'a, C: Polled> {
    poller: &'a mut Poller<C>,
    token: Token,
    left: u32,
}

impl<'a, C: Polled> Turn<'a, C> {
    pub(super) fn new(poller: &'a mut Poller<C>, token: Token, left: u32) -> Self {
        Self {
            poller,
            token,
            left,
        }
    }

    /// What names the connection.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Whether to receive one more frame: there is one, and the budget is not used up. Frames that are left are another turn's, when the others
    /// have had theirs.
    ///
    /// The call that receives it does not wait: a peer that has taken it back meanwhile breaks a rule ([`Violation::FrameTakenBack`](crate::Violation::FrameTakenBack)), as one does that has put
    /// something else there. So how a call that receives fails in a turn is that client's end, which the poller tells too, and nobody else's.
    #[inline]
    pub fn more(&mut self) -> bool {
        let mut left = self.left.checked_sub(1);
        if planted::is_left_out(Check::TurnBudget) {
            left = left.or(Some(0));
        }
        let Some(left) = left else {
            return false;
        };
        let there = self.entry_mut().has_frame();
        if there {
            self.left = left;
        }
        there
    }

    /// Has the connection be told as ready once there is room for a payload of so many bytes, or as [`Room`] says for what is aligned or expires (where there are several priorities, at 0: see [`Turn::until_room_at`]), and not for frames before that: a client that reads no answers is itself
    /// made to wait. It is ready for frames again then, and so it is once there can be no room any more, as the peer receives nothing again: what is sent is then refused.
    ///
    /// Receive nothing more in this turn: the next answer might be shorter and go first, and a server that is replaced would be finished with a request whose answer is not sent.
    pub fn until_room(&mut self, room: impl Into<Room>) {
        self.entry_mut().want = Want::Room(room.into(), None);
    }

    /// The same, for room at `priority`: what waits for one lane is not told of room in another.
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority. What the connection is waited for stays as it was.
    pub fn until_room_at(
        &mut self,
        priority: usize,
        room: impl Into<Room>,
    ) -> Result<(), SendError> {
        self.entry_mut().want_room_at(priority, room.into())
    }

    /// Takes the connection out, as [`Poller::remove`] does.
    #[allow(clippy::missing_panics_doc, reason = "it is there")]
    pub fn remove(self) -> C {
        self.poller.remove(self.token).expect(THERE)
    }

    fn entry(&self) -> &Entry<C> {
        self.poller.entries.get(self.token).expect(
            "a turn is of a connection that is there: nothing leaves while the poller is borrowed",
        )
    }

    fn entry_mut(&mut self) -> &mut Entry<C> {
        self.poller.entries.get_mut(self.token).expect(
            "a turn is of a connection that is there: nothing leaves while the poller is borrowed",
        )
    }
}

impl<C: Polled> Deref for Turn<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.entry().polled
    }
}

impl<C: Polled> DerefMut for Turn<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.entry_mut().polled
    }
}

impl<C: Polled + fmt::Debug> fmt::Debug for Turn<'_, C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Turn")
            .field("token", &self.token)
            .field("left", &self.left)
            .field("polled", &self.entry().polled)
            .finish_non_exhaustive()
    }
}
