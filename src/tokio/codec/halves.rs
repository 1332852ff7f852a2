//! A connection whose messages are encoded, in a task.

use core::fmt;
use core::marker::PhantomData;
use core::task::{Context, Poll, ready};
use std::pin::Pin;

use futures_core::Stream;
use futures_sink::Sink;

use crate::codec::{Codec, RecvError, SendError, decode};
use crate::connection::{self, Timing};
use crate::tokio;

/// A connection that sends `S` and receives `R`, both by the codec `C`, in a task. Made by [`over`].
#[derive(Debug)]
pub struct Connection<C, S, R> {
    sender: Sender<C, S>,
    receiver: Receiver<C, R>,
}

/// Sends `S` and receives `R` over a connection from now on. What was sent or received before is not touched.
pub fn over<C: Codec<S> + Codec<R>, S, R>(connection: tokio::Connection) -> Connection<C, S, R> {
    let (sender, receiver) = connection.split();
    Connection {
        sender: Sender::over(sender),
        receiver: Receiver::over(receiver),
    }
}

impl<C, S, R> Connection<C, S, R> {
    /// Takes the halves apart: each may live in a task of its own.
    pub fn split(self) -> (Sender<C, S>, Receiver<C, R>) {
        (self.sender, self.receiver)
    }

    /// The half that sends.
    pub fn sender(&mut self) -> &mut Sender<C, S> {
        &mut self.sender
    }

    /// The half that receives.
    pub fn receiver(&mut self) -> &mut Receiver<C, R> {
        &mut self.receiver
    }

    /// Both halves at once: to answer a message while it is looked at.
    pub fn halves(&mut self) -> (&mut Sender<C, S>, &mut Receiver<C, R>) {
        (&mut self.sender, &mut self.receiver)
    }
}

/// The half that sends messages of type `S`, in a task.
///
/// As a [`Sink`] it takes messages; each is encoded when it is fed, and published as what a [`ringway::tokio::Sender`](crate::tokio::Sender) is fed.
pub struct Sender<C, S> {
    inner: tokio::Sender,
    /// Room that is used again for each message.
    bytes: Vec<u8>,
    timing: Option<Timing>,
    message: PhantomData<fn(C, &S)>,
}

impl<C: Codec<S>, S> Sender<C, S> {
    /// Sends messages through `sender` from now on.
    pub fn over(sender: tokio::Sender) -> Self {
        Self {
            timing: sender.get_ref().timing(),
            inner: sender,
            bytes: Vec::new(),
            message: PhantomData,
        }
    }

    /// Encodes and sends a message, waiting for room.
    ///
    /// Cancel-safe: it is committed by the poll that returns `Ok`, so that of a call that was dropped nothing was sent.
    ///
    /// # Errors
    /// What the codec or the connection says ([`ringway::tokio::Sender::send`](crate::tokio::Sender::send)).
    pub async fn send(&mut self, message: &S) -> Result<(), SendError<C::Error>> {
        self.encode(message)?;
        let sent = self.inner.send(&self.bytes).await;
        sent.map_err(SendError::Send)
    }

    /// As [`Sender::send`], without waiting.
    ///
    /// # Errors
    /// Also [`Full`](crate::SendError::Full).
    pub fn try_send(&mut self, message: &S) -> Result<(), SendError<C::Error>> {
        self.encode(message)?;
        self.inner.try_send(&self.bytes).map_err(SendError::Send)
    }

    /// The half that sends bytes, for all that has nothing to do with messages.
    pub fn inner(&mut self) -> &mut tokio::Sender {
        &mut self.inner
    }

    /// That half.
    pub fn into_inner(self) -> tokio::Sender {
        self.inner
    }

    fn encode(&mut self, message: &S) -> Result<(), SendError<C::Error>> {
        self.bytes.clear();
        let bytes = &mut self.bytes;
        Timing::time(&mut self.timing, || C::encode(message, bytes)).map_err(SendError::Encode)
    }
}

impl<C: Codec<S>, S> Sink<S> for Sender<C, S> {
    type Error = SendError<C::Error>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let fed = &mut self.get_mut().inner.fed;
        fed.poll_room(cx).map_err(SendError::Send)
    }

    /// # Panics
    /// If the sink is not ready: it keeps one message for which there is no room.
    fn start_send(self: Pin<&mut Self>, message: S) -> Result<(), Self::Error> {
        let this = self.get_mut();
        this.encode(&message)?;
        let put = this.inner.fed.put(0, &this.bytes);
        if !put.map_err(SendError::Send)? {
            this.inner.fed.keep(std::mem::take(&mut this.bytes).into());
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let fed = &mut self.get_mut().inner.fed;
        fed.poll_settled(cx).map_err(SendError::Send)
    }

    /// As a flush. The goodbye is said by the drop.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.poll_flush(cx)
    }
}

impl<C, S> fmt::Debug for Sender<C, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sender")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// The half that receives messages of type `R`, in a task.
///
/// As a [`Stream`] it yields messages. A frame that is none is an error that the stream goes on behind; it ends when the peer has closed its sender, and behind an error that ends the
/// connection.
pub struct Receiver<C, R> {
    inner: tokio::Receiver,
    /// The frame, copied out: nothing is decoded where the peer can still write.
    bytes: Vec<u8>,
    timing: Option<Timing>,
    message: PhantomData<fn(C) -> R>,
}

impl<C: Codec<R>, R> Receiver<C, R> {
    /// Receives messages through `receiver` from now on.
    pub fn over(receiver: tokio::Receiver) -> Self {
        Self {
            timing: receiver.get_ref().timing(),
            inner: receiver,
            bytes: Vec::new(),
            message: PhantomData,
        }
    }

    /// Waits for a message.
    ///
    /// Cancel-safe: a message is taken by the poll that returns it and by no other.
    ///
    /// # Errors
    /// What the codec or the connection says ([`ringway::tokio::Receiver::recv`](crate::tokio::Receiver::recv)).
    pub async fn recv(&mut self) -> Result<R, RecvError<C::Error>> {
        let frame = self.inner.recv().await.map_err(RecvError::Recv)?;
        decode::<C, R>(&frame.copied(), &mut self.bytes, &mut self.timing)
    }

    /// As [`Receiver::recv`], without waiting.
    ///
    /// # Errors
    /// Also [`Empty`](crate::RecvError::Empty).
    pub fn try_recv(&mut self) -> Result<R, RecvError<C::Error>> {
        let frame = self.inner.try_recv().map_err(RecvError::Recv)?;
        decode::<C, R>(&frame.copied(), &mut self.bytes, &mut self.timing)
    }

    /// The half that receives bytes, for all that has nothing to do with messages.
    pub fn inner(&mut self) -> &mut tokio::Receiver {
        &mut self.inner
    }

    /// That half.
    pub fn into_inner(self) -> tokio::Receiver {
        self.inner
    }
}

impl<C: Codec<R>, R> Stream for Receiver<C, R> {
    type Item = Result<R, RecvError<C::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self {
            inner,
            bytes,
            timing,
            ..
        } = self.get_mut();
        let message = ready!(inner.poll_made(cx, &mut |frame: connection::Frame<'_>| {
            decode::<C, R>(&frame, bytes, timing)
        }));
        Poll::Ready(message.map(|received| received.map_err(RecvError::Recv).and_then(|made| made)))
    }
}

impl<C, R> fmt::Debug for Receiver<C, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Receiver")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
