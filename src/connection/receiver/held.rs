//! Frames that are read and kept in the ring until the receiver says so.

use super::{Lane, Receiver};

impl Receiver {
    /// `true`: frames that are read stay unreleased until [`Receiver::release`], and [`Receiver::rewind`] goes back to them. They
    /// count against the ring's capacity: when held frames fill it, both sides stop. The sender finds the ring full, and [`Receiver::recv`] waits
    /// for a frame that cannot come, until some are released.
    pub fn hold(&mut self, on: bool) {
        if self.birth.is_forked() {
            return;
        }
        self.each_lane(|lane| lane.hold(on));
        step!("hold");
        if !on {
            self.finish_all();
        }
    }

    /// Releases every frame that has been read. The sender is told in steps of an eighth of the ring. Where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)) it is told at once, and a frame
    /// that was copied out is released too, which otherwise is when the next one is asked for, by whatever call looks for a frame.
    pub fn release(&mut self) {
        if self.birth.is_forked() {
            return;
        }
        self.tell_lanes(Lane::release);
    }

    /// Goes back to the first frame that is not released, in each lane: it is received again. Returns the bytes of ring gone back. Frames of several
    /// priorities may come in another order than before, but those of one do not.
    pub fn rewind(&mut self) -> u64 {
        if self.birth.is_forked() {
            return 0;
        }
        let back = match &mut self.several {
            Some(several) => several.rewind(&mut self.lane),
            None => self.lane.rewind(),
        };
        step!("rewind");
        back
    }
}
