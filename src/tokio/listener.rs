//! Accepting clients in a task.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::pin::Pin;

use super::Connection;
use super::vigil::come_back;
use super::watched::Watched;
use crate::connection::{self, Address, is_by_peer};
use crate::error::{Error, ErrorKind};

/// Accepts connections in a task. Handshakes go step by step, each as far as its client has got, and never wait for a client.
#[derive(Debug)]
pub struct Listener {
    // Before the listener, whose descriptor is watched.
    watched: Watched,
    /// One was accepted, which took some time: the others of the thread have their turn before the next.
    gives_way: bool,
    inner: connection::Listener,
}

impl Listener {
    /// Listens with the default [`Config`](crate::Config). For another, [`Listener::new`] of what [`Config::bind`](crate::Config::bind) returns.
    ///
    /// # Errors
    /// As for [`Config::bind`](crate::Config::bind). [`ErrorKind::Runtime`]: outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Self::new(connection::Listener::bind(address)?)
    }

    /// Has the runtime watch `listener` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`]: outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(listener: connection::Listener) -> Result<Self, Error> {
        // SAFETY: nobody is given the listener to exchange it, and it is dropped behind the watch, by its place here and in `into_inner`.
        let watched = unsafe { Watched::new(listener.as_fd()) }
            .map_err(|lack| lack.error("having the runtime watch a listener"))?;
        Ok(Self {
            watched,
            gives_way: false,
            inner: listener,
        })
    }

    /// Waits for the next client that completes the handshake. Clients that are refused are counted and passed over.
    ///
    /// Cancel-safe: a client is accepted by the poll that returns it, and handshakes that are under way stay so. They move on only while somebody waits here.
    ///
    /// # Errors
    /// As for [`ringway::Listener::accept`](crate::Listener::accept).
    pub async fn accept(&mut self) -> Result<Connection, Error> {
        self.accept_as(Connection::new).await
    }

    /// The same, as what `make` has the runtime watch of it. A client of whom it can make nothing is passed over.
    pub(super) async fn accept_as<T>(
        &mut self,
        make: impl Fn(connection::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match make(Accepted(self).await?) {
                // The latter: it asked for several lanes, and is to be a stream of bytes.
                Err(error) if is_by_peer(&error) || error.kind() == ErrorKind::InvalidConfig => {
                    self.inner.pass_over(error);
                }
                made => return made,
            }
        }
    }

    fn poll_accepted(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<connection::Connection, Error>> {
        if std::mem::take(&mut self.gives_way) {
            return come_back(cx);
        }
        loop {
            if let Some(accepted) = self.inner.try_accept()? {
                self.gives_way = true;
                return Poll::Ready(Ok(accepted));
            }
            self.inner.refuse_idle()?;
            if ready!(self.watched.poll(cx)).is_err() {
                // The runtime that watched is shut down: the one that we are in does from now on.
                // SAFETY: as in `new`.
                self.watched = unsafe { Watched::new(self.inner.as_fd()) }
                    .map_err(|lack| lack.error("waiting for clients"))?;
            }
        }
    }

    /// The listener itself, to be asked.
    pub fn get_ref(&self) -> &connection::Listener {
        &self.inner
    }

    /// The listener, which the runtime watches no more.
    pub fn into_inner(self) -> connection::Listener {
        let Self { watched, inner, .. } = self;
        drop(watched);
        inner
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }
}

/// Accepts the next client. When it is dropped nobody is left with the runtime.
struct Accepted<'a>(&'a mut Listener);

impl Future for Accepted<'_> {
    type Output = Result<connection::Connection, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_accepted(cx)
    }
}

impl Drop for Accepted<'_> {
    fn drop(&mut self) {
        self.0.watched.forget();
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
