//! A sender whose frames are published in groups.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::bounds::Bounds;
use super::policy::{Cause, Policy};
use crate::connection::{Peer, Reservation, SendError, Sender};
use crate::layout::header::frame_length;

/// `None`: does not wait. `Some(None)`: waits for ever.
pub(super) type Patience = Option<Option<Instant>>;

/// A [`Sender`] that publishes frames in groups while that delays nobody. [The module](super) says what is committed when, and who publishes the last ones.
///
/// One thread at a time uses it; it may be sent to another. Dropping it publishes what was accepted, and then says goodbye as a sender does.
#[derive(Debug)]
pub struct Batcher {
    sender: Sender,
    policy: Policy,
    /// What the policy's nanoseconds count from.
    start: Instant,
}

impl Batcher {
    /// Sends through `sender` from now on.
    pub fn new(mut sender: Sender, bounds: Bounds) -> Self {
        sender.publish_when_dropped(true);
        Self {
            policy: Policy::new(bounds.measures(sender.capacity()), 0),
            start: Instant::now(),
            sender,
        }
    }

    /// Accepts a copy of `payload`, waiting for space. It is published at once or later, as [the module](super) says.
    ///
    /// # Errors
    /// As for [`Sender::send`]. Nothing of `payload` was sent then; what was accepted before it stays so.
    #[inline(always)]
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.accept(0, payload, Some(None))
    }

    /// As [`Batcher::send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind).
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    #[inline(always)]
    pub fn send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.accept(kind, payload, Some(None))
    }

    /// As [`Batcher::send`], waiting for space until `deadline`. It has nothing to do with when the frame is published.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn send_deadline(&mut self, payload: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.accept(0, payload, Some(Some(deadline)))
    }

    /// As [`Batcher::send_kind`], waiting for space until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn send_kind_deadline(
        &mut self,
        kind: u16,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.accept(kind, payload, Some(Some(deadline)))
    }

    /// As [`Batcher::send`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`], and everything that was accepted before is published then.
    #[inline(always)]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.accept(0, payload, None)
    }

    /// As [`Batcher::send_kind`] if there is space now. Never waits.
    ///
    /// # Errors
    /// As for [`Batcher::try_send`].
    #[inline(always)]
    pub fn try_send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.accept(kind, payload, None)
    }

    /// Publishes everything that was accepted.
    pub fn flush(&mut self) {
        self.publish(Cause::Asked);
    }

    /// By when [`Batcher::flush_due`] is to be called, so that no frame is kept back for longer than the budget. `None`: nothing is kept back. It may be
    /// sooner than the budget after the oldest frame, and have passed already: frames are not accepted with a look at the clock.
    pub fn deadline(&self) -> Option<Instant> {
        self.keeps_back()
            .then(|| {
                self.start
                    .checked_add(Duration::from_nanos(self.policy.due()))
            })
            .flatten()
    }

    /// Publishes everything that was accepted if [`Batcher::deadline`] is `now` or earlier. Returns whether it did.
    pub fn flush_due(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|deadline| now >= deadline);
        if due {
            self.publish(Cause::Due);
        }
        due
    }

    /// Whether frames were accepted that are not published yet.
    pub fn keeps_back(&self) -> bool {
        !self.sender.is_forked() && self.sender.has_open_group()
    }

    /// Publishes everything, and looks whether the peer's receiver is still there: see [`Sender::check`].
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.sender().check()
    }

    /// Accepts at `priority` from now on, in place of 0: what was accepted before is published. A batcher of bulk data leaves 0 to what is urgent, and
    /// that is sent through [`Batcher::sender`], [`at`](Sender::at) 0.
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority.
    pub fn accept_at(&mut self, priority: usize) -> Result<(), SendError> {
        self.flush();
        self.sender.take_up(priority).map(drop)
    }

    /// Publishes everything, and gives the sender for whatever a batcher does not do: frames in place, polling, its state.
    pub fn sender(&mut self) -> &mut Sender {
        self.flush();
        &mut self.sender
    }

    /// Publishes everything, and gives the sender back.
    pub fn into_sender(mut self) -> Sender {
        self.flush();
        self.sender.publish_when_dropped(false);
        self.sender.go_back(0);
        self.sender
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    #[inline(always)]
    fn accept(&mut self, kind: u16, payload: &[u8], wait: Patience) -> Result<(), SendError> {
        // An open group is ours, as long as it is open.
        if !self.sender.has_open_group() {
            if !self.policy.groups() {
                return self.accept_at_once(kind, payload, wait);
            }
            self.sender.heed_verdict()?;
        }
        match self.sender.append(payload, kind, None) {
            Ok(()) => {
                self.accepted(payload.len());
                Ok(())
            }
            Err(error) => self.refused(error, kind, payload, wait),
        }
    }

    #[inline(always)]
    fn accept_at_once(
        &mut self,
        kind: u16,
        payload: &[u8],
        wait: Patience,
    ) -> Result<(), SendError> {
        self.before_at_once();
        match wait {
            Some(None) => self.sender.send_kind(kind, payload)?,
            Some(Some(deadline)) => self.sender.send_kind_deadline(kind, payload, deadline)?,
            None => self.sender.try_send_kind(kind, payload)?,
        }
        self.took_at_once();
        Ok(())
    }

    /// A frame is about to be published by itself.
    #[inline(always)]
    fn before_at_once(&mut self) {
        if self.policy.turns_next() {
            self.sender.remember();
        }
    }

    /// It was.
    #[inline(always)]
    fn took_at_once(&mut self) {
        if self.policy.took_at_once() {
            self.turn(Cause::Planned);
        }
    }

    /// A frame that can never be sent changes nothing. Else there is no room, and what is kept back must be visible, or the peer could not make any; or
    /// the connection is over.
    #[cold]
    #[inline(never)]
    fn refused(
        &mut self,
        error: SendError,
        kind: u16,
        payload: &[u8],
        wait: Patience,
    ) -> Result<(), SendError> {
        if matches!(error, SendError::TooLarge { .. }) {
            return Err(error);
        }
        self.flush();
        match (error, wait) {
            (SendError::Full, Some(None)) => self.sender.send_kind(kind, payload),
            (SendError::Full, Some(Some(deadline))) => {
                self.sender.send_kind_deadline(kind, payload, deadline)
            }
            (SendError::Full, None) => self.sender.try_send_kind(kind, payload),
            (error, _) => Err(error),
        }
    }

    /// Accepts a frame of `len` bytes which `fill` writes, all of them; not called in a forked child, where nothing is sent.
    #[inline]
    pub(super) fn accept_filled(
        &mut self,
        kind: u16,
        len: usize,
        wait: Patience,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<(), SendError> {
        let groups = self.policy.groups();
        if !groups || self.is_full_for(len)? {
            if !groups {
                self.before_at_once();
            }
            let mut place = self.sender().reserve_within(len, 8, wait)?.kind(kind);
            fill(&mut place);
            place.commit();
            if !groups {
                self.took_at_once();
            }
            return Ok(());
        }
        let slot = self.sender.slot(len, 8, None)?;
        let mut place = Reservation::new(&mut self.sender, slot, true).kind(kind);
        fill(&mut place);
        place.commit();
        self.accepted(len);
        Ok(())
    }

    /// Whether there is no room now for a frame of `len` bytes.
    fn is_full_for(&mut self, len: usize) -> Result<bool, SendError> {
        if !self.sender.has_open_group() {
            self.sender.heed_verdict()?;
        }
        match self.sender.slot(len, 8, None) {
            Ok(_) => Ok(false),
            Err(SendError::Full) => Ok(true),
            Err(error @ SendError::TooLarge { .. }) => Err(error),
            Err(error) => {
                self.flush();
                Err(error)
            }
        }
    }

    /// A frame of `len` bytes of payload is in the open group.
    #[inline(always)]
    fn accepted(&mut self, len: usize) {
        if self.policy.took(frame_length(len as u64)) {
            self.publish(Cause::Planned);
        } else if self.sender.peer_has_waited() {
            self.publish(Cause::Waiting);
        }
    }

    #[inline(never)]
    fn publish(&mut self, cause: Cause) {
        if !self.keeps_back() {
            return;
        }
        // Before it is published, always: what the receiver says from then on may be that it has read all of this and waits for more, which the next frame
        // must not be kept back from. The load cannot see that early: it comes before the publish, a release, and the receiver says so behind its acquire of
        // what was published. What it said before is answered by the publish, which wakes it.
        self.sender.remember();
        self.sender.publish_group();
        #[cfg(test)]
        seam::published();
        self.turn(cause);
    }

    /// All that was accepted has just been published, and what the receiver had said before is remembered. The clock is read behind that, which nobody shall wait for.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, cause: Cause) {
        let Self { sender, policy, .. } = self;
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        policy.turn(now, cause, || has_backlog(sender));
    }
}

impl AsFd for Batcher {
    /// The sender's, which has nothing to tell while frames are kept back: see [`Sender::arm`].
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sender.as_fd()
    }
}

/// Whether more is published and unread than a receiver that keeps up leaves, which tells what it has read in steps of an eighth of the ring, and has
/// a group of at most a quarter just before it.
fn has_backlog(sender: &Sender) -> bool {
    sender.unreleased() > sender.capacity() as u64 / 2
}

/// Where a test has something happen between a publish and what follows it.
#[cfg(test)]
mod seam {
    use std::cell::RefCell;

    thread_local! {
        static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }

    /// Behind the next publish of this thread `what` happens.
    pub(super) fn meanwhile(what: impl FnOnce() + 'static) {
        MEANWHILE.set(Some(Box::new(what)));
    }

    pub(super) fn published() {
        if let Some(what) = MEANWHILE.take() {
            what();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Config, Listener, RecvError};

    /// A receiver that reads everything and goes to wait right behind a flush, sooner than the sender gets on: the next frame is not kept back from it.
    #[test]
    fn a_receiver_that_waits_right_behind_a_flush_is_heard() {
        let path = std::env::temp_dir().join(format!("ringway-batcher-{}", std::process::id()));
        let config = Config::new().capacity(1 << 16).peer_capacity(1 << 16);
        let config = config.handshake_timeout(Duration::from_secs(20));
        let mut listener: Listener = config.bind(path.as_path()).unwrap();
        let client = std::thread::spawn(move || config.connect(path.as_path()).unwrap());
        let (sender, _there) = listener.accept().unwrap().split();
        let (_back, mut receiver) = client.join().unwrap().split();
        let hour = Duration::from_secs(3600);
        let mut batcher = Batcher::new(sender, Bounds::new().budget(hour));
        // Half of the ring unread is a backlog, so that groups begin.
        while !batcher.keeps_back() {
            batcher.try_send(&[1; 16]).expect("room");
        }
        seam::meanwhile(move || {
            let mut looks = 0;
            while looks < 1000 {
                match receiver.try_recv() {
                    Ok(frame) => drop(frame),
                    Err(RecvError::Empty) => looks += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            // Open to the end of the test.
            std::mem::forget(receiver);
        });
        batcher.flush();
        assert!(batcher.policy.groups(), "the next frame may be kept back");
        batcher.send(&[2; 16]).unwrap();
        assert!(!batcher.keeps_back());
    }
}
