//! A stream of either kind.

use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::pin::Pin;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{TcpStream, UnixStream};

use super::super::ByteStream;
use super::Peer;
use crate::connection;

/// A stream of bytes over a ring, a Unix socket or TCP. It is cancel-safe as each of them is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Over a ring.
    Ring(Box<ByteStream>),
    /// Over a Unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
}

impl Stream {
    /// Who is at the other end.
    ///
    /// # Errors
    /// What the system answers for a socket; never of a ring.
    pub fn peer(&self) -> io::Result<Peer> {
        match self {
            Self::Ring(stream) => Ok(Peer::Ring(*stream.peer())),
            Self::Unix(stream) => stream.peer_cred().map(|who| {
                Peer::Unix(connection::Peer {
                    uid: who.uid(),
                    pid: who.pid().filter(|pid| *pid > 0),
                })
            }),
            Self::Tcp(stream) => stream.peer_addr().map(Peer::Tcp),
        }
    }
}

impl From<ByteStream> for Stream {
    fn from(stream: ByteStream) -> Self {
        Self::Ring(Box::new(stream))
    }
}

/// The same call of whichever it is.
macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Ring($inner) => $call,
            Stream::Unix($inner) => $call,
            Stream::Tcp($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_write(cx, bytes))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, inner => inner.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(cx))
    }
}
