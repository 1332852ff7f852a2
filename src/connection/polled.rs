//! What a poller learns by a look at a half.

use super::outcome::{RecvError, SendError};

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Nothing,
    /// A frame, or room for one.
    Something,
    /// The connection is over for this half.
    Ended(RecvError),
}

/// How a connection ended, as the half hears it that has nothing left to receive. `None`: that is no end.
pub(crate) fn end_of(error: SendError) -> Option<RecvError> {
    match error {
        SendError::Closed => Some(RecvError::Closed),
        SendError::PeerClosed => Some(RecvError::PeerClosed),
        SendError::PeerDied => Some(RecvError::PeerDied),
        SendError::Protocol(violation) => Some(RecvError::Protocol(violation)),
        SendError::Forked => Some(RecvError::Forked),
        SendError::Full
        | SendError::Interrupted
        | SendError::TimedOut
        | SendError::Expired
        | SendError::QueueTooLong
        | SendError::Clock
        | SendError::TooLarge { .. }
        | SendError::Priority { .. }
        | SendError::Alignment { .. } => None,
        #[cfg(feature = "tokio")]
        SendError::Runtime => None,
    }
}
