//! What a send does when it cannot be done at once: look again, wait for room, and find out how the connection ended.

use std::time::Instant;

use super::Sender;
use crate::connection::outcome::{Gone, SendError};
use crate::connection::reservation::Reservation;
use crate::connection::rest::{Ended, Interrupter, LIFE_EVERY};
use crate::connection::room::Room;
use crate::ring::{Refusal, Slot};

impl Sender {
    /// What the gate did not let through. It is shut in the child of a fork too.
    #[cold]
    #[inline(never)]
    pub(super) fn try_send_slowly(&mut self, payload: &[u8], kind: u16) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.heed()?;
        let Self { lane, rest, .. } = self;
        // Once for each frame: who sleeps again while it is written is woken by the commit.
        let mut first = true;
        let mut told = || std::mem::take(&mut first) && rest.wake_follower();
        match lane.try_send_waking(payload, kind, &mut told) {
            Ok(published) => {
                self.published(published);
                Ok(())
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    #[cold]
    pub(super) fn slot_slowly(
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
                    self.wait_for(Room::of(len).aligned(align), deadline)?;
                    outcome = self.lane.try_reserve(len, align);
                }
                (Err(refusal), _) => return Err(self.refused(refusal)),
            }
        }
    }

    #[cold]
    pub(super) fn append_slowly(
        &mut self,
        payload: &[u8],
        kind: u16,
        refusal: Refusal,
        wait: Option<Option<Instant>>,
    ) -> Result<(), SendError> {
        if refusal != Refusal::Full {
            return Err(self.refused(refusal));
        }
        let slot = self.slot(payload.len(), 8, wait)?;
        self.lane.fill(&slot, payload);
        self.lane.append(&slot, payload.len() as u32, kind);
        Ok(())
    }

    #[cold]
    pub(super) fn send_slowly(
        &mut self,
        payload: &[u8],
        kind: u16,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        loop {
            self.wait_for(Room::of(payload.len()), deadline)?;
            match self.try_send_kind(kind, payload) {
                Err(SendError::Full) => {}
                other => return other,
            }
        }
    }

    /// As [`Sender::reserve_aligned`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn reserve_aligned_deadline(
        &mut self,
        len: usize,
        align: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, align, Some(Some(deadline)))
    }

    /// As [`Sender::reserve_aligned`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_within(len, align, None)
    }

    /// Waits until there is room for a payload of so many bytes, or as [`Room`] says, which the next call can send; `None` waits for ever. Publishes a group whose guard was leaked.
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`]; [`SendError::Alignment`].
    pub fn wait_for_room(
        &mut self,
        room: impl Into<Room>,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.publish_leaked();
        self.heed()?;
        self.wait_for(room.into(), deadline)
    }

    /// What ends a wait of this half from another thread.
    pub fn interrupter(&mut self) -> Interrupter {
        self.rest.interrupter()
    }

    /// `true`: a signal ends a sleep of this half, if it has a handler and that has run in the thread that sleeps; the call answers [`SendError::Interrupted`]. Default: waits go on. A signal that
    /// comes before the sleep is not seen by it, and a wait that spins sees none. The kernel ends a sleep without one where the process was stopped and goes on, and where a
    /// connection of this thread has gone: so look for what your handlers have noted, and wait again.
    pub fn heed_signals(&mut self, on: bool) {
        self.rest.heed_signals(on);
    }

    /// For whoever waits by looking again and again: one wait is counted, and one refusal.
    pub(crate) fn look_again(&mut self, on: bool) {
        self.looks_again = on;
    }

    pub(super) fn wait_for(
        &mut self,
        room: Room,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        let Self { lane, rest, .. } = self;
        let outcome = rest.wait(deadline, &mut || {
            room.is_in(lane).map(|there| there.then_some(()))
        });
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ended)) => Err(self.over(ended)),
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Refuses if either half has learnt of the end. Asks nobody.
    #[cold]
    #[inline(never)]
    pub(super) fn heed(&mut self) -> Result<(), SendError> {
        match (self.broken, self.rest.known_end()) {
            (Some(broken), _) => Err(broken),
            (None, Some(gone)) => Err(self.ended(gone)),
            (None, None) => Ok(()),
        }
    }

    /// What ended a wait without room.
    #[cold]
    pub(super) fn over(&mut self, ended: Ended) -> SendError {
        match ended {
            Ended::TimedOut => SendError::TimedOut,
            Ended::Gone(gone) => {
                // A planted fault, which tests/crash must find: of a peer that dies while we wait for room a descriptor is kept.
                #[cfg(ringway_planted = "kept_descriptor")]
                if gone == Gone::PeerDied && crate::planted::is_asked_for("kept_descriptor") {
                    core::mem::forget(self.link().socket().try_clone_to_owned());
                }
                self.ended(gone)
            }
            Ended::Interrupted => SendError::Interrupted,
        }
    }

    /// The connection is over, for good.
    pub(super) fn ended(&mut self, gone: Gone) -> SendError {
        self.shut();
        self.rest.gone = Some(gone);
        gone.into()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn refused(&mut self, refusal: Refusal) -> SendError {
        match refusal {
            Refusal::Full => {
                // A group whose guard was leaked may have been published just now, without a look at the peer's epoch.
                self.rest.wake_peer();
                if !self.looks_again {
                    self.refused.add();
                }
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
                self.shut();
                *self.broken.insert(SendError::Protocol(violation))
            }
            Refusal::Shut => match (self.broken, self.rest.gone) {
                (Some(broken), _) => broken,
                (None, gone) => gone.unwrap_or(Gone::Closed).into(),
            },
        }
    }
}
