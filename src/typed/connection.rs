//! Connections that carry messages.

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use super::deprecated::{self, Deprecated};
use super::message::Messages;
use super::{Receiver, Sender};
use crate::connection::{self, Address, Attendant, Config, Peer};
use crate::error::Error;

/// A connection on which we send the messages of `S` and receive those of `R`.
pub struct Connection<S: ?Sized, R: ?Sized> {
    pub(super) sender: Sender<S>,
    pub(super) receiver: Receiver<R>,
    deprecated: Vec<Deprecated>,
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Connection<S, R> {
    pub(crate) fn new(connection: connection::Connection) -> Self {
        let theirs = connection.peer_sends().cloned();
        let mut deprecated = Vec::new();
        deprecated::collect(&mut deprecated, S::SCHEMA, connection.peer_expects());
        deprecated::collect(&mut deprecated, R::SCHEMA, theirs.as_ref());
        #[cfg(feature = "tracing")]
        deprecated::warn(&deprecated);
        let (sender, receiver) = connection.split();
        Self {
            sender: Sender::new(sender),
            receiver: Receiver::new(receiver, theirs.as_ref()),
            deprecated,
        }
    }

    /// Takes the halves apart: each may live in a thread of its own.
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }

    /// The half that sends.
    #[inline]
    pub fn sender(&mut self) -> &mut Sender<S> {
        &mut self.sender
    }

    /// The half that receives.
    #[inline]
    pub fn receiver(&mut self) -> &mut Receiver<R> {
        &mut self.receiver
    }

    /// Both halves at once: to answer a message while it is looked at.
    #[inline]
    pub fn halves(&mut self) -> (&mut Sender<S>, &mut Receiver<R>) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Asks the processor for what the next message and its answer will touch: see [`ringway::Connection::prefetch`](crate::Connection::prefetch).
    #[inline]
    pub fn prefetch(&self) {
        self.sender.lane.prefetch();
        self.receiver.inbox.receiver.prefetch();
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }

    /// The fields in use on this connection that are marked as deprecated, here or by the peer: those that both sides have, each once. They are
    /// given once too, so that a program can write all that the first call gives to its log, and no frame costs anything for it.
    ///
    /// Where the peer's fingerprint is that of our schema, its table is not read, and the marks are ours.
    ///
    /// With the feature `tracing`, connecting writes each of them to the log by itself, once in the life of the process.
    pub fn deprecated(&mut self) -> Vec<Deprecated> {
        core::mem::take(&mut self.deprecated)
    }
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Connection<S, R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connection")
            .field("sender", &self.sender)
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}

/// Connects with the default [`Config`], to send the messages of `S` and receive those of `R`.
///
/// # Errors
/// As for [`Config::connect`].
pub fn connect<S: Messages + ?Sized, R: Messages + ?Sized>(
    address: impl Into<Address>,
) -> Result<Connection<S, R>, Error> {
    connect_with(&Config::new(), address)
}

/// As [`connect`], with other options.
///
/// # Errors
/// As for [`Config::connect`].
pub fn connect_with<S: Messages + ?Sized, R: Messages + ?Sized>(
    config: &Config,
    address: impl Into<Address>,
) -> Result<Connection<S, R>, Error> {
    carrying::<S, R>(config)
        .connect(address)
        .map(Connection::new)
}

/// The options, and what we send and expect.
pub(crate) fn carrying<S: Messages + ?Sized, R: Messages + ?Sized>(config: &Config) -> Config {
    let mut config = config.clone();
    config.sends = Some(S::SCHEMA.clone());
    config.expects = Some(R::SCHEMA.clone());
    config
}

/// Waits for clients, to each of which it sends the messages of `S`, and from which it receives those of `R`.
pub struct Listener<S: ?Sized, R: ?Sized> {
    inner: connection::Listener,
    sends: PhantomData<fn(&S)>,
    expects: PhantomData<fn(&R)>,
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Listener<S, R> {
    /// Listens with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::bind`].
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Self::bind_with(&Config::new(), address)
    }

    /// As [`Listener::bind`], with other options.
    ///
    /// # Errors
    /// As for [`Config::bind`].
    pub fn bind_with(config: &Config, address: impl Into<Address>) -> Result<Self, Error> {
        carrying::<S, R>(config).bind(address).map(Self::over)
    }

    /// Listens on a socket that listens already.
    ///
    /// # Errors
    /// As for [`Config::listen_on`].
    pub fn listen_on(config: &Config, socket: OwnedFd) -> Result<Self, Error> {
        let inner = carrying::<S, R>(config).listen_on(socket)?;
        Ok(Self::over(inner))
    }

    /// Listens on each socket that whoever started this process has left open for it.
    ///
    /// # Errors
    /// As for [`Config::inherit`].
    pub fn inherit(config: &Config) -> Result<Vec<Self>, Error> {
        let inherited = carrying::<S, R>(config).inherit()?;
        Ok(inherited.into_iter().map(Self::over).collect())
    }

    fn over(inner: connection::Listener) -> Self {
        Self {
            inner,
            sends: PhantomData,
            expects: PhantomData,
        }
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn into_untyped(self) -> connection::Listener {
        self.inner
    }

    /// The listener below, to hand it over ([`ringway::Listener::hand_over`](crate::Listener::hand_over), [`ringway::Listener::pass_to`](crate::Listener::pass_to)). What it accepts by itself has no types.
    pub fn untyped(&mut self) -> &mut connection::Listener {
        &mut self.inner
    }

    /// Waits for the next client that completes the handshake.
    ///
    /// # Errors
    /// As for [`ringway::Listener::accept`](crate::Listener::accept).
    pub fn accept(&mut self) -> Result<Connection<S, R>, Error> {
        self.inner.accept().map(Connection::new)
    }

    /// As [`Listener::accept`], until `deadline`.
    ///
    /// # Errors
    /// Also [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut).
    pub fn accept_deadline(&mut self, deadline: Instant) -> Result<Connection<S, R>, Error> {
        self.inner.accept_deadline(deadline).map(Connection::new)
    }

    /// A client that has completed its handshake, if there is one. Never waits.
    ///
    /// # Errors
    /// As for [`ringway::Listener::try_accept`](crate::Listener::try_accept).
    pub fn try_accept(&mut self) -> Result<Option<Connection<S, R>>, Error> {
        Ok(self.inner.try_accept()?.map(Connection::new))
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }

    /// Clients whose handshake was refused or failed.
    pub fn refusals(&self) -> u64 {
        self.inner.refusals()
    }

    /// Why the last one was refused.
    pub fn last_refusal(&self) -> Option<&Error> {
        self.inner.last_refusal()
    }

    /// Takes no more clients, but goes on answering observers and taps, on a thread of its own.
    ///
    /// # Errors
    /// As for [`ringway::Listener::attend`](crate::Listener::attend).
    pub fn attend(self) -> Result<Attendant, Error> {
        self.inner.attend()
    }
}

impl<S: ?Sized, R: ?Sized> AsFd for Listener<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Listener<S, R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Listener").field(&self.inner).finish()
    }
}
