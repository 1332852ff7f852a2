//! Connections that carry messages, in tasks: [`ringway::typed`](crate::typed), whose waits are futures.

mod connection;
mod receiver;
mod sender;

pub use connection::{Connection, Listener, connect, connect_with};
pub use receiver::Receiver;
pub use sender::Sender;
