//! Connections in tasks of [tokio]: the same halves, whose waits are futures.
//!
//! Absent on purpose: threads and tasks of ours. What waits, waits in its caller's future.

pub mod any;
mod attended;
mod batcher;
mod connect;
mod connection;
mod glance;
mod halves;
mod listener;
mod pace;
mod receiver;
mod sender;
mod sink;
mod stream;
pub mod typed;
mod vigil;
mod watched;

pub use batcher::Batcher;
pub use connect::{connect, connect_with};
pub use connection::Connection;
pub use listener::Listener;
pub use receiver::Receiver;
pub use sender::Sender;
pub use stream::{ByteListener, ByteReader, ByteStream, ByteWriter};
