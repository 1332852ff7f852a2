//! The rules that a peer's shared words must keep, by name. Breaking one ends that connection and no other.

use core::fmt;

/// A rule of the lane that the peer broke.
///
/// The connection that reports one is over. No value here tells payload bytes or addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A frame's length reaches past what the sender could have written without overwriting frames that we still hold.
    FrameTooLong {
        /// The frame's length in bytes, header included.
        length: u64,
        /// The most that would have been in bounds.
        limit: u64,
    },
    /// A header carries flags that were not agreed on.
    UnknownFlags {
        /// The flags.
        flags: u16,
    },
    /// A pad is followed by another pad or by nothing.
    PadWithoutFrame,
    /// A frame that was looked at, and announced to whoever was to receive it, was not there any more when it was to be received.
    FrameTakenBack {
        /// Where it had been.
        position: u64,
    },
    /// A frame is shorter than the extension that its flags announce.
    ExtensionTooShort {
        /// The length in its header, in bytes, of extension and payload together.
        length: u32,
    },
    /// In a stream of bytes ([`stream`](crate::stream)), a frame has no byte, or none behind those that were read of it already: it was shortened meanwhile.
    NothingInFrame {
        /// The frame's bytes, by its header.
        payload: u64,
        /// How many of its bytes were read.
        already: u64,
    },
    /// A position that the sender tells to those who read along is no position of a lane.
    AnchorOutOfRange {
        /// The position.
        tail: u64,
    },
    /// The released position went back, ran ahead of what was sent, or is not a multiple of 8.
    ReleasedOutOfRange {
        /// The position that the peer published.
        released: u64,
        /// The least that is allowed.
        at_least: u64,
        /// The most that is allowed.
        at_most: u64,
    },
    /// The released position lies inside a frame. It is looked at where a connection can be resumed.
    ReleasedInsideFrame {
        /// The position that the peer published.
        released: u64,
    },
    /// The position up to which frames were handed out is before what was released, ahead of what was sent, or not a multiple of 8.
    TakenOutOfRange {
        /// The position that the peer published.
        taken: u64,
        /// The least that is allowed.
        at_least: u64,
        /// The most that is allowed.
        at_most: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLong { length, limit } => {
                write!(
                    out,
                    "a frame of {length} bytes reaches past the {limit} bytes that can be in the ring"
                )
            }
            Self::UnknownFlags { flags } => write!(
                out,
                "a frame header carries flags {flags:#06x} that were not agreed on"
            ),
            Self::PadWithoutFrame => {
                out.write_str("a pad is not followed by the frame that it aligns")
            }
            Self::FrameTakenBack { position } => {
                write!(
                    out,
                    "the frame at position {position} was there, and was taken back before it was received"
                )
            }
            Self::ExtensionTooShort { length } => {
                write!(
                    out,
                    "a frame of {length} bytes is too short for its extension of 8"
                )
            }
            Self::NothingInFrame { payload, already } => {
                write!(
                    out,
                    "a frame of a stream of bytes has {payload} bytes, and {already} were read of it: there must be more"
                )
            }
            Self::AnchorOutOfRange { tail } => {
                write!(out, "the anchor {tail} is no position of a lane")
            }
            Self::ReleasedOutOfRange {
                released,
                at_least,
                at_most,
            } => {
                write!(
                    out,
                    "the released position {released} is not a multiple of 8 in {at_least} ..= {at_most}"
                )
            }
            Self::ReleasedInsideFrame { released } => {
                write!(out, "the released position {released} lies inside a frame")
            }
            Self::TakenOutOfRange {
                taken,
                at_least,
                at_most,
            } => {
                write!(
                    out,
                    "the position {taken}, up to which frames were handed out, is not a multiple of 8 in {at_least} ..= {at_most}"
                )
            }
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::Violation;

    #[test]
    fn each_text_has_its_numbers() {
        let (released, taken, at_least, at_most) = (1_111, 1_111, 2_222, 3_333);
        let texts = [
            (
                Violation::FrameTooLong {
                    length: 1_111,
                    limit: 2_222,
                },
                &["1111 bytes", "2222 bytes"][..],
            ),
            (Violation::UnknownFlags { flags: 0x0a }, &["0x000a"]),
            (Violation::PadWithoutFrame, &["pad"]),
            (
                Violation::FrameTakenBack { position: 1_111 },
                &["position 1111", "taken back"],
            ),
            (
                Violation::ExtensionTooShort { length: 1_111 },
                &["1111 bytes", "extension"],
            ),
            (
                Violation::NothingInFrame {
                    payload: 1_111,
                    already: 2_222,
                },
                &["1111 bytes", "2222 were read"],
            ),
            (
                Violation::AnchorOutOfRange { tail: 1_111 },
                &["anchor 1111"],
            ),
            (
                Violation::ReleasedOutOfRange {
                    released,
                    at_least,
                    at_most,
                },
                &["released position 1111", "2222 ..= 3333"],
            ),
            (
                Violation::ReleasedInsideFrame { released },
                &["released position 1111", "inside a frame"],
            ),
            (
                Violation::TakenOutOfRange {
                    taken,
                    at_least,
                    at_most,
                },
                &["position 1111", "handed out", "2222 ..= 3333"],
            ),
        ];
        for (violation, parts) in texts {
            let text = violation.to_string();
            for part in parts {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
