//! The frame header: one 64-bit word, never zero, whose store is the commit.
//!
//! ```text
//! bits  0..32  payload length in bytes, without padding to 8
//! bits 32..48  kind, the sender's to choose (typed messages number their types here)
//! bits 48..64  flags
//! ```

/// Bytes in a header, and the granularity of positions.
pub(crate) const HEADER: u64 = 8;

/// Set in every header, so that no header is ever zero.
pub(crate) const FLAG_FRAME: u16 = 1 << 0;
/// The payload is padding; the frame behind it was published in the same store.
pub(crate) const FLAG_PAD: u16 = 1 << 1;
/// Sent again, to another incarnation of the peer (`layout/redelivery.rs`).
pub(crate) const FLAG_REDELIVERED: u16 = 1 << 2;
/// An extension of eight bytes precedes the payload, and is counted as a part of it: when the frame expires (`layout/extension.rs`).
pub(crate) const FLAG_EXPIRES: u16 = 1 << 3;
/// Reserved, but for [`FLAG_EXPIRES`]: an extension of eight bytes precedes the payload (call id, trace context, send time).
#[allow(
    dead_code,
    reason = "reserved in the layout; the golden test pins their values"
)]
pub(crate) const FLAGS_EXTENSION: u16 = 0b1111 << 3;
/// Of a frame that is sent again: an earlier incarnation may have seen it.
pub(crate) const FLAG_DOUBT: u16 = 1 << 7;

/// A header word taken apart. Any 64-bit value can be taken apart; whether it is acceptable is the consumer's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header(pub(crate) u64);

impl Header {
    /// The header of an ordinary frame.
    #[inline(always)]
    pub(crate) const fn frame(payload: u32, kind: u16) -> Self {
        Self(payload as u64 | (kind as u64) << 32 | (FLAG_FRAME as u64) << 48)
    }

    /// The header of a pad that takes `length` bytes in all, its header included: a multiple of 8, at least 8.
    #[inline(always)]
    pub(crate) const fn pad(length: u64) -> Self {
        Self((length - HEADER) | ((FLAG_FRAME | FLAG_PAD) as u64) << 48)
    }

    /// Payload bytes.
    #[inline(always)]
    pub(crate) const fn payload(self) -> u32 {
        self.0 as u32
    }

    /// The sender's kind.
    #[inline(always)]
    pub(crate) const fn kind(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// The flags.
    #[inline(always)]
    pub(crate) const fn flags(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Bytes that the frame takes in the ring: header, payload, padding to 8. At most 4 GiB + 8, so nothing overflows.
    #[inline(always)]
    pub(crate) const fn length(self) -> u64 {
        frame_length(self.payload() as u64)
    }
}

/// Bytes that a frame with `payload` bytes takes in the ring. Of one that is longer than anything it goes round: whoever asks for room for that is refused by the payload.
#[inline(always)]
pub(crate) const fn frame_length(payload: u64) -> u64 {
    payload.wrapping_add(HEADER + 7) & !7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_never_zero_and_keeps_its_parts() {
        let empty = Header::frame(0, 0);
        assert_ne!(empty.0, 0);
        let header = Header::frame(0xdead_beef, 0x1234);
        assert_eq!(
            (header.payload(), header.kind(), header.flags()),
            (0xdead_beef, 0x1234, FLAG_FRAME)
        );
        assert_eq!(Header::pad(8).length(), 8);
        assert_eq!(Header::pad(64).length(), 64);
        assert_eq!(Header::pad(64).flags(), FLAG_FRAME | FLAG_PAD);
    }

    #[test]
    fn lengths_are_whole_words() {
        for (payload, length) in [(0, 8), (1, 16), (8, 16), (9, 24), (56, 64), (64, 72)] {
            assert_eq!(frame_length(payload), length);
        }
        assert_eq!(Header(u64::MAX).length() % 8, 0);
    }
}
