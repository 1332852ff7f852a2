//! Typed connections that outlive their server.

use std::time::Instant;

use super::connection::carrying;
use super::message::Messages;
use super::{Connection, Receiver, Redial, Sender};
use crate::connection::{self, Address, Config, Lineage, NotResumed, Resumed, Unrelated};
use crate::layout::redelivery::Redelivery;

impl<S: Messages + ?Sized, R: Messages + ?Sized> Connection<S, R> {
    /// Connects anew, in the place of `lost`, whose server is gone, and sends again what that one had not finished with: see [`Config::resume`]. The schemas are compared again; what is
    /// sent again is laid out as ours, as everything is that we send.
    ///
    /// A server is finished with a message that it received by value when it receives the next one.
    ///
    /// # Errors
    /// As for that.
    pub fn resume(
        config: &Config,
        address: impl Into<Address>,
        lost: Self,
        deadline: Instant,
    ) -> Result<Resumed<Self>, NotResumed<Self>> {
        match carrying::<S, R>(config).resume(address, lost.into_untyped(), deadline) {
            Ok(resumed) => Ok(resumed.map(Self::new)),
            Err(error) => Err(error.map(Self::new)),
        }
    }

    /// As [`Connection::resume`], step by step: [`Config::redial`] of messages.
    ///
    /// # Errors
    /// As for that.
    pub fn redial(
        config: &Config,
        address: impl Into<Address>,
        lost: Self,
        deadline: Instant,
    ) -> Result<Redial<S, R>, NotResumed<Self>> {
        match carrying::<S, R>(config).redial(address, lost.into_untyped(), deadline) {
            Ok(redial) => Ok(Redial::new(redial)),
            Err(error) => Err(error.map(Self::new)),
        }
    }

    fn into_untyped(self) -> connection::Connection {
        connection::Connection::new(self.sender.lane, self.receiver.into_untyped())
    }

    /// Puts the halves together that [`Connection::split`] took apart.
    ///
    /// # Errors
    /// They are of different connections: they are given back.
    pub fn reunite(
        sender: Sender<S>,
        receiver: Receiver<R>,
    ) -> Result<Self, Unrelated<Sender<S>, Receiver<R>>> {
        let halves = (sender.lane, receiver.into_untyped());
        match connection::Connection::reunite(halves.0, halves.1) {
            Ok(connection) => Ok(Self::new(connection)),
            Err(unrelated) => {
                let theirs = sender_schema(&unrelated.receiver);
                Err(Unrelated::new(
                    Sender::new(*unrelated.sender),
                    Receiver::new(*unrelated.receiver, theirs.as_ref()),
                ))
            }
        }
    }

    /// The line of connections that this one belongs to: see [`ringway::Connection::lineage`](crate::Connection::lineage).
    pub fn lineage(&self) -> Option<Lineage> {
        self.sender.lane.lineage()
    }
}

/// What the peer of a half says that it sends.
fn sender_schema(receiver: &connection::Receiver) -> Option<crate::schema::Schema> {
    receiver.link().schemas.sends.clone()
}

impl<M: Messages + ?Sized> Receiver<M> {
    /// Of the message that was received last, whether it was sent before: see [`ringway::Receiver::last_redelivery`](crate::Receiver::last_redelivery).
    pub fn last_redelivery(&self) -> Redelivery {
        self.inbox.receiver.last_redelivery()
    }

    /// Its position, in the server of a connection that can be resumed: see [`ringway::Receiver::last_position`](crate::Receiver::last_position).
    pub fn last_position(&self) -> Option<u64> {
        self.inbox.receiver.last_position()
    }
}
