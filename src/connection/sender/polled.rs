//! The half that sends, in a poller, which looks at it while somebody waits for room.

use std::sync::Arc;

use super::Sender;
use crate::connection::link::Link;
use crate::connection::outcome::SendError;
use crate::connection::polled::{Look, end_of};
use crate::connection::rest::Rest;
use crate::ring::Refusal;

impl Sender {
    /// Its means of waiting.
    pub(crate) fn resting(&mut self) -> &mut Rest {
        &mut self.rest
    }

    /// What it shares with the half that receives.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.rest.link
    }

    /// Whether there is room for `len` bytes. For a payload that can never be sent there is: the send says so.
    pub(crate) fn look(&mut self, len: usize) -> Look {
        if self.birth.is_forked() {
            return ended(SendError::Forked);
        }
        // The lane is shut then.
        let _ = self.heed_verdict();
        self.publish_leaked();
        match self.lane.has_room(len, 8) {
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

    /// Has at hand what a send will touch. In a child of a fork nothing is mapped, and the gate is shut.
    pub(crate) fn warm(&self) {
        if !self.birth.is_forked() {
            self.lane.warm();
            self.rest.warm();
        }
    }

    /// Goes to sleep if there is no room for `len` bytes, and returns whether it did.
    pub(crate) fn fall_asleep(&mut self, len: usize) -> bool {
        self.lane.tell_numbers();
        let Self { lane, rest, .. } = self;
        rest.fall_asleep(|| !matches!(lane.has_room(len, 8), Ok(false)))
    }
}

fn ended(error: SendError) -> Look {
    end_of(error).map_or(Look::Something, Look::Ended)
}
