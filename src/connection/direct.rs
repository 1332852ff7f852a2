//! The shortest way through a half, for bindings: whatever needs more than some loads and stores is left to another call.
//!
//! A binding's call is not in line with whoever calls it, and what it keeps in registers over a call of its own it has to save first: so it asks this, which makes none, before it does anything else.

use super::receiver::Receiver;
use super::sender::Sender;
use crate::ring::Published;
use crate::wake::park::Signal;

/// What is still to be done behind [`Sender::send_at_once`]: perhaps the peer sleeps.
#[derive(Debug)]
#[must_use = "the peer may sleep until it is woken: give it to `Sender::settle`"]
pub struct Owed(Signal);

impl Owed {
    /// Whether it is nothing, as mostly: then it can be dropped.
    #[inline(always)]
    pub fn is_nothing(&self) -> bool {
        matches!(self.0, Signal::Nothing)
    }
}

impl Sender {
    /// Sends a copy of `payload`, of kind 0, if there is room, no group is open and nothing else is to be looked at; what is still to be done then is told. Makes no call. `None`: nothing was sent, and
    /// [`try_send`](Sender::try_send) knows why.
    #[inline(always)]
    pub fn send_at_once(&mut self, payload: &[u8]) -> Option<Owed> {
        let published = self.lane.send_through(payload, 0)?;
        Some(Owed(if published == Published::Plain {
            Signal::Nothing
        } else {
            self.look_at_peer()
        }))
    }

    /// Does what is still to be done.
    #[cold]
    pub fn settle(&mut self, Owed(signal): Owed) {
        if signal != Signal::Nothing {
            self.signal(signal);
        }
    }
}

impl Receiver {
    /// Copies the next frame into `buffer` and releases it, if it is there, of kind 0, fills the buffer, and nothing else is to be looked at. Makes no call where the buffer is small. `false`: nothing was received, and
    /// [`try_recv_into`](Receiver::try_recv_into) knows why.
    #[inline(always)]
    pub fn recv_at_once(&mut self, buffer: &mut [u8]) -> bool {
        self.take_exact(buffer)
    }
}
