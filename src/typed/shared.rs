//! One sender of messages for several threads.

use core::fmt::{self, Debug};
use core::ops::DerefMut;
use std::time::Instant;

use super::message::{Carries, Fixed, Messages, Tailed};
use super::sender::Sender;
use crate::connection::{self, Facts, Peer, SendError, Sends, Turns, or_expired};

/// A [`Sender`] behind a mutex, made by [`Sender::shared`]: what [`ringway::SharedSender`](crate::SharedSender) is for bytes, at the same
/// price.
///
/// What it does not offer by itself (reservations, groups) is to be had of the sender in [`SharedSender::lock`].
pub struct SharedSender<M: ?Sized> {
    turns: Turns<Sender<M>>,
    priority: usize,
}

impl<M: Messages + ?Sized> Sends for Sender<M> {
    fn half(&mut self) -> &mut connection::Sender {
        self.untyped()
    }
}

impl<M: Messages + ?Sized> SharedSender<M> {
    pub(crate) fn new(mut sender: Sender<M>) -> Self {
        let facts = Facts::of(sender.untyped());
        Self {
            turns: Turns::new(sender, facts),
            priority: 0,
        }
    }

    /// Another one of the same sender, whose messages have `priority`: see [`ringway::SharedSender::at`](crate::SharedSender::at).
    ///
    /// # Errors
    /// [`SendError::Priority`]: there is no such priority.
    pub fn at(&self, priority: usize) -> Result<Self, SendError> {
        SendError::check_priority(priority, self.turns.facts().priorities)?;
        Ok(Self {
            priority,
            ..self.clone()
        })
    }

    /// The sender, if this is the last one that shares it.
    ///
    /// # Errors
    /// It is not: it is given back.
    pub fn into_sender(self) -> Result<Sender<M>, Self> {
        let priority = self.priority;
        self.turns
            .into_inner()
            .map_err(|turns| Self { turns, priority })
    }

    /// At its priority. `attempt` does not wait for room, `send` does, until `deadline`; `None`: for ever.
    fn either(
        &self,
        deadline: Option<Instant>,
        mut attempt: impl FnMut(&mut Sender<M>) -> Result<(), SendError>,
        send: impl FnOnce(&mut Sender<M>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let attempt = |sender: &mut Sender<M>| attempt(&mut *sender.at(self.priority)?);
        self.turns.send(deadline, attempt, send)
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send<T: Fixed>(&self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            None,
            |sender| sender.try_send(message),
            |sender| sender.send(message),
        )
    }

    /// As [`Sender::send_deadline`]. The deadline is for both waits: for the other threads, whose lock is looked at every 100 µs,
    /// and for space.
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`].
    pub fn send_deadline<T: Fixed>(&self, message: &T, deadline: Instant) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            Some(deadline),
            |sender| sender.try_send(message),
            |sender| sender.send_deadline(message, deadline),
        )
    }

    /// As [`Sender::send_expiring`]. Both waits, for the other threads and for space, end when the message expires.
    ///
    /// # Errors
    /// As for [`Sender::send_expiring`].
    pub fn send_expiring<T: Fixed>(&self, message: &T, expires: Instant) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let outcome = self.either(
            Some(expires),
            |sender| sender.try_send_expiring(message, expires),
            |sender| sender.send_expiring(message, expires),
        );
        outcome.map_err(or_expired)
    }

    /// As [`Sender::try_send`]; also [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send<T: Fixed>(&self, message: &T) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        let mut sender = self.turns.attempt()?;
        sender.at(self.priority)?.try_send(message)
    }

    /// As [`Sender::send_any`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send_any(&self, message: &M::Received) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.either(
            None,
            |sender| sender.untyped().try_send_kind(kind, bytes),
            |sender| sender.untyped().send_kind(kind, bytes),
        )
    }

    /// As [`Sender::send_any_deadline`]. The deadline is for both waits: see [`SharedSender::send_deadline`].
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`].
    pub fn send_any_deadline(
        &self,
        message: &M::Received,
        deadline: Instant,
    ) -> Result<(), SendError> {
        let (kind, bytes) = M::encode(message);
        self.either(
            Some(deadline),
            |sender| sender.untyped().try_send_kind(kind, bytes),
            |sender| sender.untyped().send_kind_deadline(kind, bytes, deadline),
        )
    }

    /// As [`Sender::send_slice`].
    ///
    /// # Errors
    /// As for [`Sender::send_slice`].
    pub fn send_slice<T: Fixed>(&self, messages: &[T]) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            None,
            |sender| sender.try_send_slice(messages),
            |sender| sender.send_slice(messages),
        )
    }

    /// As [`Sender::send_slice_deadline`]. The deadline is for both waits: see [`SharedSender::send_deadline`].
    ///
    /// # Errors
    /// As for [`Sender::send_slice_deadline`].
    pub fn send_slice_deadline<T: Fixed>(
        &self,
        messages: &[T],
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            Some(deadline),
            |sender| sender.try_send_slice(messages),
            |sender| sender.send_slice_deadline(messages, deadline),
        )
    }

    /// As [`Sender::send_with`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send_with<T: Tailed + ?Sized>(
        &self,
        head: &T::Head,
        tail: &T::Tail,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            None,
            |sender| sender.try_send_with::<T>(head, tail),
            |sender| sender.send_with::<T>(head, tail),
        )
    }

    /// As [`Sender::send_with_deadline`]. The deadline is for both waits: see [`SharedSender::send_deadline`].
    ///
    /// # Errors
    /// As for [`Sender::send_deadline`].
    pub fn send_with_deadline<T: Tailed + ?Sized>(
        &self,
        head: &T::Head,
        tail: &T::Tail,
        deadline: Instant,
    ) -> Result<(), SendError>
    where
        M: Carries<T>,
    {
        self.either(
            Some(deadline),
            |sender| sender.try_send_with::<T>(head, tail),
            |sender| sender.send_with_deadline::<T>(head, tail, deadline),
        )
    }

    /// The sender, for this thread alone until the guard is dropped: for reservations, groups, and whatever must not be interleaved with
    /// what other threads send. A thread that sends through the shared sender while it holds the guard waits for itself for ever: send
    /// through the guard, and keep it briefly.
    ///
    /// ```
    /// # use ringway::typed::{self, Message, Nothing};
    /// # use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
    /// # #[derive(Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
    /// # #[zerocopy(crate = "ringway::zerocopy")]
    /// # #[repr(C)]
    /// # struct Fill { order: u64 }
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-typed-lock-{}", std::process::id()));
    /// # let mut listener = typed::Listener::<Fill, Nothing>::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || typed::connect::<Nothing, Fill>(path));
    /// # let (sender, _receiver) = listener.accept()?.split();
    /// let shared = sender.shared();
    /// let mut sender = shared.lock()?;
    /// let mut group = sender.group();
    /// group.send(&Fill { order: 1 })?;
    /// group.send(&Fill { order: 2 })?;
    /// group.publish();
    /// drop(sender);
    /// shared.send(&Fill { order: 3 })?;
    /// # drop(client.join().unwrap()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendError::Forked`].
    pub fn lock(&self) -> Result<impl DerefMut<Target = Sender<M>> + Debug, SendError> {
        self.turns.wait()
    }

    /// As [`SharedSender::lock`], waiting for a thread that is sending until `deadline`: one that waits for room does so as long as it takes. Its lock is looked at every 100 µs, and at least once.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; [`SendError::Forked`].
    pub fn lock_deadline(
        &self,
        deadline: Instant,
    ) -> Result<impl DerefMut<Target = Sender<M>> + Debug, SendError> {
        self.turns.wait_until(deadline)
    }

    /// As [`SharedSender::lock`], without waiting: [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// [`SendError::Full`]; [`SendError::Forked`].
    pub fn try_lock(&self) -> Result<impl DerefMut<Target = Sender<M>> + Debug, SendError> {
        self.turns.attempt()
    }

    /// As [`Sender::check`]. Waits for a thread that is sending: [`SharedSender::try_lock`] and [`SharedSender::lock_deadline`] do not, or not for ever.
    ///
    /// # Errors
    /// As for [`Sender::check`].
    pub fn check(&self) -> Result<(), SendError> {
        self.turns.wait()?.check()
    }

    /// Whether the peer's receiver is known to be gone: what [`SharedSender::check`] finds. Waits for a thread that is sending.
    pub fn is_closed(&self) -> bool {
        self.check().is_err()
    }

    /// As [`ringway::Sender::capacity`](crate::Sender::capacity).
    pub fn capacity(&self) -> usize {
        self.turns.facts().capacity
    }

    /// As [`ringway::Sender::max_payload`](crate::Sender::max_payload).
    pub fn max_payload(&self) -> usize {
        self.turns.facts().max_payload
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.turns.facts().peer
    }
}

impl<M: ?Sized> Clone for SharedSender<M> {
    fn clone(&self) -> Self {
        Self {
            turns: self.turns.clone(),
            priority: self.priority,
        }
    }
}

impl<M: ?Sized> Debug for SharedSender<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SharedSender").field(&self.turns).finish()
    }
}
