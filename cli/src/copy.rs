//! What `send` and `recv` say to each other over a connection, apart from any input, output or option.
//!
//! The stream travels in frames of kind [`BYTES`]. A frame of kind [`END`] closes it and carries how many bytes there were; the
//! receiver answers with the same frame once its output has taken all of them. So neither side can mistake the other's
//! death, interruption or early close for the end, and a sender that ends with 0 knows that everything was written.

use ringway::{RecvError, SendError};

use crate::exit::{Code, Failure};

/// The kind of a frame that carries a piece of the stream: what a plain `send` of the library makes.
pub(crate) const BYTES: u16 = 0;
/// The kind of the frame that ends the stream: its payload is the number of bytes, 64 bits, little-endian.
pub(crate) const END: u16 = 1;
/// The largest piece of the stream in one frame: what a pipe holds, twice; larger ones gained nothing.
pub(crate) const PIECE: usize = 128 << 10;

/// The payload of an [`END`] frame.
pub(crate) fn end_mark(bytes: u64) -> [u8; 8] {
    bytes.to_le_bytes()
}

/// Compares the [`END`] payload that arrived with what this side has counted.
pub(crate) fn check_end_mark(payload: &[u8], counted: u64) -> Result<(), Failure> {
    let told = <[u8; 8]>::try_from(payload)
        .map(u64::from_le_bytes)
        .map_err(|_| {
            Failure::new(
                Code::Protocol,
                format!(
                    "the mark of the end has {} bytes instead of 8",
                    payload.len()
                ),
            )
        })?;
    if told == counted {
        return Ok(());
    }
    Err(Failure::new(
        Code::Protocol,
        format!("the other side counted {told} bytes, this side {counted}: do not use the copy"),
    ))
}

/// What a frame of an unknown kind means.
pub(crate) fn unknown_kind(kind: u16) -> Failure {
    Failure::new(
        Code::Protocol,
        format!(
            "a frame of kind {kind} arrived: the other side is not `ringway send` or `ringway recv` of this version"
        ),
    )
}

/// A failed send, from the sender's side, after `bytes` went into the ring.
pub(crate) fn sending_failed(error: SendError, bytes: u64) -> Failure {
    let fate =
        format!("{bytes} bytes had been sent, and how many of them were written is not known");
    sending_ended(error, &fate)
}

/// A failed send; `fate` says what is known of what was sent.
pub(crate) fn sending_ended(error: SendError, fate: &str) -> Failure {
    match error {
        SendError::PeerDied => Failure::new(
            Code::PeerDied,
            format!("the receiver died before the end: {fate}"),
        ),
        SendError::Closed | SendError::PeerClosed => Failure::new(
            Code::PeerClosed,
            format!("the receiver closed before the end: {fate}"),
        ),
        SendError::Protocol(_) => Failure::new(
            Code::Protocol,
            format!("the receiver broke the protocol: {error}"),
        ),
        other => Failure::new(Code::Failed, format!("cannot send: {other}")),
    }
}

/// A failed receive on the side that `counted` so many bytes; `peer` is what the other side is.
pub(crate) fn receiving_failed(error: RecvError, peer: &str, counted: &str) -> Failure {
    match error {
        RecvError::PeerDied => Failure::new(
            Code::PeerDied,
            format!("the {peer} died before the end: {counted}"),
        ),
        RecvError::Closed | RecvError::PeerClosed => Failure::new(
            Code::PeerClosed,
            format!("the {peer} closed before the end: {counted}"),
        ),
        RecvError::Protocol(_) => Failure::new(
            Code::Protocol,
            format!("the {peer} broke the protocol: {error}"),
        ),
        other => Failure::new(Code::Failed, format!("cannot receive: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_the_end_is_compared() {
        assert!(check_end_mark(&end_mark(7), 7).is_ok());
        assert!(check_end_mark(&end_mark(7), 8).is_err());
        assert!(check_end_mark(&[7; 4], 7).is_err());
    }
}
