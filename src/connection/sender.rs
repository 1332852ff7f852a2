//! The half that sends.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::link::Peer;
use super::outcome::{Arm, Gone, SendError};
use super::reservation::{Group, Reservation};
use super::rest::{Ended, LIFE_EVERY, Rest};
use super::shared::SharedSender;
use crate::ring::{Producer, Published, Refusal, Slot};
use crate::segment::{MappedForeignWord, MappedOwnRing, MappedOwnWord};
use crate::sys::fork::Birth;

/// The half that sends. One thread at a time uses it; [`Sender::shared`] makes one for several.
///
/// A frame is committed when `send` returns: the peer will see it even if this process is killed in the next instruction. That it
/// was *handled* only an answer can tell.
#[derive(Debug)]
pub struct Sender {
    pub(crate) lane: Producer<MappedOwnRing, MappedForeignWord, MappedOwnWord>,
    birth: Birth,
    dropped: u64,
    broken: Option<SendError>,
    rest: Rest,
}

impl Sender {
    pub(crate) fn new(
        lane: Producer<MappedOwnRing, MappedForeignWord, MappedOwnWord>,
        rest: Rest,
    ) -> Self {
        Self {
            lane,
            birth: rest.link.birth,
            dropped: 0,
            broken: None,
            rest,
        }
    }

    /// Sends a copy of `payload`, waiting for space.
    ///
    /// # Errors
    /// [`SendError::TooLarge`], or how the connection ended. Nothing was sent then.
    #[inline(always)]
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        match self.try_send(payload) {
            Err(SendError::Full) => self.send_slowly(payload, None),
            other => other,
        }
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn send_deadline(&mut self, payload: &[u8], deadline: Instant) -> Result<(), SendError> {
        match self.try_send(payload) {
            Err(SendError::Full) => self.send_slowly(payload, Some(deadline)),
            other => other,
        }
    }

    /// Sends a copy of `payload` if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline(always)]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        match self.lane.send_through(payload, 0) {
            Some(published) => {
                self.published(published);
                Ok(())
            }
            None => self.try_send_slowly(payload),
        }
    }

    /// What the gate did not let through. It is shut in the child of a fork too.
    #[cold]
    #[inline(never)]
    fn try_send_slowly(&mut self, payload: &[u8]) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        match self.lane.try_send(payload, 0) {
            Ok(published) => {
                self.published(published);
                Ok(())
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Sends, or drops the payload and counts it when the ring is full. Returns whether it was sent.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub fn send_or_drop(&mut self, payload: &[u8]) -> Result<bool, SendError> {
        match self.try_send(payload) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => {
                self.dropped += 1;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Payloads that [`Sender::send_or_drop`] has dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Space in the ring for `len` bytes, to be filled in place; waits for it.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_aligned(len, 8)
    }

    /// As [`Sender::reserve`], with the payload's address a multiple of `align` on both sides.
    ///
    /// # Errors
    /// Also [`SendError::Alignment`].
    #[inline(always)]
    pub fn reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, align, Some(None))?;
        Ok(Reservation::new(self, slot, false))
    }

    /// As [`Sender::reserve`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn reserve_deadline(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, 8, Some(Some(deadline)))?;
        Ok(Reservation::new(self, slot, false))
    }

    /// As [`Sender::reserve`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, 8, None)?;
        Ok(Reservation::new(self, slot, false))
    }

    /// Opens a group: frames that become visible together, with one store.
    #[inline]
    pub fn group(&mut self) -> Group<'_> {
        Group::new(self)
    }

    /// The longest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.lane.most() as usize
    }

    /// Bytes in the ring.
    pub fn capacity(&self) -> usize {
        self.lane.capacity() as usize
    }

    /// Whether the peer's receiver is known to be gone. Looks at shared memory and at the kernel's word.
    pub fn is_closed(&mut self) -> bool {
        self.birth.is_forked() || self.rest.ask(Instant::now(), Duration::ZERO).is_some()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.rest.link.peer
    }

    /// Before polling this half's descriptor in an event loop: is there space for `len` bytes now? Only after [`Arm::Armed`] is the
    /// descriptor worth polling. With [`Wait::Spin`](crate::Wait::Spin) the answer is always [`Arm::Ready`].
    ///
    /// # Errors
    /// [`SendError::TooLarge`], or a broken protocol.
    pub fn arm(&mut self, len: usize) -> Result<Arm, SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.publish_leaked();
        let Self { lane, rest, .. } = self;
        let outcome = rest.arm(&mut || lane.has_room(len, 8).map(|room| room.then_some(())));
        outcome.map_err(|refusal| self.refused(refusal))
    }

    /// A sender for several threads, at the price of a mutex.
    pub fn shared(self) -> SharedSender {
        SharedSender::new(self)
    }

    /// As [`Sender::slot`], outside a group.
    #[inline(always)]
    fn lone_slot(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Slot, SendError> {
        self.publish_leaked();
        self.slot(len, align, wait)
    }

    /// Publishes a group whose guard was leaked: the peer could never make room behind frames that it does not see.
    #[inline(always)]
    fn publish_leaked(&mut self) {
        if self.lane.has_open_group() && !self.is_forked() {
            self.publish_group();
        }
    }

    /// Publishes the open group, if there is one.
    #[inline(always)]
    pub(crate) fn publish_group(&mut self) {
        if let Some(published) = self.lane.publish() {
            self.published(published);
        }
    }

    /// Room for a frame. `wait`: `None` does not, `Some(None)` waits for ever.
    #[inline(always)]
    pub(crate) fn slot(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Slot, SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        match self.lane.try_reserve(len, align) {
            Ok(slot) => Ok(slot),
            Err(refusal) => self.slot_slowly(len, align, wait, refusal),
        }
    }

    #[cold]
    fn slot_slowly(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
        refusal: Refusal,
    ) -> Result<Slot, SendError> {
        let mut outcome = Err(refusal);
        loop {
            match (outcome, wait) {
                (Ok(slot), _) => return Ok(slot),
                (Err(Refusal::Full), Some(deadline)) => {
                    // What is withheld must be visible before we wait, or the peer could not make room.
                    self.publish_group();
                    self.wait_for_room(len, align, deadline)?;
                    outcome = self.lane.try_reserve(len, align);
                }
                (Err(refusal), _) => return Err(self.refused(refusal)),
            }
        }
    }

    /// Adds a copy of `payload` to the open group. `wait` as in `slot`.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        payload: &[u8],
        wait: Option<Option<Instant>>,
    ) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        match self.lane.try_append(payload, 0) {
            Ok(()) => Ok(()),
            Err(refusal) => self.append_slowly(payload, refusal, wait),
        }
    }

    #[cold]
    fn append_slowly(
        &mut self,
        payload: &[u8],
        refusal: Refusal,
        wait: Option<Option<Instant>>,
    ) -> Result<(), SendError> {
        if refusal != Refusal::Full {
            return Err(self.refused(refusal));
        }
        let slot = self.slot(payload.len(), 8, wait)?;
        self.lane.fill(&slot, payload);
        self.lane.append(&slot, payload.len() as u32, 0);
        Ok(())
    }

    /// Whether this is a child of the process that made the connection, where nothing of it is mapped.
    #[inline(always)]
    pub(crate) fn is_forked(&self) -> bool {
        self.birth.is_forked()
    }

    /// Behind every publish: wake the peer if it sleeps. Once it has closed its half, the lane is shut.
    #[inline(always)]
    pub(crate) fn published(&mut self, published: Published) {
        if published == Published::Fenced && self.rest.wake_peer() {
            self.lane.shut();
        }
    }

    #[cold]
    fn send_slowly(&mut self, payload: &[u8], deadline: Option<Instant>) -> Result<(), SendError> {
        loop {
            self.wait_for_room(payload.len(), 8, deadline)?;
            match self.try_send(payload) {
                Err(SendError::Full) => {}
                other => return other,
            }
        }
    }

    fn wait_for_room(
        &mut self,
        len: usize,
        align: usize,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        let Self { lane, rest, .. } = self;
        let outcome = rest.wait(deadline, &mut || {
            lane.has_room(len, align).map(|room| room.then_some(()))
        });
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Ended::TimedOut)) => Err(SendError::TimedOut),
            Ok(Err(Ended::Gone(gone))) => Err(self.ended(gone)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// The connection is over, for good.
    fn ended(&mut self, gone: Gone) -> SendError {
        self.lane.shut();
        self.rest.gone = Some(gone);
        gone.into()
    }

    #[cold]
    #[inline(never)]
    fn refused(&mut self, refusal: Refusal) -> SendError {
        match refusal {
            Refusal::Full => {
                // A group whose guard was leaked may have been published just now, without a look at the peer's epoch.
                self.rest.wake_peer();
                match self.rest.ask(Instant::now(), LIFE_EVERY) {
                    Some(gone) => self.ended(gone),
                    None => SendError::Full,
                }
            }
            Refusal::TooLarge { payload, most } => SendError::TooLarge {
                len: payload,
                max: most as usize,
            },
            Refusal::Alignment { asked, most } => SendError::Alignment {
                asked,
                max: most as usize,
            },
            Refusal::Broken(violation) => {
                self.lane.shut();
                *self.broken.insert(SendError::Protocol(violation))
            }
            Refusal::Shut => match (self.broken, self.rest.gone) {
                (Some(broken), _) => broken,
                (None, gone) => gone.unwrap_or(Gone::Closed).into(),
            },
        }
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rest.as_fd()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.rest.close();
    }
}
