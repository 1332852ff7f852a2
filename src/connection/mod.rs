//! Connections: finding each other, the handshake, liveness, and the two halves that applications hold.
//!
//! Absent on purpose: what the bytes mean (typed messages come above), and any thread or timer of ours: whoever waits, waits in
//! its own call.

mod address;
mod attendant;
mod book;
mod client;
mod config;
mod counters;
mod dial;
mod direct;
mod frame;
mod group;
mod handover;
mod handshake;
#[cfg(any(test, fuzzing))]
pub(crate) mod judged;
mod lack;
mod lineage;
mod link;
mod listener;
mod observer;
mod outcome;
mod placement;
mod polled;
mod prefetch;
mod quota;
mod receiver;
mod redial;
mod reservation;
mod rest;
mod resume;
mod room;
mod schemas;
mod sender;
mod server;
mod shake;
mod shared;
mod shown;
mod side;
mod tangle;
mod tap;
mod timing;
mod turns;

pub use address::Address;
pub use attendant::Attendant;
pub use config::Config;
pub use counters::{ConnectionCounters, Counters, LaneCounters, PriorityCounters};
#[cfg(any(feature = "tokio", all(any(test, fuzzing), feature = "hostile")))]
pub(crate) use dial::{Dial, Dialled};
pub use direct::Owed;
pub use frame::Frame;
pub use group::Group;
pub use handshake::{Handshake, HandshakeStep};
#[cfg(all(any(test, fuzzing), feature = "hostile"))]
pub(crate) use lineage::Claim;
pub use lineage::Lineage;
pub use link::Peer;
pub use listener::Listener;
pub use observer::Observed;
pub use outcome::{Arm, RecvError, SendError};
pub(crate) use polled::Look;
pub use quota::Limits;
pub use receiver::{Frames, Receiver};
#[cfg(feature = "tokio")]
pub(crate) use redial::Reached;
pub use redial::{Redial, RedialStep};
pub use reservation::Reservation;
pub use rest::Interrupter;
#[cfg(feature = "tokio")]
pub(crate) use rest::{Rest, Rested};
pub use resume::{NotResumed, Redelivered, Resumed, Unrelated};
pub use room::Room;
pub(crate) use schemas::BYTES;
pub use sender::{AtPriority, Sender};
pub use shared::SharedSender;
pub(crate) use tangle::is_by_peer;
#[cfg(all(any(test, fuzzing), feature = "hostile"))]
pub(crate) use tap::ANSWERS;
pub use tap::{Direction, Lost, Tap, TapFrame, TapLane};
pub(crate) use timing::Timing;
pub(crate) use turns::{Facts, Sends, Turns, or_expired};

use crate::error::Error;
use crate::schema::Schema;

/// Both directions, each of one lane or of several ([`Config::lanes`]), to one peer.
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
}

impl Connection {
    pub(crate) fn new(sender: Sender, receiver: Receiver) -> Self {
        Self { receiver, sender }
    }

    /// Takes the halves apart: each may live in a thread of its own. The connection ends for the peer's half when ours is dropped.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// The half that sends.
    #[inline]
    pub fn sender(&mut self) -> &mut Sender {
        let _ = self.sender.heed_verdict();
        &mut self.sender
    }

    /// The half that receives.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Both halves at once: to answer a frame while it is looked at.
    pub fn halves(&mut self) -> (&mut Sender, &mut Receiver) {
        let _ = self.sender.heed_verdict();
        (&mut self.sender, &mut self.receiver)
    }

    /// As [`halves`](Self::halves), for a look that sends nothing: what the other half has heard is not asked for.
    #[inline]
    pub(crate) fn lanes_unheeded(&mut self) -> (&mut Sender, &mut Receiver) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    /// What the peer says that it sends. `None`: bytes without a meaning. Where it is the same as what we expect, it is ours: what has no bearing on
    /// the bytes, such as documentation, is then not read from the peer.
    pub fn peer_sends(&self) -> Option<&Schema> {
        self.sender.peer_schemas().sends.as_ref()
    }

    /// What the peer says that it expects to receive. `None`: bytes without a meaning. Where it is the same as what we send, it is ours.
    pub fn peer_expects(&self) -> Option<&Schema> {
        self.sender.peer_schemas().expects.as_ref()
    }
}

/// Connects with the default [`Config`].
///
/// # Errors
/// As for [`Config::connect`].
pub fn connect(address: impl Into<Address>) -> Result<Connection, Error> {
    Config::new().connect(address)
}
