//! What a transfer answers, in the words of `std::io`. The source of each error is the answer itself.

use std::io;

use crate::connection::{RecvError, SendError};

/// The answer to a read, other than the end of the stream.
pub(crate) fn of_read(error: RecvError) -> io::Error {
    let kind = match error {
        RecvError::Empty => return io::ErrorKind::WouldBlock.into(),
        RecvError::TimedOut => io::ErrorKind::TimedOut,
        RecvError::PeerClosed | RecvError::PeerDied => io::ErrorKind::ConnectionReset,
        RecvError::Protocol(_) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// The answer to a write.
pub(crate) fn of_write(error: SendError) -> io::Error {
    let kind = match error {
        SendError::Full => return io::ErrorKind::WouldBlock.into(),
        SendError::TimedOut => io::ErrorKind::TimedOut,
        SendError::Closed => io::ErrorKind::BrokenPipe,
        SendError::PeerClosed | SendError::PeerDied => io::ErrorKind::ConnectionReset,
        SendError::Protocol(_) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
