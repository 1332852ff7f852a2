//! The half that sends messages as a sink.

use core::task::{Context, Poll};
use std::pin::Pin;

use futures_sink::Sink;

use super::Sender;
use crate::connection::SendError;
use crate::typed::Messages;

impl<M: Messages + ?Sized> Sink<M::Received> for Sender<M> {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().fed.poll_room(cx)
    }

    /// # Panics
    /// If the sink is not ready: it keeps one message for which there is no room.
    #[inline]
    fn start_send(self: Pin<&mut Self>, message: M::Received) -> Result<(), SendError> {
        self.get_mut().fed.feed(message)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().fed.poll_settled(cx)
    }

    /// As a flush. The goodbye is said by the drop.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().fed.poll_settled(cx)
    }
}

// A message that is kept is moved, and nothing in it is pinned.
impl<M: Messages + ?Sized> Unpin for Sender<M> {}
