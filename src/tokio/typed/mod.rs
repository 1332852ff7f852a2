//! Connections that carry messages, in tasks: [`ringway::typed`](crate::typed), whose waits are futures.

mod batcher;
mod connection;
mod expiring;
mod receiver;
mod sender;
mod sink;

pub use batcher::Batcher;
pub use connection::{Connection, Listener, connect, connect_with, resume};
pub use receiver::Receiver;
pub use sender::Sender;
