//! A receiver that gives account, because the connection can be resumed: of each frame before it is handed out, and of each that is finished with.
//!
//! A frame that is handed out as a [`Frame`](crate::Frame), or in a batch, is finished with when that is dropped, but by a panic. One that was copied out is with its handler when the call
//! returns: it is finished with when the handler comes back for the next one, whether there is one or not: every way to look for a frame comes by here.

use std::time::Instant;

use super::Receiver;
use crate::connection::outcome::RecvError;
use crate::layout::redelivery::Redelivery;
use crate::ring::Entry;

impl Receiver {
    /// Of the frame that was received last, what [`Frame::redelivery`](crate::Frame::redelivery) says: for calls that return no [`Frame`](crate::Frame). `First` before the first one.
    pub fn last_redelivery(&self) -> Redelivery {
        self.redelivery
    }

    /// Of the frame that was received last, what [`Frame::position`](crate::Frame::position) says: with [`Connection::lineage`](crate::Connection::lineage) and [`Receiver::last_priority`] it names the
    /// frame for good. `None` before the first one, and where the connection cannot be resumed.
    pub fn last_position(&self) -> Option<u64> {
        self.position
    }

    /// The next frame, waiting for it: where there are several lanes, or account is given.
    #[inline(never)]
    pub(super) fn next_of_lanes(&mut self, deadline: Option<Instant>) -> Result<Entry, RecvError> {
        let entry = self.wait_for_next(deadline)?;
        self.say_taken(&entry);
        Ok(entry)
    }

    /// The same, without waiting.
    #[inline(never)]
    pub(super) fn try_next_of_lanes(&mut self) -> Result<Entry, RecvError> {
        let entry = match self.peek_lanes()? {
            Some(entry) => entry,
            None => self.empty()?,
        };
        self.say_taken(&entry);
        Ok(entry)
    }

    /// `entry`, of the lane at hand, is about to be handed out.
    pub(super) fn say_taken(&mut self, entry: &Entry) {
        self.redelivery = entry.redelivery();
        if self.lane.gives_account() {
            self.position = Some(self.lane.position(entry));
        }
        self.lane.say_taken(entry);
    }

    /// The handler has come back: it is done with what was copied out for it.
    pub(super) fn come_back(&mut self) {
        if self.lane.gives_account() {
            // No frame makes a release due while frames are held, and yet there may be what a look has dropped that nobody followed up.
            self.tell_owed();
        }
    }

    /// The last frame handed out was copied out, and is not looked at any more.
    #[inline(always)]
    pub(crate) fn finish_copied(&mut self) {
        if self.lane.is_release_due() {
            self.publish_copied();
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn publish_release(&mut self) {
        // A frame may have been alive across a fork.
        if !self.is_cut_short() && !self.is_forked() && self.lane.publish_release() {
            self.told_release();
        }
    }

    /// Whether a drop finishes with nothing: a handler that panics is not finished with what it drops, as it may not have answered. If its program goes on it comes back, and then it is. A future
    /// that is cancelled drops what it has as one that is done.
    pub(super) fn is_cut_short(&self) -> bool {
        self.lane.gives_account() && (self.leaves || std::thread::panicking())
    }

    /// `true`: where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)) no drop of a frame or of a batch finishes with it, as if each were [left](crate::Frame::leave):
    /// that is done by whatever call looks for the next one, or by [`Receiver::release`]. For handlers that go on with a copy, as those in another language do.
    pub fn leave_when_dropped(&mut self, on: bool) {
        self.leaves = on;
    }

    /// Whether drops finish with nothing, where the connection can be resumed.
    #[cfg(feature = "tokio")]
    pub(crate) fn leaves_when_dropped(&self) -> bool {
        self.leaves
    }

    #[cold]
    #[inline(never)]
    fn publish_copied(&mut self) {
        if !self.lane.gives_account() {
            self.publish_release();
        }
    }
}
