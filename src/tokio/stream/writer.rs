//! The half of a stream that writes, in a task.

use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use ::tokio::io::AsyncWrite;

use super::super::attended::Attended;
use super::ByteReader;
use crate::connection::{Room, SendError};
use crate::error::Error;
use crate::stream;
use crate::stream::error::of_write;

/// The half of a stream that writes, in a task. It is `Send`: one task at a time uses it, on whichever thread. What is written is visible to the peer at once, so a flush does nothing.
/// Dropping it, and `shutdown`, are the end of the stream for the peer, behind what was written.
#[derive(Debug)]
pub struct ByteWriter {
    lane: Attended<stream::ByteWriter>,
}

impl ByteWriter {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: stream::ByteWriter) -> Result<Self, Error> {
        Attended::new(half).map(|lane| Self { lane })
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task.
    pub fn into_inner(self) -> stream::ByteWriter {
        self.lane.into_inner()
    }

    pub(super) fn belongs_to(&self, reader: &ByteReader) -> bool {
        self.lane.half.belongs_to(&reader.lane.half)
    }

    #[inline]
    fn poll_put(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
        mut put: impl FnMut(&mut stream::ByteWriter) -> Result<usize, SendError>,
    ) -> Poll<io::Result<usize>> {
        let room = Room::of(self.lane.half.chunk(len));
        let written = ready!(self.lane.poll(cx, room, &mut put)).map_err(of_write)?;
        self.lane.passed(written);
        Poll::Ready(Ok(written))
    }
}

impl AsyncWrite for ByteWriter {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(cx, bytes.len(), |half| half.put(bytes, None))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let add = |sum: usize, slice: &IoSlice<'_>| sum.saturating_add(slice.len());
        let len = slices.iter().fold(0, add);
        self.poll_put(cx, len, |half| half.put_slices(slices, None))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lane.leave();
        self.lane.half.close();
        Poll::Ready(Ok(()))
    }
}

impl AsFd for ByteWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}
