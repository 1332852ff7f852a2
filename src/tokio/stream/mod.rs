//! A stream of bytes in a task: `AsyncRead` and `AsyncWrite` over a connection.

mod listener;
mod reader;
mod writer;

use core::task::{Context, Poll};
use std::io::{self, IoSlice};
use std::pin::Pin;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::dial;
use crate::connection::{Address, Config, Peer, Unrelated};
use crate::error::Error;
use crate::stream;

pub use listener::ByteListener;
pub use reader::ByteReader;
pub use writer::ByteWriter;

/// A stream of bytes in both directions, in a task: [`AsyncRead`] and [`AsyncWrite`], for whatever takes a `tokio::net::UnixStream`. What is promised of its bytes and its ends is at
/// [`ringway::stream`](crate::stream).
///
/// Reads and writes are cancel-safe: bytes are taken and written by the poll that says so. What takes several polls (`read_exact`, `write_all`, `copy`) may have done a part when it is dropped,
/// as with any stream. Dropping the stream ends both directions in order.
///
/// ```
/// use ringway::tokio::{ByteListener, ByteStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("ringway-doc-async-stream-{}", std::process::id()));
/// let mut listener = ByteListener::bind(path.as_path())?;
/// let (client, server) = tokio::join!(ByteStream::connect(path), listener.accept());
/// let (mut client, mut server) = (client?, server?);
/// client.write_all(b"how much is it?").await?;
/// client.shutdown().await?; // the other side reads to this end
/// let mut question = String::new();
/// server.read_to_string(&mut question).await?;
/// assert_eq!(question, "how much is it?");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ByteStream {
    reader: ByteReader,
    writer: ByteWriter,
}

impl ByteStream {
    /// Connects to a [`ByteListener`], in a task or not, with the default [`Config`].
    ///
    /// # Errors
    /// As for [`connect_with`](super::connect_with). [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub async fn connect(address: impl Into<Address>) -> Result<Self, Error> {
        Self::connect_with(&Config::new(), address).await
    }

    /// The same with other options, to which [`byte_stream`](Config::byte_stream) is added.
    ///
    /// # Errors
    /// Also [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig): the options ask for several lanes.
    pub async fn connect_with(config: &Config, address: impl Into<Address>) -> Result<Self, Error> {
        let config = config.clone().byte_stream();
        Self::new(stream::ByteStream::over(
            dial(&config, address.into()).await?,
        )?)
    }

    /// Has the runtime watch `stream` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch more descriptors.
    pub fn new(stream: stream::ByteStream) -> Result<Self, Error> {
        let (reader, writer) = stream.split();
        Ok(Self {
            reader: ByteReader::new(reader)?,
            writer: ByteWriter::new(writer)?,
        })
    }

    /// Takes the halves apart: each may live in a task of its own.
    pub fn split(self) -> (ByteReader, ByteWriter) {
        (self.reader, self.writer)
    }

    /// Puts together what [`split`](Self::split) took apart.
    ///
    /// # Errors
    /// They are of different streams: they are given back.
    pub fn reunite(
        reader: ByteReader,
        writer: ByteWriter,
    ) -> Result<Self, Unrelated<ByteWriter, ByteReader>> {
        if writer.belongs_to(&reader) {
            return Ok(Self { reader, writer });
        }
        Err(Unrelated::new(writer, reader))
    }

    /// Both halves at once: to write while something is read.
    pub fn halves(&mut self) -> (&mut ByteReader, &mut ByteWriter) {
        (&mut self.reader, &mut self.writer)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.reader.peer()
    }
}

impl AsyncRead for ByteStream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ByteStream {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.writer.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(cx)
    }
}
