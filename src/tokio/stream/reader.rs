//! The half of a stream that reads, in a task.

use core::task::{Context, Poll, ready};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use ::tokio::io::{AsyncRead, ReadBuf};

use super::super::attended::Attended;
use crate::connection::{Peer, RecvError};
use crate::error::Error;
use crate::stream;
use crate::stream::error::of_read;

/// The half of a stream that reads, in a task. It is `Send`: one task at a time uses it, on whichever thread. Dropping it tells the peer that nobody reads any more.
#[derive(Debug)]
pub struct ByteReader {
    pub(super) lane: Attended<stream::ByteReader>,
}

impl ByteReader {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: stream::ByteReader) -> Result<Self, Error> {
        Attended::new(half).map(|lane| Self { lane })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.half.peer()
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task.
    pub fn into_inner(self) -> stream::ByteReader {
        self.lane.into_inner()
    }
}

/// Reads at least a byte, or says why not, and then what else is there. Only as much of the buffer is initialized as is filled.
fn fill(half: &mut stream::ByteReader, buffer: &mut ReadBuf<'_>) -> Result<usize, RecvError> {
    let before = buffer.filled().len();
    while buffer.remaining() > 0 {
        let len = if buffer.initialized().len() == buffer.capacity() {
            Ok(buffer.remaining())
        } else {
            half.left().map(|left| left.min(buffer.remaining()))
        };
        match len.and_then(|len| half.take(buffer.initialize_unfilled_to(len), None)) {
            Ok(read) => buffer.advance(read),
            // Told by the next call, which finds it again.
            Err(_) if buffer.filled().len() > before => break,
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.filled().len() - before)
}

impl AsyncRead for ByteReader {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let lane = &mut self.lane;
        Poll::Ready(
            match ready!(lane.poll(cx, (), &mut |half| fill(half, buffer))) {
                Ok(read) => {
                    lane.passed(read);
                    Ok(())
                }
                // The end of the stream is no error.
                Err(RecvError::Closed) => Ok(()),
                Err(error) => Err(of_read(error)),
            },
        )
    }
}

impl AsFd for ByteReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}
