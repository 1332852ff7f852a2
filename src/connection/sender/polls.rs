//! The half that sends, in the polls of a future.

use super::Sender;
use crate::connection::outcome::SendError;
use crate::connection::reservation::Reservation;
use crate::connection::rest::Rested;
use crate::ring::Slot;

impl Sender {
    /// What [`Sender::try_reserve`] reserves, aligned, before it is handed out: [`Sender::hand_out`] comes next.
    #[inline]
    pub(crate) fn find_room(&mut self, len: usize, align: usize) -> Result<Slot, SendError> {
        self.lone_slot(len, align, None)
    }

    /// The room that was found.
    #[inline]
    pub(crate) fn hand_out(&mut self, slot: Slot) -> Reservation<'_> {
        Reservation::new(self, slot, false)
    }

    /// As [`Sender::arm`], for whoever has a timer.
    pub(crate) fn arm_until(&mut self, len: usize, align: usize) -> Result<Rested, SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.publish_leaked();
        self.tell_beside();
        self.lane.tell();
        let Self { lane, rest, .. } = self;
        let outcome =
            rest.arm_until(&mut || lane.has_room(len, align).map(|room| room.then_some(())));
        // What was heard is told by the call that follows; the lane must be shut for it.
        let _ = self.heed();
        outcome.map_err(|refusal| self.refused(refusal))
    }

    /// Whether there is room for `len` bytes, aligned; also where the call that wants it will be refused.
    pub(crate) fn looks_roomy(&mut self, len: usize, align: usize) -> bool {
        !matches!(self.lane.has_room(len, align), Ok(false))
    }
}
