//! Sending frames that expire: each carries the moment from which on it is worth nothing.
//!
//! It is told to the peer on the host's clock, so it is right whatever time namespaces the two are in. What is queued before a frame is known from the peer's released position; how
//! long that takes, `wake/drain.rs` estimates. Sends of frames that do not expire have no part in it.

use std::time::{Duration, Instant};

use super::Sender;
use crate::connection::outcome::SendError;
use crate::connection::reservation::Reservation;
use crate::connection::rest::LIFE_EVERY;
use crate::connection::room::Room;
use crate::ring::{Refusal, Slot};
use crate::sys::clock::HostClock;
use crate::sys::cpu;
use crate::wake::drain::Drain;

impl Sender {
    /// Sends a copy of `payload` that expires: from `expires` on it is worth nothing. Waits for space until then.
    ///
    /// A receiver can see when it does ([`Frame::expires`](crate::Frame::expires)), and can have it dropped ([`Receiver::drop_expired`](crate::Receiver::drop_expired)). It takes eight bytes
    /// of the ring more than a plain frame. `expires` has nothing to do with [`Sender::send_deadline`], whose deadline is the end of a wait and never leaves this process.
    ///
    /// ```
    /// # use std::time::{Duration, Instant};
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-expiring-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || ringway::connect(path));
    /// # let (mut sender, _theirs) = listener.accept()?.split();
    /// # let (_ours, mut receiver) = client.join().unwrap()?.split();
    /// receiver.drop_expired(true)?;
    /// sender.send_expiring(b"soon stale", Instant::now() + Duration::from_millis(50))?;
    /// sender.send_expiring(b"good for an hour", Instant::now() + Duration::from_secs(3600))?;
    /// std::thread::sleep(Duration::from_millis(60));
    /// assert_eq!(receiver.recv()?.to_vec(), b"good for an hour");
    /// assert_eq!(receiver.expired(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Sender::send`]; the longest payload is eight bytes shorter. [`SendError::Expired`]: it had expired, or did while it waited for space. [`SendError::QueueTooLong`]: the peer would not come to it in
    /// time ([`Sender::queue_time`]). [`SendError::Clock`].
    pub fn send_expiring(&mut self, payload: &[u8], expires: Instant) -> Result<(), SendError> {
        self.send_kind_expiring(0, payload, expires)
    }

    /// As [`Sender::send_expiring`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind).
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub fn send_kind_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        self.put_expiring(kind, payload, expires, true)
    }

    /// As [`Sender::send_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_expiring(&mut self, payload: &[u8], expires: Instant) -> Result<(), SendError> {
        self.try_send_kind_expiring(0, payload, expires)
    }

    /// As [`Sender::send_kind_expiring`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    pub fn try_send_kind_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        self.put_expiring(kind, payload, expires, false)
    }

    /// Space in the ring for `len` bytes that expire, to be filled in place; waits for it until `expires`. Nobody asks again when it is committed.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub fn reserve_expiring(
        &mut self,
        len: usize,
        expires: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_expiring_within(len, 8, expires, true)
    }

    /// How long the peer takes, at least, to read what is in the ring now, if it goes on as fast as it did lately. `None`: nothing is known yet.
    ///
    /// It is learned by this call and by sends of frames that expire, whether they are refused or not, from how far the peer has released what it read. Plain sends have no part in
    /// it. The peer tells that in steps of an eighth of the ring, and what may have been read already does not count: less than such a step in the ring takes no time. Frames that
    /// the peer holds ([`Receiver::hold`](crate::Receiver::hold)) count as unread. It errs to the shorter side, so that no frame is refused
    /// ([`SendError::QueueTooLong`]) that would have been read in time: of the last paces the fastest counts, unless the peer is slower right now. It is about the ring of the priority that
    /// sends ([`Sender::at`]): frames of higher ones that the peer will take first are not in it.
    pub fn queue_time(&mut self) -> Option<Duration> {
        if self.is_forked() {
            return None;
        }
        let now = cpu::nanos();
        self.look_at_queue(now);
        self.drain().time(now).map(Duration::from_nanos)
    }

    fn look_at_queue(&mut self, now: u64) {
        let sent = self.lane.published();
        let released = sent - self.lane.unreleased();
        self.drain().saw(now, sent, released);
    }

    /// That of the lane at hand.
    fn drain(&mut self) -> &mut Drain {
        let priority = self.priority();
        &mut self.drains[priority]
    }

    fn put_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
        waits: bool,
    ) -> Result<(), SendError> {
        let (slot, at) = self.lone_expiring_slot(payload.len(), 8, expires, waits)?;
        self.lane.fill_expiring(&slot, payload);
        let len = payload.len() as u32;
        let published = self.lane.commit_expiring(&slot, len, kind, at);
        self.published(published);
        Ok(())
    }

    pub(crate) fn reserve_expiring_within(
        &mut self,
        len: usize,
        align: usize,
        expires: Instant,
        waits: bool,
    ) -> Result<Reservation<'_>, SendError> {
        let (slot, at) = self.lone_expiring_slot(len, align, expires, waits)?;
        Ok(Reservation::expiring(self, slot, at, false))
    }

    /// Adds a copy of `payload` that expires to the open group.
    pub(crate) fn append_expiring(
        &mut self,
        kind: u16,
        payload: &[u8],
        expires: Instant,
    ) -> Result<(), SendError> {
        let (slot, at) = self.expiring_slot(payload.len(), 8, expires, true)?;
        self.lane.fill_expiring(&slot, payload);
        let len = payload.len() as u32;
        self.lane.append_expiring(&slot, len, kind, at);
        Ok(())
    }

    /// As `expiring_slot`, outside a group.
    pub(super) fn lone_expiring_slot(
        &mut self,
        len: usize,
        align: usize,
        expires: Instant,
        waits: bool,
    ) -> Result<(Slot, u64), SendError> {
        self.publish_leaked();
        self.heed_verdict()?;
        self.expiring_slot(len, align, expires, waits)
    }

    /// Room for a frame that expires, and when it does on the host's clock.
    pub(crate) fn expiring_slot(
        &mut self,
        len: usize,
        align: usize,
        expires: Instant,
        waits: bool,
    ) -> Result<(Slot, u64), SendError> {
        if self.is_forked() {
            return Err(SendError::Forked);
        }
        let clock = HostClock::here().map_err(|_| SendError::Clock)?;
        loop {
            self.refuse_late(expires)?;
            match self.lane.try_reserve_expiring(len, align) {
                Ok(slot) => return Ok((slot, clock.host(expires))),
                Err(Refusal::Full) if waits => {
                    // As in `slot_slowly`.
                    self.publish_group();
                    match self.wait_for(Room::of(len).aligned(align).expiring(), Some(expires)) {
                        // What there is to say about being late, the next look says.
                        Err(SendError::TimedOut) => {}
                        waited => waited?,
                    }
                }
                Err(refusal) => return Err(self.refused(refusal)),
            }
        }
    }

    /// Refuses what has expired, or will have when the peer comes to it.
    fn refuse_late(&mut self, expires: Instant) -> Result<(), SendError> {
        let now = Instant::now();
        let left = expires.saturating_duration_since(now);
        let refusal = if left.is_zero() {
            SendError::Expired
        } else if self.queue_time().is_some_and(|time| time > left) {
            SendError::QueueTooLong
        } else {
            return Ok(());
        };
        self.late.add();
        // Whoever is refused each time, and so does not send, hears of the end here or not at all.
        let _ = self.rest.ask(now, LIFE_EVERY);
        self.heed()?;
        Err(refusal)
    }
}
