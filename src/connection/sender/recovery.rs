//! What a sender that has outlived its receiver leaves to the one that resumes the connection.

use super::Sender;
use crate::connection::resume::Redelivered;
use crate::ring::Standing;

impl Sender {
    /// Where the next frame will be, at the priority at hand: what its [`Frame::position`](crate::Frame::position) will say, if it needs no padding (one that is aligned to more than 8 bytes may lie a little
    /// behind). So a client knows which of its frames were sent again, and which of them are in doubt ([`Redelivered`]).
    pub fn position(&self) -> u64 {
        self.lane.tail()
    }

    /// Where each lane stands, by the last words of a receiver that is gone for good. What was accepted and not published, because a guard was leaked, is published before. `None`: it cannot
    /// be resumed.
    pub(crate) fn standings(&mut self) -> Option<Vec<Standing>> {
        let before = self.priority();
        let mut standings = Vec::new();
        for priority in 0..self.priorities() {
            let _ = self.take_up(priority);
            self.publish_group();
            standings.push(self.lane.standing());
        }
        let _ = self.take_up(before);
        standings.into_iter().collect()
    }

    /// Sends again what `old` had sent and its receiver had not released: all that a lane begins with becomes visible at once.
    pub(crate) fn take_over(&mut self, old: &mut Self, standings: &[Standing]) -> Vec<Redelivered> {
        let (before, olds) = (self.priority(), old.priority());
        let (mut redelivered, mut published) = (Vec::new(), None);
        for (priority, standing) in standings.iter().enumerate() {
            let _ = self.take_up(priority);
            let _ = old.take_up(priority);
            let carried = self.lane.take_over(&old.lane, standing);
            redelivered.push(Redelivered::new(standing, carried));
            step!("resume-carried");
            published = self.lane.publish().or(published);
            old.lane.wipe(standing);
        }
        let _ = self.take_up(before);
        let _ = old.take_up(olds);
        // Not in between: who finds that the new receiver has closed shuts the lanes, and those that are left would take nothing over any more.
        if let Some(published) = published {
            self.published(published);
        }
        redelivered
    }
}
