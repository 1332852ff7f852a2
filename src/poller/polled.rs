//! What a poller can hold, and what it can accept from.

use std::os::fd::AsFd;

use crate::connection::{Connection, Listener, Receiver, Sender};
use crate::error::Error;

/// Something with a connection in it, so that a [`Poller`](super::Poller) can hold it: a [`Connection`], a
/// [`typed::Connection`](crate::typed::Connection), one of a [`codec`](crate::codec), or what a program keeps for each client, with one of these inside.
///
/// ```
/// use ringway::{Connection, Polled, Receiver, Sender};
///
/// struct Client {
///     connection: Connection,
///     answered: u64,
/// }
///
/// impl Polled for Client {
///     fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
///         self.connection.lanes()
///     }
/// }
/// ```
pub trait Polled {
    /// Both halves, as bytes: those of one connection, the same ones each time. Where they are others, the poller finds out when they are idle, and watches these from
    /// then on.
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver);
}

impl Polled for Connection {
    #[inline]
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
        self.lanes_unheeded()
    }
}

/// A listener of any kind of connection.
pub trait Accept: AsFd {
    /// What it accepts.
    type Connection;

    /// A client that has completed its handshake, if there is one. Never waits.
    ///
    /// # Errors
    /// As for [`Listener::try_accept`].
    fn try_accept(&mut self) -> Result<Option<Self::Connection>, Error>;

    /// The [`Listener`] below it, if there is one, for [`Poller::listener`](super::Poller::listener).
    fn listener(&mut self) -> Option<&mut Listener> {
        None
    }
}

impl Accept for Listener {
    type Connection = Connection;

    fn try_accept(&mut self) -> Result<Option<Connection>, Error> {
        Self::try_accept(self)
    }

    fn listener(&mut self) -> Option<&mut Listener> {
        Some(self)
    }
}
