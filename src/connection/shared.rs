//! One sender for several threads.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::outcome::SendError;
use super::sender::Sender;

/// A [`Sender`] behind a mutex. Each send takes and gives back an uncontended lock (two atomic read-modify-writes; sending and
/// receiving a 64-byte frame in one process took 18 ns in place of 9, `cargo bench --bench connection`); threads
/// that meet there wait for each other, and a thread that waits for space makes the others wait behind it.
#[derive(Clone, Debug)]
pub struct SharedSender {
    inner: Arc<Mutex<Sender>>,
}

impl SharedSender {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            inner: Arc::new(Mutex::new(sender)),
        }
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub fn send(&self, payload: &[u8]) -> Result<(), SendError> {
        // A panic inside leaves a sender whole: frames become visible by one store.
        self.inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(payload)
    }

    /// As [`Sender::try_send`]; also [`SendError::Full`] while another thread is sending.
    ///
    /// # Errors
    /// As for [`Sender::try_send`].
    pub fn try_send(&self, payload: &[u8]) -> Result<(), SendError> {
        match self.inner.try_lock() {
            Ok(mut sender) => sender.try_send(payload),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().try_send(payload),
            Err(TryLockError::WouldBlock) => Err(SendError::Full),
        }
    }
}
