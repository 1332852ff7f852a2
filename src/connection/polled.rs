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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_a_connection_is_an_end() {
        for (error, end) in [
            (SendError::Closed, RecvError::Closed),
            (SendError::PeerClosed, RecvError::PeerClosed),
            (SendError::PeerDied, RecvError::PeerDied),
            (SendError::Forked, RecvError::Forked),
        ] {
            assert_eq!(end_of(error), Some(end));
        }
        for error in [SendError::Full, SendError::TimedOut, SendError::Expired] {
            assert_eq!(end_of(error), None);
        }
    }
}
