//! The half that receives, in a task.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use super::pace::Pace;
use super::vigil::{Vigil, Waits};
use crate::connection::{self, Frame, Frames, Look, Peer, RecvError, Rest, Rested};
use crate::error::Error;
use crate::ring::Entry;

/// The half that receives, in a task. It is `Send`: one task at a time uses it, on whichever thread.
///
/// As a [`Stream`] it yields each frame's bytes, copied out; it ends when the peer has closed its sender, and behind the first error.
///
/// Dropping it says goodbye, as that of a [`ringway::Receiver`](crate::Receiver) does.
#[derive(Debug)]
pub struct Receiver {
    // Before the half, whose descriptor is watched.
    vigil: Vigil,
    pace: Pace,
    /// As a stream: it has told how the connection ended.
    ended: bool,
    half: connection::Receiver,
}

impl Waits for connection::Receiver {
    fn rest(&mut self) -> &mut Rest {
        self.resting()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn look(&mut self) -> bool {
        self.look() != Look::Nothing
    }

    fn arm(&mut self) -> Rested {
        self.arm_until().unwrap_or(Rested::Ready)
    }
}

impl Receiver {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// What the system answers where the runtime cannot watch one more descriptor.
    ///
    /// # Panics
    /// Outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn new(mut half: connection::Receiver) -> Result<Self, Error> {
        half.resting().settle_down()?;
        Ok(Self {
            // SAFETY: nobody is given the half to exchange it, and it is dropped behind the vigil, by its place here and in `into_inner`.
            vigil: unsafe { Vigil::new(half.as_fd()) }?,
            pace: Pace::default(),
            ended: false,
            half,
        })
    }

    /// The next frame, waiting for it. It is released when the [`Frame`] is dropped.
    ///
    /// Cancel-safe: a frame is taken by the poll that returns it and by no other, so that one that was not returned is received by the next call.
    ///
    /// # Errors
    /// How the connection ended, once every committed frame has been delivered; [`RecvError::Runtime`].
    #[inline]
    pub async fn recv(&mut self) -> Result<Frame<'_>, RecvError> {
        let entry = Found(self).await?;
        Ok(self.half.hand_out(entry))
    }

    /// Copies the next frame into `buffer`, waiting for it, and releases it. Returns its length in bytes. Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// Also [`RecvError::Truncated`]: the buffer is too short, and the frame stays unread.
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        Found(self).await?;
        self.half.try_recv_into(buffer)
    }

    /// The frames that are there, at most `max` of them; waits for the first. See [`ringway::Receiver::recv_batch`](crate::Receiver::recv_batch). Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    #[inline]
    pub async fn recv_batch(&mut self, max: usize) -> Result<Frames<'_>, RecvError> {
        let entry = Found(self).await?;
        Ok(self.half.hand_out_batch(entry, max))
    }

    /// The next frame if one is committed. Never waits.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Frame<'_>, RecvError> {
        self.half.try_recv()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &connection::Receiver {
        &self.half
    }

    /// The half, which the runtime watches no more.
    pub fn into_inner(self) -> connection::Receiver {
        let Self { vigil, half, .. } = self;
        drop(vigil);
        half
    }

    #[inline]
    pub(super) fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Result<Entry, RecvError>> {
        ready!(self.pace.poll(cx));
        loop {
            let found = self.half.find();
            match found {
                Err(RecvError::Empty) => {
                    let waited = ready!(self.vigil.poll(cx, &mut self.half));
                    if waited.is_err() {
                        return Poll::Ready(Err(RecvError::Runtime));
                    }
                }
                found => {
                    if self.vigil.waits() {
                        self.vigil.over(self.half.resting(), true);
                    }
                    if let Ok(entry) = &found {
                        self.pace.passed(entry.payload());
                    }
                    return Poll::Ready(found);
                }
            }
        }
    }
}

/// Finds the next frame. It is found again as long as it was not handed out.
struct Found<'a>(&'a mut Receiver);

impl Future for Found<'_> {
    type Output = Result<Entry, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_found(cx)
    }
}

impl Drop for Found<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.vigil.waits() {
            self.0.vigil.over(self.0.half.resting(), false);
        }
    }
}

impl Stream for Receiver {
    type Item = Result<Bytes, RecvError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(this.poll_found(cx)) {
            Ok(entry) => {
                let frame = this.half.hand_out(entry);
                Some(Ok(Bytes::from(frame.to_vec())))
            }
            Err(error) => {
                this.ended = error != RecvError::Runtime;
                (error != RecvError::Closed).then_some(Err(error))
            }
        })
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.half.as_fd()
    }
}
