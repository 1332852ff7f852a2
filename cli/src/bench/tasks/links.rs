//! By what two tasks move messages.

use std::os::unix::net;
use std::path::Path;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use ringway::stream::ByteStream;
use ringway::tokio::{self as ring, Connection};
use ringway::{Config, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::codec::LengthDelimitedCodec;

use super::super::kit::{Kit, Side};
use super::super::ours::meet;
use super::super::{Failure, fail};
use super::TaskLink;

/// What went right, or the end of the process.
fn insist<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| fail(&error))
}

/// Copies out a message, which has just the length.
fn copy_out(message: &[u8], payload: &mut [u8]) {
    if message.len() != payload.len() {
        fail(&format!("a message of {} bytes", message.len()));
    }
    payload.copy_from_slice(message);
}

/// Ringway's halves.
pub(super) struct Halves {
    sender: ring::Sender,
    receiver: ring::Receiver,
}

impl Halves {
    pub(super) fn new(config: &Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let (sender, receiver) = Connection::new(meet(config, address, side)?)?.split();
        Ok(Self { sender, receiver })
    }
}

impl TaskLink for Halves {
    async fn send(&mut self, payload: &[u8]) {
        insist(self.sender.send(payload).await);
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        if insist(self.receiver.recv_into(payload).await) != payload.len() {
            fail(&"a frame of another length");
        }
    }
}

/// Messages as encoders make them: one behind the other in a buffer, from which each is split off.
#[derive(Default)]
struct Encoder(BytesMut);

impl Encoder {
    fn encode(&mut self, payload: &[u8]) -> bytes::Bytes {
        if self.0.capacity() < payload.len() {
            self.0.reserve(16 << 10);
        }
        self.0.extend_from_slice(payload);
        self.0.split().freeze()
    }
}

/// Ringway's halves as `Stream` and `Sink`.
pub(super) struct Streamed {
    halves: Halves,
    encoder: Encoder,
    /// Each message is flushed by itself.
    at_once: bool,
}

impl Streamed {
    pub(super) fn new(
        config: &Config,
        address: &Path,
        side: Side,
        at_once: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            halves: Halves::new(config, address, side)?,
            encoder: Encoder::default(),
            at_once,
        })
    }
}

impl TaskLink for Streamed {
    async fn send(&mut self, payload: &[u8]) {
        let item = self.encoder.encode(payload);
        let sender = &mut self.halves.sender;
        if self.at_once {
            insist(SinkExt::send(sender, item).await);
        } else {
            insist(sender.feed(item).await);
        }
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        match self.halves.receiver.next().await {
            Some(message) => copy_out(&insist(message), payload),
            None => fail(&"the stream has ended"),
        }
    }

    async fn publish(&mut self) {
        insist(SinkExt::<bytes::Bytes>::flush(&mut self.halves.sender).await);
    }
}

/// Ringway's halves as a `Sink` of slices, and as a `Stream` that copies each frame to where it is wanted.
pub(super) struct Items {
    halves: Halves,
    /// Each message is flushed by itself.
    at_once: bool,
}

impl Items {
    pub(super) fn new(
        config: &Config,
        address: &Path,
        side: Side,
        at_once: bool,
    ) -> Result<Self, Failure> {
        let halves = Halves::new(config, address, side)?;
        Ok(Self { halves, at_once })
    }
}

impl TaskLink for Items {
    async fn send(&mut self, payload: &[u8]) {
        let mut sink = self.halves.sender.sink_of::<&[u8]>();
        if self.at_once {
            insist(sink.send(payload).await);
        } else {
            insist(sink.feed(payload).await);
        }
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        let copied = |frame: Frame<'_>| frame.copy_to(payload) == frame.len();
        let mut stream = self.halves.receiver.stream_of(copied);
        if stream.next().await.is_none_or(|copied| !insist(copied)) {
            fail(&"the stream has ended, or a frame of another length");
        }
    }

    async fn publish(&mut self) {
        insist(self.halves.sender.sink_of::<&[u8]>().flush().await);
    }
}

/// Ringway's stream of bytes.
pub(super) struct Bytes(ring::ByteStream);

impl Bytes {
    pub(super) fn new(config: Config, address: &Path, side: Side) -> Result<Self, Failure> {
        let connection = meet(&config.byte_stream(), address, side)?;
        Ok(Self(ring::ByteStream::new(ByteStream::over(connection)?)?))
    }
}

impl TaskLink for Bytes {
    async fn send(&mut self, payload: &[u8]) {
        insist(self.0.write_all(payload).await);
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        insist(self.0.read_exact(payload).await);
    }
}

/// A Unix socket.
pub(super) struct Unix(UnixStream);

impl Unix {
    pub(super) fn new(kit: &Kit, side: Side) -> Result<Self, Failure> {
        let own = net::UnixStream::from(kit.sockets[side.index()].try_clone()?);
        own.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(own)?))
    }
}

impl TaskLink for Unix {
    async fn send(&mut self, payload: &[u8]) {
        insist(self.0.write_all(payload).await);
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        insist(self.0.read_exact(payload).await);
    }
}

/// A Unix socket with a codec of lengths.
pub(super) struct Framed {
    socket: tokio_util::codec::Framed<UnixStream, LengthDelimitedCodec>,
    encoder: Encoder,
    /// Each message is flushed by itself.
    at_once: bool,
}

impl Framed {
    pub(super) fn new(kit: &Kit, side: Side, at_once: bool) -> Result<Self, Failure> {
        let Unix(socket) = Unix::new(kit, side)?;
        let framed = tokio_util::codec::Framed::new(socket, LengthDelimitedCodec::new());
        Ok(Self {
            socket: framed,
            encoder: Encoder::default(),
            at_once,
        })
    }
}

impl TaskLink for Framed {
    async fn send(&mut self, payload: &[u8]) {
        let item = self.encoder.encode(payload);
        if self.at_once {
            insist(SinkExt::send(&mut self.socket, item).await);
        } else {
            insist(self.socket.feed(item).await);
        }
    }

    async fn recv(&mut self, payload: &mut [u8]) {
        match self.socket.next().await {
            Some(message) => copy_out(&insist(message), payload),
            None => fail(&"the stream has ended"),
        }
    }

    async fn publish(&mut self) {
        insist(SinkExt::<bytes::Bytes>::flush(&mut self.socket).await);
    }
}
