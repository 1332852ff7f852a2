//! A receiver that gives account, because the connection can be resumed: of each frame before it is handed out, and of each that is finished with.
//!
//! A frame that is handed out as a [`Frame`](crate::Frame), or in a batch, is finished with when that is dropped, but by a panic. One that was copied out is with its handler when the call
//! returns: it is finished with when the handler comes back for the next one, whether there is one or not: every way to look for a frame comes by here.

use std::time::Instant;

use super::Receiver;
use crate::connection::outcome::RecvError;
use crate::layout::redelivery::Redelivery;
use crate::ring::Entry;

/// What is told of a frame behind the call that has received it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    priority: usize,
    redelivery: Redelivery,
    /// Where account is given.
    position: Option<u64>,
}

impl Receiver {
    /// The priority of the frame that was received last: for calls that return no [`Frame`](crate::Frame), which tells it too. 0 before the first one.
    pub fn last_priority(&self) -> usize {
        self.told[0].priority
    }

    /// Of the frame that was received last, what [`Frame::redelivery`](crate::Frame::redelivery) says: for calls that return no [`Frame`](crate::Frame). `First` before the first one.
    pub fn last_redelivery(&self) -> Redelivery {
        self.told[0].redelivery
    }

    /// Of the frame that was received last, what [`Frame::position`](crate::Frame::position) says: with [`Connection::lineage`](crate::Connection::lineage) and [`Receiver::last_priority`] it names the
    /// frame for good. `None` before the first one, and where this receiver does not [give account](Receiver::gives_account).
    pub fn last_position(&self) -> Option<u64> {
        self.told[0].position
    }

    /// Whether the sender is told of each frame before it is handed out: in a server, of a connection that can be resumed. Its frames keep their names when they are sent again; what a client receives has none
    /// that lasts, since each server begins anew.
    pub fn gives_account(&self) -> bool {
        self.lane.gives_account()
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
        let position = (self.lane.gives_account()).then(|| self.lane.position(entry));
        let told = Told {
            priority: self.at_hand(),
            redelivery: entry.redelivery(),
            position,
        };
        self.told = [told, self.told[0]];
        self.lane.say_taken(entry);
    }

    /// The frame that was found stays unread, and the one before it is the last that was received. That it may have been seen stays said.
    #[cold]
    pub(super) fn leave_unread(&mut self) {
        self.told[0] = self.told[1];
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

#[cfg(test)]
mod tests {
    use crate::connection::rest::pair::pair;
    use crate::connection::{Config, Receiver, RecvError};

    fn told(receiver: &Receiver) -> (usize, Option<u64>) {
        (receiver.last_priority(), receiver.last_position())
    }

    /// However it is asked for.
    #[test]
    fn what_stays_unread_is_not_what_was_received_last() {
        let config = Config::new().resumable(true).lanes(2);
        let (mut server, mut client) = pair("unread", &config);
        let (sender, receiver) = (client.sender(), server.receiver());
        assert_eq!(told(receiver), (0, None));
        let mut lower = sender.at(1).unwrap();
        let place = lower.position();
        lower.send(b"x").unwrap();
        drop(lower);
        let mut buffer = [0; 2];
        assert_eq!(receiver.recv_into(&mut buffer), Ok(1));
        assert_eq!(told(receiver), (1, Some(place)));
        let mut places = Vec::new();
        for payload in [&b"yes"[..], b"too long too"] {
            places.push(sender.position());
            sender.send(payload).unwrap();
        }
        for _ in 0..2 {
            let truncated = Err(RecvError::Truncated { len: 3 });
            assert_eq!(receiver.recv_into(&mut buffer), truncated);
            assert!(receiver.try_recv_if(|_, _| false).unwrap().is_none());
            drop(receiver.try_recv_batch(2).unwrap());
            receiver.try_recv_batch(2).unwrap().leave();
            let mut batch = receiver.try_recv_batch(2).unwrap();
            assert!(batch.next_frame_if(|_, _| false).is_none());
            drop(batch);
            assert_eq!(told(receiver), (1, Some(place)));
        }
        let mut batch = receiver.try_recv_batch(2).unwrap();
        assert_eq!(batch.next_frame().unwrap().position(), places[0]);
        assert!(batch.next_frame_if(|_, _| false).is_none());
        drop(batch);
        assert_eq!(told(receiver), (0, Some(places[0])));
        assert_eq!(receiver.recv().unwrap().len(), 12);
        assert_eq!(told(receiver), (0, Some(places[1])));
    }

    /// What servers send has no name that lasts.
    #[test]
    fn a_client_gives_no_account() {
        let (mut server, mut client) = pair("no-account", &Config::new().resumable(true));
        server.sender().send(b"x").unwrap();
        let receiver = client.receiver();
        assert_eq!(receiver.recv().unwrap().len(), 1);
        assert!(server.receiver().gives_account() && !receiver.gives_account());
        assert_eq!(told(receiver), (0, None));
    }

    #[test]
    fn a_single_lane_leaves_unread_as_several_do() {
        let (mut server, mut client) = pair("unread-alone", &Config::new().resumable(true));
        client.sender().send(b"x").unwrap();
        client.sender().send(b"longer").unwrap();
        let receiver = server.receiver();
        let mut buffer = [0; 2];
        assert_eq!(receiver.recv_into(&mut buffer), Ok(1));
        let first = told(receiver);
        assert!(receiver.recv_into(&mut buffer).is_err());
        assert_eq!(told(receiver), first);
        assert_eq!(receiver.recv().unwrap().len(), 6);
        assert_ne!(told(receiver), first);
    }
}
