//! A listener whose clients are streams of bytes.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::ByteStream;
use crate::connection::{Address, Config, Listener};
use crate::error::Error;

/// Accepts clients that speak a stream of bytes. What it can be told to do is in its [`Config`], with [`Config::byte_stream`], and in the [`Listener`] that it is made over.
#[derive(Debug)]
pub struct ByteListener {
    inner: Listener,
}

impl ByteListener {
    /// Listens with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::bind`].
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Config::new()
            .byte_stream()
            .bind(address)
            .map(|inner| Self { inner })
    }

    /// Accepts over a listener whose [`Config`] has [`byte_stream`](Config::byte_stream).
    pub fn over(inner: Listener) -> Self {
        Self { inner }
    }

    /// Waits for a client, and shakes hands with it. One that asks for several lanes, where the [`Config`] has them, is counted as refused and passed over.
    ///
    /// # Errors
    /// As for [`Listener::accept`].
    pub fn accept(&mut self) -> Result<ByteStream, Error> {
        loop {
            match ByteStream::over(self.inner.accept()?) {
                Ok(stream) => return Ok(stream),
                Err(error) => self.inner.pass_over(error),
            }
        }
    }

    /// As [`ByteListener::accept`], until `deadline`.
    ///
    /// # Errors
    /// Also [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut).
    pub fn accept_deadline(&mut self, deadline: Instant) -> Result<ByteStream, Error> {
        loop {
            match ByteStream::over(self.inner.accept_deadline(deadline)?) {
                Ok(stream) => return Ok(stream),
                Err(error) => self.inner.pass_over(error),
            }
            // Else whoever connects again and again would hold us.
            if Instant::now() >= deadline {
                return Err(Listener::late());
            }
        }
    }

    /// The listener, for all that has nothing to do with streams.
    pub fn inner(&mut self) -> &mut Listener {
        &mut self.inner
    }
}

impl AsFd for ByteListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
