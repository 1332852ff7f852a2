//! The half that receives as a stream: of bytes, or of whatever is made of a frame.

use core::fmt;
use core::task::{Context, Poll, ready};
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;

use super::Receiver;
use super::attended::Attended;
use crate::connection::{self, Frame, RecvError};

/// A [`Receiver`] as a [`Stream`] of what is made of each frame: see [`Receiver::stream_of`]. When it is dropped, a task that waited by it is woken no more.
#[must_use = "streams do nothing unless they are polled"]
pub struct StreamOf<'a, F> {
    receiver: &'a mut Receiver,
    make: F,
}

impl Receiver {
    /// This receiver as a stream of what `make` makes of each frame where it lies, in the ring: a number, an array, a part. Nothing is allocated for it, as bytes of their own are
    /// for the receiver's own stream. It ends as that does, and one of them goes on where another one was dropped. [`Sender::sink_of`](super::Sender::sink_of) has an example.
    ///
    /// Cancel-safe: a frame is taken by the poll that yields it. Where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)), it is finished with when the next one is asked for.
    pub fn stream_of<T, F: FnMut(Frame<'_>) -> T>(&mut self, make: F) -> StreamOf<'_, F> {
        StreamOf {
            receiver: self,
            make,
        }
    }
}

impl Receiver {
    /// What is made of the next frame, as of a stream.
    pub(super) fn poll_made<T>(
        &mut self,
        cx: &mut Context<'_>,
        make: &mut impl FnMut(Frame<'_>) -> T,
    ) -> Poll<Option<Result<T, RecvError>>> {
        poll_made(&mut self.lane, &mut self.ended, cx, make)
    }
}

/// What is made of the next frame.
#[inline(always)]
fn poll_made<T>(
    lane: &mut Attended<connection::Receiver>,
    ended: &mut bool,
    cx: &mut Context<'_>,
    make: &mut impl FnMut(Frame<'_>) -> T,
) -> Poll<Option<Result<T, RecvError>>> {
    if *ended {
        return Poll::Ready(None);
    }
    ready!(lane.poll_pace(cx));
    // Not by the closure that `poll` would call from two places: this is to be in line.
    let outcome = lane.half.find();
    let outcome = ready!(lane.tried(cx, (), outcome, &mut connection::Receiver::find));
    Poll::Ready(match outcome {
        Ok(entry) => {
            lane.passed(entry.payload());
            // What is made of it is with its handler when the poll returns.
            Some(Ok(make(lane.half.hand_out(entry).copied())))
        }
        Err(error) => {
            *ended = error != RecvError::Runtime;
            (error != RecvError::Closed).then_some(Err(error))
        }
    })
}

impl Stream for Receiver {
    type Item = Result<Bytes, RecvError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self {
            lane, ended, pool, ..
        } = self.get_mut();
        poll_made(lane, ended, cx, &mut |frame| pool.copy(&frame))
    }
}

impl<T, F: FnMut(Frame<'_>) -> T> Stream for StreamOf<'_, F> {
    type Item = Result<T, RecvError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { receiver, make } = self.get_mut();
        poll_made(&mut receiver.lane, &mut receiver.ended, cx, make)
    }
}

// What it yields is moved out, and nothing in it is pinned.
impl<F> Unpin for StreamOf<'_, F> {}

impl<F> Drop for StreamOf<'_, F> {
    #[inline]
    fn drop(&mut self) {
        self.receiver.lane.leave();
    }
}

impl<F> fmt::Debug for StreamOf<'_, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("StreamOf").field(&self.receiver).finish()
    }
}
