//! Accepting streams of bytes in a task.

use std::os::fd::{AsFd, BorrowedFd};

use super::super::listener::Listener;
use super::ByteStream;
use crate::connection::{self, Address, Config};
use crate::error::Error;
use crate::stream;

/// Accepts clients that speak a stream of bytes, in a task.
#[derive(Debug)]
pub struct ByteListener {
    inner: Listener,
}

impl ByteListener {
    /// Listens with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::bind`]. [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Self::bind_with(&Config::new(), address)
    }

    /// The same with other options, to which [`byte_stream`](Config::byte_stream) is added.
    ///
    /// # Errors
    /// As for [`Config::bind`].
    pub fn bind_with(config: &Config, address: impl Into<Address>) -> Result<Self, Error> {
        Self::new(config.clone().byte_stream().bind(address)?)
    }

    /// Accepts over a listener whose [`Config`] has [`byte_stream`](Config::byte_stream).
    ///
    /// # Errors
    /// What the system answers where the runtime cannot watch one more descriptor.
    pub fn new(listener: connection::Listener) -> Result<Self, Error> {
        Listener::new(listener).map(|inner| Self { inner })
    }

    /// Waits for the next client that completes the handshake. One that asks for several lanes, where the [`Config`] has them, is counted as refused and passed over. Cancel-safe, as [`Listener::accept`] is.
    ///
    /// # Errors
    /// As for [`Listener::accept`].
    pub async fn accept(&mut self) -> Result<ByteStream, Error> {
        let make = |connection| ByteStream::new(stream::ByteStream::over(connection)?);
        self.inner.accept_as(make).await
    }

    /// The listener itself, to be asked.
    pub fn get_ref(&self) -> &Listener {
        &self.inner
    }
}

impl AsFd for ByteListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
