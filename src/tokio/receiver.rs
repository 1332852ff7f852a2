//! The half that receives, in a task.

use core::task::{Context, Poll, ready};
use std::os::fd::{AsFd, BorrowedFd};

use super::attended::Attended;
use super::pool::Pool;
use crate::connection::{self, Frame, Frames, Peer, RecvError};
use crate::error::Error;

/// The half that receives, in a task. It is `Send`: one task at a time uses it, on whichever thread.
///
/// As a [`Stream`](futures_core::Stream) it yields each frame's bytes, copied out (small ones into memory that they share, of 16 KiB, which lives as long as any of them); it ends when the peer has closed its sender, and behind an error that ends the connection.
///
/// Dropping it says goodbye, as that of a [`ringway::Receiver`](crate::Receiver) does.
#[derive(Debug)]
pub struct Receiver {
    pub(super) lane: Attended<connection::Receiver>,
    /// As [`connection::Receiver::leave_when_dropped`] was told before.
    left: bool,
    /// As a stream: it has told how the connection ended.
    pub(super) ended: bool,
    pub(super) pool: Pool,
}

impl Receiver {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: connection::Receiver) -> Result<Self, Error> {
        let mut lane = Attended::new(half)?;
        let left = lane.half.leaves_when_dropped();
        lane.half.leave_when_dropped(true);
        Ok(Self {
            lane,
            left,
            ended: false,
            pool: Pool::default(),
        })
    }

    /// The next frame, waiting for it. It is released when the [`Frame`] is dropped; where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)), when the next one is asked for: a
    /// future that is cancelled drops what it has in hand, and may not have answered it.
    ///
    /// Cancel-safe: a frame is taken by the poll that returns it and by no other, so that one that was not returned is received by the next call.
    ///
    /// # Errors
    /// How the connection ended, once every committed frame has been delivered; [`RecvError::Runtime`].
    #[inline]
    pub async fn recv(&mut self) -> Result<Frame<'_>, RecvError> {
        let entry = self.lane.until((), connection::Receiver::find).await?;
        self.lane.passed(entry.payload());
        Ok(self.lane.half.hand_out(entry))
    }

    /// Copies the next frame into `buffer`, waiting for it, and releases it. Returns its length in bytes. Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// Also [`RecvError::Truncated`]: the buffer is too short, and the frame stays unread.
    #[inline]
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let take = |half: &mut connection::Receiver| half.try_recv_into(buffer);
        let len = self.lane.until((), take).await?;
        self.lane.passed(len);
        Ok(len)
    }

    /// The frames that are there, at most `max` of them; waits for the first. See [`ringway::Receiver::recv_batch`](crate::Receiver::recv_batch). Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    #[inline]
    pub async fn recv_batch(&mut self, max: usize) -> Result<Frames<'_>, RecvError> {
        let entry = self.lane.until((), connection::Receiver::find).await?;
        self.lane.begins_batch();
        Ok(self.lane.half.hand_out_batch(entry, max))
    }

    /// The next frame if one is committed. Never waits.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Frame<'_>, RecvError> {
        self.lane.at_once().try_recv()
    }

    /// The frames that are there now, at most `max` of them. Never waits.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline]
    pub fn try_recv_batch(&mut self, max: usize) -> Result<Frames<'_>, RecvError> {
        self.lane.at_once().try_recv_batch(max)
    }

    /// Drops frames that have expired: see [`ringway::Receiver::drop_expired`](crate::Receiver::drop_expired).
    ///
    /// # Errors
    /// As for that.
    pub fn drop_expired(&mut self, on: bool) -> Result<(), Error> {
        self.lane.half.drop_expired(on)
    }

    /// Keeps frames until they are released: see [`ringway::Receiver::hold`](crate::Receiver::hold).
    pub fn hold(&mut self, on: bool) {
        self.lane.half.hold(on);
    }

    /// Releases what is held: see [`ringway::Receiver::release`](crate::Receiver::release).
    pub fn release(&mut self) {
        self.lane.half.release();
    }

    /// Goes back to the first frame that is held: see [`ringway::Receiver::rewind`](crate::Receiver::rewind).
    pub fn rewind(&mut self) -> u64 {
        self.lane.half.rewind()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &connection::Receiver {
        &self.lane.half
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task.
    pub fn into_inner(self) -> connection::Receiver {
        let mut half = self.lane.into_inner();
        half.leave_when_dropped(self.left);
        half
    }

    /// The next frame, as bytes of its own, for whoever writes a `poll` of its own. The last task that polled is woken.
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame<'_>, RecvError>> {
        let entry = ready!(self.lane.poll(cx, (), &mut connection::Receiver::find))?;
        self.lane.passed(entry.payload());
        Poll::Ready(Ok(self.lane.half.hand_out(entry)))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}
