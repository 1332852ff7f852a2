//! The half that receives messages, in a task.

use core::fmt;
use core::task::{Context, Poll, ready};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use futures_core::Stream;
use zerocopy::FromBytes;

use crate::connection::{self, Peer};
use crate::error::Error;
use crate::tokio::attended::{Attended, Half};
use crate::typed::{self, Batch, Carries, Fixed, Messages, RecvError};

/// The half that receives the messages of `M`, in a task: [`ringway::typed::Receiver`](crate::typed::Receiver), whose waits are futures.
///
/// As a [`Stream`] it yields messages. A frame that is no message is an error that the stream goes on behind; it ends when the peer has closed its sender, and behind an error that ends the
/// connection.
pub struct Receiver<M: Messages + ?Sized> {
    lane: Attended<typed::Receiver<M>>,
    /// As a stream: it has told how the connection ended.
    ended: bool,
}

impl<M: Messages + ?Sized> Receiver<M> {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: typed::Receiver<M>) -> Result<Self, Error> {
        Ok(Self {
            lane: Attended::new(half)?,
            ended: false,
        })
    }

    /// The next message, waiting for it.
    ///
    /// Cancel-safe: a message is taken by the poll that returns it and by no other.
    ///
    /// # Errors
    /// As for [`ringway::typed::Receiver::recv`](crate::typed::Receiver::recv).
    #[inline]
    pub async fn recv(&mut self) -> Result<M::Received, RecvError> {
        let from = self.lane.half.position();
        let received = self.lane.until((), typed::Receiver::try_recv).await;
        self.lane.passed_from(from);
        received
    }

    /// Copies the next message into `target`, waiting for it. Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// As for [`ringway::typed::Receiver::recv_into`](crate::typed::Receiver::recv_into).
    #[inline]
    pub async fn recv_into<T: Fixed + FromBytes>(&mut self, target: &mut T) -> Result<(), RecvError>
    where
        M: Carries<T>,
    {
        let take = |half: &mut typed::Receiver<M>| half.try_recv_into(target);
        let from = self.lane.half.position();
        let taken = self.lane.until((), take).await;
        self.lane.passed_from(from);
        taken
    }

    /// All messages of the next frame, waiting for it: see [`ringway::typed::Receiver::recv_batch`](crate::typed::Receiver::recv_batch). Cancel-safe, as [`Receiver::recv`] is.
    ///
    /// # Errors
    /// As for that.
    pub async fn recv_batch<T: Fixed>(&mut self) -> Result<Batch<'_, T>, RecvError>
    where
        M: Carries<T>,
    {
        // What is found is handed out: a second look would find what the peer has made of it since.
        let find = |half: &mut typed::Receiver<M>| half.untyped().find();
        let entry = self.lane.until((), find).await?;
        self.lane.begins_batch();
        (self.lane.half).batch_in(|receiver| Ok(receiver.hand_out(entry).copied()))
    }

    /// The next message if there is one. Never waits.
    ///
    /// # Errors
    /// Also that there is none ([`RecvError::is_nothing_yet`]).
    #[inline]
    pub fn try_recv(&mut self) -> Result<M::Received, RecvError> {
        self.lane.at_once().try_recv()
    }

    /// Is finished with what was received: see [`ringway::Receiver::release`](crate::Receiver::release). Where the connection can be resumed ([`Config::resumable`](crate::Config::resumable)), that is otherwise when the next message is asked for.
    pub fn release(&mut self) {
        self.lane.half.untyped().release();
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &typed::Receiver<M> {
        &self.lane.half
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task.
    pub fn into_inner(self) -> typed::Receiver<M> {
        self.lane.into_inner()
    }
}

impl<M: Messages + ?Sized> Stream for Receiver<M> {
    type Item = Result<M::Received, RecvError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let from = this.lane.half.position();
        let outcome = ready!(this.lane.poll(cx, (), &mut typed::Receiver::try_recv));
        this.lane.passed_from(from);
        if let Err(RecvError::Lane(error)) = &outcome {
            this.ended = *error != connection::RecvError::Runtime;
            if *error == connection::RecvError::Closed {
                return Poll::Ready(None);
            }
        }
        Poll::Ready(Some(outcome))
    }
}

// What it yields is moved out, and nothing in it is pinned.
impl<M: Messages + ?Sized> Unpin for Receiver<M> {}

impl<M: Messages + ?Sized> AsFd for Receiver<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}

impl<M: Messages + ?Sized> fmt::Debug for Receiver<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Receiver").field(&self.lane.half).finish()
    }
}
