//! A connection whose messages are encoded.

use core::fmt;
use core::marker::PhantomData;
use std::time::Instant;

use super::Codec;
use crate::connection::{self, Timing};
use crate::poller::Polled;

/// A connection that sends `S` and receives `R`, both by the codec `C`. Made by [`over`].
#[derive(Debug)]
pub struct Connection<C, S, R> {
    sender: Sender<C, S>,
    receiver: Receiver<C, R>,
}

/// Sends `S` and receives `R` over a connection from now on. What was sent or received before is not touched.
pub fn over<C: Codec<S> + Codec<R>, S, R>(
    connection: connection::Connection,
) -> Connection<C, S, R> {
    let (sender, receiver) = connection.split();
    Connection {
        sender: Sender {
            timing: sender.timing(),
            inner: sender,
            bytes: Vec::new(),
            message: PhantomData,
        },
        receiver: Receiver {
            timing: receiver.timing(),
            inner: receiver,
            bytes: Vec::new(),
            message: PhantomData,
        },
    }
}

impl<C, S, R> Connection<C, S, R> {
    /// Takes the halves apart: each may live in a thread of its own.
    pub fn split(self) -> (Sender<C, S>, Receiver<C, R>) {
        (self.sender, self.receiver)
    }

    /// The connection that carries them: to resume it ([`Config::resume`](crate::Config::resume)), and to go [`over`] what comes of that.
    pub fn into_inner(self) -> connection::Connection {
        connection::Connection::new(self.sender.inner, self.receiver.inner)
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

impl<C, S, R> Polled for Connection<C, S, R> {
    fn lanes(&mut self) -> (&mut connection::Sender, &mut connection::Receiver) {
        (&mut self.sender.inner, &mut self.receiver.inner)
    }
}

/// Why a message was not sent.
#[derive(Debug)]
pub enum SendError<E> {
    /// The codec cannot write the value. Nothing was sent.
    Encode(E),
    /// The frame was not sent.
    Send(connection::SendError),
}

/// Why no message was received.
#[derive(Debug)]
pub enum RecvError<E> {
    /// The frame is no message of this codec and type. It is used up, and the connection goes on.
    Decode(E),
    /// There is no frame.
    Recv(connection::RecvError),
}

impl<E: fmt::Display> fmt::Display for SendError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => write!(formatter, "the message cannot be written: {error}"),
            Self::Send(error) => error.fmt(formatter),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RecvError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(formatter, "the frame is no such message: {error}"),
            Self::Recv(error) => error.fmt(formatter),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for SendError<E> {}
impl<E: fmt::Debug + fmt::Display> std::error::Error for RecvError<E> {}

/// The half that sends messages of type `S`.
pub struct Sender<C, S> {
    pub(super) inner: connection::Sender,
    /// Room that is used again for each message.
    bytes: Vec<u8>,
    timing: Option<Timing>,
    message: PhantomData<fn(C, &S)>,
}

impl<C: Codec<S>, S> Sender<C, S> {
    /// Encodes and sends a message, waiting for room. As [`Sender::send`](crate::Sender::send) otherwise.
    ///
    /// # Errors
    /// What the codec or the connection says.
    pub fn send(&mut self, message: &S) -> Result<(), SendError<C::Error>> {
        self.encode(message)?;
        self.inner.send(&self.bytes).map_err(SendError::Send)
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`TimedOut`](crate::SendError::TimedOut).
    pub fn send_deadline(
        &mut self,
        message: &S,
        deadline: Instant,
    ) -> Result<(), SendError<C::Error>> {
        self.encode(message)?;
        let sent = self.inner.send_deadline(&self.bytes, deadline);
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
    pub fn inner(&mut self) -> &mut connection::Sender {
        &mut self.inner
    }

    fn encode(&mut self, message: &S) -> Result<(), SendError<C::Error>> {
        self.bytes.clear();
        let bytes = &mut self.bytes;
        Timing::time(&mut self.timing, || C::encode(message, bytes)).map_err(SendError::Encode)
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

/// The half that receives messages of type `R`.
pub struct Receiver<C, R> {
    inner: connection::Receiver,
    /// The frame, copied out: nothing is decoded where the peer can still write.
    bytes: Vec<u8>,
    timing: Option<Timing>,
    message: PhantomData<fn(C) -> R>,
}

impl<C: Codec<R>, R> Receiver<C, R> {
    /// Waits for a message. As [`Receiver::recv`](crate::Receiver::recv) otherwise.
    ///
    /// # Errors
    /// What the codec or the connection says.
    pub fn recv(&mut self) -> Result<R, RecvError<C::Error>> {
        let frame = self.inner.recv().map_err(RecvError::Recv)?;
        decode::<C, R>(&frame.copied(), &mut self.bytes, &mut self.timing)
    }

    /// As [`Receiver::recv`], until `deadline`.
    ///
    /// # Errors
    /// Also [`TimedOut`](crate::RecvError::TimedOut).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<R, RecvError<C::Error>> {
        let frame = self
            .inner
            .recv_deadline(deadline)
            .map_err(RecvError::Recv)?;
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
    pub fn inner(&mut self) -> &mut connection::Receiver {
        &mut self.inner
    }
}

/// A message of `frame`, which is copied out into `bytes` first.
pub(crate) fn decode<C: Codec<R>, R>(
    frame: &connection::Frame<'_>,
    bytes: &mut Vec<u8>,
    timing: &mut Option<Timing>,
) -> Result<R, RecvError<C::Error>> {
    bytes.resize(frame.len(), 0);
    frame.copy_to(bytes);
    Timing::time(timing, || C::decode(bytes)).map_err(RecvError::Decode)
}

impl<C, R> fmt::Debug for Receiver<C, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Receiver")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
