//! One sender for several threads.

use core::fmt::Debug;
use core::ops::DerefMut;
use std::time::Instant;

use super::link::Peer;
use super::outcome::SendError;
use super::sender::Sender;
use super::turns::{Facts, Sends, Turns, or_expired};

/// A [`Sender`] behind a mutex. Each send takes and gives back an uncontended lock (two atomic read-modify-writes; sending and
/// receiving a 64-byte frame in one process took 18 ns in place of 9, `cargo bench --package ringway-benches --bench connection`); threads
/// that meet there wait for each other, and a thread that waits for space makes the others wait behind it.
///
/// Where there are several priorities ([`Config::lanes`](crate::Config::lanes)), a thread that waits for space holds up nobody: it gives the sender back and looks again, at
/// first at once, then every 100 µs. [`SharedSender::at`] makes one that sends at another priority.
///
/// An [`Interrupter`](crate::Interrupter) of the sender ends the wait for space of one thread; no signal does where there are several priorities ([`Sender::heed_signals`]).
///
/// What it does not offer by itself (reservations, groups) is to be had of the sender in [`SharedSender::lock`]. The last clone that
/// is dropped drops the sender; how it counts if a panic does that, [`Sender`] says.
#[derive(Clone, Debug)]
pub struct SharedSender {
    turns: Turns<Sender>,
    priority: usize,
}

impl Sends for Sender {
    fn half(&mut self) -> &mut Sender {
        self
    }
}

impl SharedSender {
    pub(crate) fn new(mut sender: Sender) -> Self {
        let facts = Facts::of(&mut sender);
        Self {
            turns: Turns::new(sender, facts),
            priority: 0,
        }
    }

    /// Another one of the same sender, whose frames have `priority`: see [`Sender::at`].
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority.
    pub fn at(&self, priority: usize) -> Result<Self, SendError> {
        SendError::check_priority(priority, self.priorities())?;
        Ok(Self {
            priority,
            ..self.clone()
        })
    }

    /// The sender, if this is the last one that shares it.
    ///
    /// # Errors
    /// It is not: it is given back.
    pub fn into_sender(self) -> Result<Sender, Self> {
        let priority = self.priority;
        self.turns
            .into_inner()
            .map_err(|turns| Self { turns, priority })
    }

    /// As [`Sender::priorities`].
    pub fn priorities(&self) -> usize {
        self.turns.facts().priorities
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send(&self, payload: &[u8]) -> Result<(), SendError> {
        self.send_kind(0, payload)
    }

    /// As [`Sender::send_kind`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send_kind(&self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.turns.send(
            None,
            |sender| sender.at(self.priority)?.try_send_kind(kind, payload),
            |sender| sender.send_kind(kind, payload),
        )
    }

    /// As [`Sender::send_deadline`]. The deadline is for both waits: for the other threads, whose lock is looked at every 100 µs,
    /// and for space.
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`].
    pub fn send_deadline(&self, payload: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_kind_deadline(0, payload, deadline)
    }

    /// As [`SharedSender::send_deadline`], with a number: [`Sender::send_kind`].
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`].
    pub fn send_kind_deadline(
        &self,
        kind: u16,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        self.turns.send(
            Some(deadline),
            |sender| sender.at(self.priority)?.try_send_kind(kind, payload),
            |sender| sender.send_kind_deadline(kind, payload, deadline),
        )
    }

    /// As [`Sender::send_expiring`]. Both waits, for the other threads and for space, end when the frame expires.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub fn send_expiring(&self, payload: &[u8], expires: Instant) -> Result<(), SendError> {
        let outcome = self.turns.send(
            Some(expires),
            |sender| {
                let mut sender = sender.at(self.priority)?;
                sender.try_send_expiring(payload, expires)
            },
            |sender| sender.send_expiring(payload, expires),
        );
        outcome.map_err(or_expired)
    }

    /// As [`Sender::try_send`]; also [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send(&self, payload: &[u8]) -> Result<(), SendError> {
        self.try_send_kind(0, payload)
    }

    /// As [`Sender::try_send_kind`]; also [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send_kind(&self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        let mut sender = self.turns.attempt()?;
        sender.at(self.priority)?.try_send_kind(kind, payload)
    }

    /// The sender, for this thread alone until the guard is dropped, at priority 0 until [`Sender::at`] names another: for reservations, groups, and whatever must not be interleaved with
    /// what other threads send.
    ///
    /// There is no `reserve` without the guard: space in the ring is in the order of the frames, so nobody could send until the
    /// reservation is committed, and a thread that sends while it holds one of its own would wait for itself for ever. That
    /// is true of the guard too, and it shows there: keep it briefly, and send through it.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-lock-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || ringway::connect(path));
    /// # let (sender, _receiver) = listener.accept()?.split();
    /// let shared = sender.shared();
    /// let mut sender = shared.lock()?;
    /// let mut reservation = sender.reserve(5)?;
    /// reservation.copy_from_slice(b"hello");
    /// reservation.commit();
    /// drop(sender);
    /// shared.send(b"world")?;
    /// # drop(client.join().unwrap()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendError::Forked`].
    pub fn lock(&self) -> Result<impl DerefMut<Target = Sender> + Debug, SendError> {
        self.turns.wait()
    }

    /// As [`SharedSender::lock`], waiting for a thread that is sending until `deadline`: one that waits for room does so as long as it takes. Its lock is looked at every 100 µs, and at least once.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; [`SendError::Forked`].
    pub fn lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<impl DerefMut<Target = Sender> + Debug, SendError> {
        self.turns.wait_until(deadline)
    }

    /// As [`SharedSender::lock`], without waiting: [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// [`SendError::Full`]; [`SendError::Forked`].
    pub fn try_lock(&self) -> Result<impl DerefMut<Target = Sender> + Debug, SendError> {
        self.turns.attempt()
    }

    /// As [`Sender::check`]. Waits for a thread that is sending: [`SharedSender::try_lock`] and [`SharedSender::lock_deadline`] do not, or not for ever.
    ///
    /// # Errors
    /// As for [`Sender::check`].
    pub fn check(&self) -> Result<(), SendError> {
        self.turns.wait()?.check()
    }

    /// As [`Sender::is_closed`]. Waits for a thread that is sending.
    pub fn is_closed(&self) -> bool {
        self.check().is_err()
    }

    /// As [`Sender::capacity`].
    pub fn capacity(&self) -> usize {
        self.turns.facts().capacity
    }

    /// As [`Sender::max_payload`].
    pub fn max_payload(&self) -> usize {
        self.turns.facts().max_payload
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.turns.facts().peer
    }
}
