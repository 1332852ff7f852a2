//! What a frame may carry before its payload: when it expires.
//!
//! ```text
//! position p       header: flags FRAME and EXPIRES, length 8 + n, the sender's kind
//! position p + 8   the moment, in nanoseconds of the host's CLOCK_MONOTONIC
//! position p + 16  payload of n bytes
//! ```
//!
//! The header's length counts the extension: whoever walks from header to header, or bounds a frame, need not know of it. And behind its header such a frame is laid out
//! as an ordinary one whose header the extension would be: that is how a consumer hands it on, so that nothing else knows of it either.

use super::header::{FLAG_DOUBT, FLAG_EXPIRES, FLAG_FRAME, HEADER, Header};
use super::redelivery::FLAGS_REDELIVERY;
use super::violation::Violation;

/// Bytes of an extension.
pub(crate) const EXTENSION: u64 = 8;

const _: () = assert!(
    EXTENSION == HEADER,
    "the inner frame's header is the extension's place"
);

impl Header {
    /// The header of a frame that expires, with `payload` bytes behind its extension.
    pub(crate) const fn expiring(payload: u32, kind: u16) -> Self {
        let flags = FLAG_FRAME | FLAG_EXPIRES;
        Self((payload as u64 + EXTENSION) | (kind as u64) << 32 | (flags as u64) << 48)
    }

    /// Whether the frame expires.
    pub(crate) const fn expires(self) -> bool {
        self.flags() & FLAG_EXPIRES != 0 && self.is_frame()
    }

    /// Whether a frame begins with it, with an extension or without, sent for the first time or again.
    pub(crate) const fn is_frame(self) -> bool {
        let flags = self.flags();
        flags & !(FLAG_EXPIRES | FLAGS_REDELIVERY) == FLAG_FRAME
            && flags & FLAGS_REDELIVERY != FLAG_DOUBT
    }

    /// As an ordinary frame that begins where the extension is.
    ///
    /// # Errors
    /// It is too short for its extension.
    pub(crate) fn inner(self) -> Result<Self, Violation> {
        let length = self.payload();
        match length.checked_sub(EXTENSION as u32) {
            Some(payload) => Ok(Self::frame(payload, self.kind()).redelivered(self.redelivery())),
            None => Err(Violation::ExtensionTooShort { length }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_the_extension_and_the_inner_frame_ends_where_the_outer_does() {
        for payload in [0u32, 1, 7, 8, 9, 64, 1 << 30] {
            let header = Header::expiring(payload, 0x1234);
            assert_eq!(header.payload(), payload + 8);
            assert!(header.expires() && header.is_frame());
            let inner = header.inner().unwrap();
            assert_eq!(inner, Header::frame(payload, 0x1234));
            assert!(!inner.expires() && inner.is_frame());
            assert_eq!(inner.length() + EXTENSION, header.length());
        }
    }

    #[test]
    fn what_is_too_short_is_named() {
        for length in 0..8 {
            let flags = u64::from(FLAG_FRAME | FLAG_EXPIRES) << 48;
            let header = Header(u64::from(length) | flags);
            assert_eq!(header.inner(), Err(Violation::ExtensionTooShort { length }));
        }
    }
}
