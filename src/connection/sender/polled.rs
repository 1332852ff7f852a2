//! The half that sends, in a poller, which looks at it while somebody waits for room.

use super::{Lane, Sender};
use crate::connection::link::Link;
use crate::connection::outcome::SendError;
use crate::connection::polled::{Look, end_of};
use crate::connection::rest::Rest;
use crate::connection::room::Room;
use crate::ring::{Beside, Refusal};
use crate::sync::Arc;

impl Sender {
    /// Its means of waiting.
    pub(crate) fn resting(&mut self) -> &mut Rest {
        &mut self.rest
    }

    /// What it shares with the half that receives.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.rest.link
    }

    /// Whether there is `room` at `priority`, or else at the one at hand. For a payload that can never be sent there is: the send says so.
    pub(crate) fn look(&mut self, room: Room, priority: Option<usize>) -> Look {
        if self.birth.is_forked() {
            return ended(SendError::Forked);
        }
        // The lane is shut then.
        let _ = self.heed_verdict();
        self.publish_leaked();
        match room.is_in(lane_of(&mut self.lane, &mut self.beside, priority)) {
            Ok(true) | Err(Refusal::TooLarge { .. } | Refusal::Alignment { .. }) => Look::Something,
            Ok(false) => Look::Nothing,
            Err(refusal) => ended(self.refused(refusal)),
        }
    }

    /// The same, where no room was found: has it ended?
    pub(crate) fn look_for_end(&mut self) -> Look {
        match self.rest.end() {
            None => Look::Nothing,
            Some(gone) => ended(self.ended(gone)),
        }
    }

    /// Has at hand what the next frame will touch, without a wait for any of it. A hint.
    #[inline]
    pub(crate) fn approach(&self) {
        if !self.birth.is_forked() {
            self.lane.warm();
            self.rest.approach();
        }
    }

    /// Has at hand what a send will touch. In a child of a fork nothing is mapped, and the gate is shut.
    pub(crate) fn warm(&self) {
        if !self.birth.is_forked() {
            self.lane.warm();
            self.rest.warm();
        }
    }

    /// Goes to sleep if there is no `room` at `priority`, or else at the one at hand, and returns whether it did.
    pub(crate) fn fall_asleep(&mut self, room: Room, priority: Option<usize>) -> bool {
        self.tell_beside();
        self.lane.tell_numbers();
        let Self {
            lane, beside, rest, ..
        } = self;
        let lane = lane_of(lane, beside, priority);
        rest.fall_asleep(|| !matches!(room.is_in(lane), Ok(false)))
    }
}

/// The lane of `priority`; `None`: the one at hand, and so it is where there is no such priority any more.
fn lane_of<'a>(
    lane: &'a mut Lane,
    beside: &'a mut Option<Box<Beside<Lane>>>,
    priority: Option<usize>,
) -> &'a mut Lane {
    match (beside, priority) {
        (Some(beside), Some(number)) if number < beside.count() => beside.get(lane, number),
        _ => lane,
    }
}

fn ended(error: SendError) -> Look {
    end_of(error).map_or(Look::Something, Look::Ended)
}
