//! The half of a stream that reads.

use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::{Patience, error};
use crate::connection::{Arm, Peer, Receiver, RecvError, Sender};

/// A buffer of so many bytes or more takes a large frame while its sender still writes it ([`Receiver::recv_into`]).
const LARGE: usize = 64 << 10;

/// The half of a stream that reads. One thread at a time uses it.
#[derive(Debug)]
pub struct ByteReader {
    receiver: Receiver,
    /// Bytes of the next frame that were read already.
    begun: usize,
    timeout: Option<Duration>,
    is_closed: bool,
}

impl ByteReader {
    pub(super) fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            begun: 0,
            timeout: None,
            is_closed: false,
        }
    }

    /// Reads what there is now, into `buffer`. Never waits. `Ok(0)` is the end of the stream, unless `buffer` is empty.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), or how the connection ended ([`stream`](crate::stream)).
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        told(self.take(buffer, None))
    }

    /// Before polling this half's descriptor in an event loop: are there bytes now, or an end to report? As [`Receiver::arm`].
    ///
    /// # Errors
    /// How the connection ended.
    pub fn arm(&mut self) -> io::Result<Arm> {
        if self.is_closed {
            return Ok(Arm::Ready);
        }
        self.receiver.arm().map_err(error::of_read)
    }

    /// Ends the stream in both directions, without a goodbye: see [`ByteStream::abort`](super::ByteStream::abort). Our own writer, also one that waits for room, hears of it as the peer does
    /// ([`ConnectionReset`](io::ErrorKind::ConnectionReset)).
    pub fn abort(self) {
        self.receiver.abandon();
    }

    /// See [`ByteStream::set_read_timeout`](super::ByteStream::set_read_timeout).
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.receiver.peer()
    }

    /// The half below, to wait by.
    #[cfg(feature = "tokio")]
    pub(crate) fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// How many bytes of the next frame are to be read, at least one. Never waits.
    #[cfg(feature = "tokio")]
    pub(crate) fn left(&mut self) -> Result<usize, RecvError> {
        if self.is_closed {
            return Err(RecvError::Closed);
        }
        self.receiver.left_behind(self.begun)
    }

    pub(super) fn is_of(&self, sender: &Sender) -> bool {
        sender.is_of(&self.receiver)
    }

    /// Reads nothing more, and tells the peer so.
    pub(crate) fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.receiver.say_goodbye();
        }
    }

    /// Reads at least a byte, as soon as there is one, and then what else is there. [`RecvError::Closed`] is the end of the stream.
    pub(crate) fn take(&mut self, buffer: &mut [u8], wait: Patience) -> Result<usize, RecvError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.is_closed {
            return Err(RecvError::Closed);
        }
        let mut read = self.first(buffer, wait)?;
        while read < buffer.len() {
            // An end is told by the next call, which finds it again.
            match self.part(&mut buffer[read..], None) {
                Ok(copied) => read += copied,
                Err(_) => break,
            }
        }
        Ok(read)
    }

    /// The first bytes, at least one.
    fn first(&mut self, buffer: &mut [u8], wait: Patience) -> Result<usize, RecvError> {
        match wait {
            Some(deadline) if buffer.len() >= LARGE && self.begun == 0 => {
                self.whole(buffer, deadline)
            }
            wait => self.part(buffer, wait),
        }
    }

    /// A frame that fits, as a whole, perhaps while it is written; else the first part of it.
    fn whole(&mut self, buffer: &mut [u8], deadline: Option<Instant>) -> Result<usize, RecvError> {
        let received = match deadline {
            None => self.receiver.recv_into(buffer),
            Some(deadline) => self.receiver.recv_into_deadline(buffer, deadline),
        };
        match received {
            Ok(0) => Err(self.receiver.nothing_in_frame(0, 0)),
            // It can have gone meanwhile: it has expired, or the peer took it back.
            Err(RecvError::Truncated { .. }) => self.part(buffer, Some(deadline)),
            other => other,
        }
    }

    /// The next bytes, at least one: a frame that has none ends the stream.
    #[inline]
    fn part(&mut self, buffer: &mut [u8], wait: Patience) -> Result<usize, RecvError> {
        let part = self.receiver.take_part(self.begun, buffer, wait)?;
        self.begun = if part.is_last {
            0
        } else {
            self.begun + part.copied
        };
        Ok(part.copied)
    }
}

/// The end of the stream is no error.
fn told(read: Result<usize, RecvError>) -> io::Result<usize> {
    match read {
        Err(RecvError::Closed) => Ok(0),
        other => other.map_err(error::of_read),
    }
}

impl Read for ByteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        told(self.take(buffer, Some(super::deadline(self.timeout))))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut read = 0;
        for buffer in buffers.iter_mut().filter(|buffer| !buffer.is_empty()) {
            let more = if read == 0 {
                self.read(buffer)?
            } else {
                // What cannot be read now, or never, is told by the next call.
                self.take(buffer, None).unwrap_or(0)
            };
            read += more;
            if more < buffer.len() {
                break;
            }
        }
        Ok(read)
    }
}

impl AsFd for ByteReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}
