//! A stream of bytes over a connection, for programs that read and write: what a Unix socket carries, without the kernel in between.
//!
//! A [`ByteStream`] is [`Read`] and [`Write`], takes apart into a reader and a writer for two threads, and is closed in one direction
//! at a time. Both sides agree on it when the connection is made ([`Config::byte_stream`]), so that nobody takes a peer's messages for a stream.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::Shutdown;
//!
//! use ringway::stream::{ByteListener, ByteStream};
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-stream-{}", std::process::id()));
//! let mut listener = ByteListener::bind(path.as_path())?;
//! let client = std::thread::spawn(move || -> std::io::Result<String> {
//!     let mut stream = ByteStream::connect(path)?;
//!     stream.write_all(b"how much is it?")?;
//!     stream.shutdown(Shutdown::Write)?; // the other side reads to this end
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     Ok(answer)
//! });
//! let mut stream = listener.accept()?;
//! let mut question = String::new();
//! stream.read_to_string(&mut question)?;
//! assert_eq!(question, "how much is it?");
//! stream.write_all(b"12")?;
//! drop(stream);
//! assert_eq!(client.join().unwrap()?, "12");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - What is written is committed when the call returns: the peer reads it, even if this process is killed in the next instruction. Nothing is kept back, so `flush` does nothing. Many small
//!   writes cost a frame each; [`BufWriter`](std::io::BufWriter) gathers them, as it does for a socket.
//! - Each byte is copied once into the ring and once out of it.
//! - A writer waits while the ring is full, and takes no memory for what is not read. Room comes back in steps of an eighth of the ring.
//! - A peer that closes its writer, or drops its stream, is the end of the stream (`Ok(0)`) behind its last byte. One that is killed, or closes without a goodbye, is
//!   [`ConnectionReset`](std::io::ErrorKind::ConnectionReset) there, so that half of an answer is never taken for a whole one; a socket cannot tell the two apart. One that
//!   breaks a rule of the lane, or sends a frame without a byte, is [`InvalidData`](std::io::ErrorKind::InvalidData), then and ever after. The error's source is the [`RecvError`](crate::RecvError) or [`SendError`](crate::SendError).
//!
//! # What a read and a write say of an end
//!
//! A read says it behind the last byte that was written, and then each time; what is in a cell is an [`ErrorKind`](std::io::ErrorKind) where it is not `Ok`. In a task of tokio
//! (`ringway::tokio::ByteStream`) it is the same.
//!
//! | the peer | a read | a write |
//! | --- | --- | --- |
//! | dropped its stream, or both halves | `Ok(0)` | `BrokenPipe` |
//! | shut it down for writing | `Ok(0)` | goes on |
//! | shut it down for reading | goes on | `BrokenPipe` |
//! | was killed, or ended without dropping it | `ConnectionReset` | `ConnectionReset` |
//! | broke it off ([`ByteStream::abort`]), or a panic dropped it, and lives | `ConnectionReset`, after 200 ms | `ConnectionReset`, after 200 ms |
//! | broke a rule in what it wrote | `InvalidData` | goes on, until our reader is dropped |
//! | broke a rule in what it read | goes on, until our writer is dropped | `InvalidData` |
//! | (we did: `shutdown` for reading; for writing) | `Ok(0)` | `BrokenPipe` |
//! | (we did: `abort` of the half beside) | `ConnectionReset` | `ConnectionReset` |
//!
//! A write may be told later than a read: it takes what there is room for, and looks when there is none, or when the reader beside it has heard.
//!
//! Absent on purpose: passing descriptors, and messages that are seen as such at the other end: those are what a connection without a stream carries.

pub(crate) mod error;
mod listener;
mod reader;
mod writer;

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

pub use listener::ByteListener;
pub use reader::ByteReader;
pub use writer::ByteWriter;

use crate::connection::{Address, BYTES, Config, Connection, Peer, Unrelated};
use crate::error::{Error, ErrorKind};

/// `None`: does not wait. `Some(None)`: waits for ever.
type Patience = Option<Option<Instant>>;

/// When a wait is over. One of more time than the clock has, such as `Duration::MAX`, is for ever.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(timeout?)
}

impl Config {
    /// The connections carry a stream of bytes ([`stream`](crate::stream)): a peer that does not say the same is refused. It takes the place of [`Config::codec`].
    pub fn byte_stream(self) -> Self {
        self.codec(BYTES)
    }
}

/// A stream of bytes in both directions. One thread at a time uses it; [`ByteStream::split`] makes a half for each of two.
///
/// Dropping it ends both directions in order, unless a panic does: see [`Sender`](crate::Sender).
#[derive(Debug)]
pub struct ByteStream {
    reader: ByteReader,
    writer: ByteWriter,
}

impl ByteStream {
    /// Connects to a [`ByteListener`] with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::connect`].
    pub fn connect(address: impl Into<Address>) -> Result<Self, Error> {
        Self::over(Config::new().byte_stream().connect(address)?)
    }

    /// A stream over a connection whose [`Config`] has [`byte_stream`](Config::byte_stream).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`]: it has several lanes, between which bytes have no order.
    pub fn over(connection: Connection) -> Result<Self, Error> {
        let (sender, receiver) = connection.split();
        if sender.priorities() > 1 || receiver.priorities() > 1 {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "a stream of bytes needs a connection with one lane: leave Config::lanes out",
            ));
        }
        Ok(Self {
            reader: ByteReader::new(receiver),
            writer: ByteWriter::new(sender),
        })
    }

    /// Takes the halves apart: each may live in a thread of its own.
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

    /// Ends one direction or both, in order. `Write`: the peer reads what was written, and then the end. `Read`: what the peer has written and we have not read is lost, reading says the end, and
    /// the peer's next writes are [`BrokenPipe`](io::ErrorKind::BrokenPipe). Doing it twice changes nothing.
    ///
    /// # Errors
    /// None now; a socket's has some.
    pub fn shutdown(&mut self, how: Shutdown) -> io::Result<()> {
        if matches!(how, Shutdown::Write | Shutdown::Both) {
            self.writer.close();
        }
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            self.reader.close();
        }
        Ok(())
    }

    /// Ends both directions without a goodbye, as a process does that is killed: the peer reads what was written, and then that the stream was broken off
    /// ([`ConnectionReset`](io::ErrorKind::ConnectionReset)). For who has found that what it was to write cannot be completed. Of halves in two threads either can do it ([`ByteWriter::abort`],
    /// [`ByteReader::abort`]), and the other hears of it at once, though it waits.
    pub fn abort(self) {
        self.writer.abort();
    }

    /// How long a read waits, at most: then it is [`TimedOut`](io::ErrorKind::TimedOut), and nothing is lost. `None`, the default: for ever.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.reader.set_timeout(timeout);
    }

    /// How long a write waits for room, at most: then it is [`TimedOut`](io::ErrorKind::TimedOut), and nothing of this call was written. `None`, the default: for ever.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.writer.set_timeout(timeout);
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.reader.peer()
    }
}

impl Read for ByteStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.reader.read_vectored(buffers)
    }
}

impl Write for ByteStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writer.write_vectored(slices)
    }

    /// Nothing is kept back, so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
