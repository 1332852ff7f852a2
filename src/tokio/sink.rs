//! The half that sends as a sink: what is fed is published in groups.

use core::fmt;
use core::marker::PhantomData;
use core::task::{Context, Poll};
use std::pin::Pin;

use bytes::Bytes;
use futures_sink::Sink;

use super::Sender;
use crate::connection::SendError;

/// A [`Sender`] as a [`Sink`] of any bytes: arrays, vectors, slices. It is what the sender is as a sink of [`Bytes`], without their counts of references: see [`Sender::sink_of`].
///
/// Dropping it leaves what was fed as it is: the sender's next call publishes it, or its drop. A task that waited by it is woken no more.
#[must_use = "sinks do nothing unless they are fed"]
pub struct SinkOf<'a, T: ?Sized> {
    sender: &'a mut Sender,
    takes: PhantomData<fn(&T)>,
}

impl Sender {
    /// This sender as a sink of `T`: of `[u8; 64]`, of `Vec<u8>`, of `&[u8]`. An item is copied into the ring when it is fed, and nothing is allocated for it. Only one that there is no room for is
    /// copied to be kept.
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt, stream};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-sink-of-{}", std::process::id()));
    /// # let mut listener = ringway::tokio::Listener::bind(path.as_path())?;
    /// # let (client, server) = tokio::join!(ringway::tokio::connect(path), listener.accept());
    /// # let ((mut sender, _ours), (_theirs, mut receiver)) = (client?.split(), server?.split());
    /// let mut sink = sender.sink_of::<[u8; 8]>();
    /// for n in 0..10u64 {
    ///     sink.feed(n.to_le_bytes()).await?;
    /// }
    /// sink.flush().await?;
    /// let mut numbers = receiver.stream_of(|frame| {
    ///     let mut number = [0; 8];
    ///     frame.copy_to(&mut number);
    ///     u64::from_le_bytes(number)
    /// });
    /// assert_eq!(numbers.next().await.unwrap()?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Cancel-safe, as the sink of [`Bytes`] is: what it has taken is sent once, whatever is dropped.
    pub fn sink_of<T: AsRef<[u8]>>(&mut self) -> SinkOf<'_, T> {
        SinkOf {
            sender: self,
            takes: PhantomData,
        }
    }
}

impl Sink<Bytes> for Sender {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().fed.poll_room(cx)
    }

    /// # Panics
    /// If the sink is not ready: it keeps one item for which there is no room.
    #[inline]
    fn start_send(self: Pin<&mut Self>, item: Bytes) -> Result<(), SendError> {
        self.get_mut().fed.feed(item)
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

impl<T: AsRef<[u8]>> Sink<T> for SinkOf<'_, T> {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().sender.fed.poll_room(cx)
    }

    /// # Panics
    /// If the sink is not ready: it keeps one item for which there is no room.
    #[inline]
    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), SendError> {
        let fed = &mut self.get_mut().sender.fed;
        if !fed.put(0, item.as_ref())? {
            fed.keep(Bytes::copy_from_slice(item.as_ref()));
        }
        Ok(())
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().sender.fed.poll_settled(cx)
    }

    /// As a flush. The goodbye is said by the sender's drop.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().sender.fed.poll_settled(cx)
    }
}

impl<T: ?Sized> Drop for SinkOf<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.sender.fed.lane.leave();
    }
}

impl<T: ?Sized> fmt::Debug for SinkOf<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SinkOf").field(&self.sender).finish()
    }
}
