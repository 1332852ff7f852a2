//! The half of a stream that writes.

use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::reader::ByteReader;
use super::{Patience, error};
use crate::connection::{Arm, SendError, Sender};

/// The half of a stream that writes. One thread at a time uses it. Dropping it is the end of the stream for the peer, behind what was written.
#[derive(Debug)]
pub struct ByteWriter {
    sender: Sender,
    /// Bytes of a frame, at most: what is written is read while more of it is written.
    most: usize,
    timeout: Option<Duration>,
    is_closed: bool,
}

impl ByteWriter {
    pub(super) fn new(sender: Sender) -> Self {
        Self {
            most: sender.max_payload().min(sender.capacity() / 4),
            sender,
            timeout: None,
            is_closed: false,
        }
    }

    /// Writes what there is room for now, and returns how much that was, at least one byte. Never waits.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), or how the connection ended ([`stream`](crate::stream)).
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes, None).map_err(error::of_write)
    }

    /// Before polling this half's descriptor in an event loop, for readability: is there room for `len` bytes now? As [`Sender::arm`].
    ///
    /// # Errors
    /// How the connection ended.
    pub fn arm(&mut self, len: usize) -> io::Result<Arm> {
        if self.is_closed {
            return Ok(Arm::Ready);
        }
        let len = len.min(self.most);
        self.sender.arm(len).map_err(error::of_write)
    }

    /// Looks whether anybody still reads what is written, and says how the connection ended if nobody does, as a write would: see [`Sender::check`].
    ///
    /// # Errors
    /// How the connection ended ([`stream`](crate::stream)).
    pub fn check(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Err(error::of_write(SendError::Closed));
        }
        self.sender.check().map_err(error::of_write)
    }

    /// Ends the stream in both directions, without a goodbye: see [`ByteStream::abort`](super::ByteStream::abort). Our own reader, also one that waits, reads what had come and then hears
    /// of it as the peer does ([`ConnectionReset`](io::ErrorKind::ConnectionReset)).
    pub fn abort(self) {
        self.sender.abandon();
    }

    /// See [`ByteStream::set_write_timeout`](super::ByteStream::set_write_timeout).
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    pub(crate) fn belongs_to(&self, reader: &ByteReader) -> bool {
        reader.is_of(&self.sender)
    }

    /// The half below, to wait by.
    #[cfg(feature = "tokio")]
    pub(crate) fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// So many of `len` bytes go into one frame.
    #[cfg(feature = "tokio")]
    pub(crate) fn chunk(&self, len: usize) -> usize {
        len.min(self.most)
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.sender.say_goodbye();
        }
    }

    /// Writes all of `bytes`, or as much as there is room for within `wait`: at least a byte, unless there are none.
    pub(crate) fn put(&mut self, bytes: &[u8], wait: Patience) -> Result<usize, SendError> {
        if self.is_closed {
            return Err(SendError::Closed);
        }
        // What the reader has heard of the peer's end, a writer hears at once.
        self.sender.heed_verdict()?;
        let mut written = 0;
        for chunk in bytes.chunks(self.most) {
            let sent = match wait {
                None => self.sender.try_send(chunk),
                Some(None) => self.sender.send(chunk),
                Some(Some(deadline)) => self.sender.send_deadline(chunk, deadline),
            };
            match sent {
                Ok(()) => written += chunk.len(),
                Err(error) if written == 0 => return Err(error),
                // Told by the next call, which finds it again.
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// Writes the slices one behind the other, in one frame as far as they fit into one.
    pub(crate) fn put_slices(
        &mut self,
        slices: &[IoSlice<'_>],
        wait: Patience,
    ) -> Result<usize, SendError> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        let (Some(first), second) = (filled.next(), filled.next()) else {
            return self.put(&[], wait);
        };
        if second.is_none() || first.len() >= self.most {
            return self.put(first, wait);
        }
        if self.is_closed {
            return Err(SendError::Closed);
        }
        let all = slices
            .iter()
            .fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
        let mut place = self.sender.reserve_within(all.min(self.most), 8, wait)?;
        let mut written = 0;
        for slice in slices {
            let rest = &mut place[written..];
            let len = slice.len().min(rest.len());
            rest[..len].copy_from_slice(&slice[..len]);
            written += len;
        }
        place.commit();
        Ok(written)
    }

    fn deadline(&self) -> Option<Instant> {
        super::deadline(self.timeout)
    }
}

impl Write for ByteWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let deadline = self.deadline();
        self.put(bytes, Some(deadline)).map_err(error::of_write)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let deadline = self.deadline();
        self.put_slices(slices, Some(deadline))
            .map_err(error::of_write)
    }

    /// Nothing is kept back, so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for ByteWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sender.as_fd()
    }
}
