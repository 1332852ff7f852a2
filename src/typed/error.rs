//! What receiving a message can answer.

use super::invalid::Invalid;
use crate::connection;

/// Why no message was received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// There was no frame: none yet, or the connection has ended.
    #[error(transparent)]
    Lane(#[from] connection::RecvError),
    /// A frame came that is not what it should be. It is consumed, and the next call receives the one behind it.
    #[error("{0}")]
    Invalid(#[from] Invalid),
}

impl RecvError {
    /// Whether there was no frame yet, in a call that does not wait or whose time was up.
    pub fn is_nothing_yet(&self) -> bool {
        use connection::RecvError::{Empty, TimedOut};
        matches!(self, Self::Lane(Empty | TimedOut))
    }

    /// Whether the peer has closed its sender in order, after everything that it sent was received.
    pub fn is_closed(&self) -> bool {
        *self == Self::Lane(connection::RecvError::Closed)
    }
}
