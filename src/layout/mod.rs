//! Bytes and offsets: what a frame header, a segment's control area and each handshake message look like.
//!
//! `docs/PROTOCOL.md` is the prose of this folder, and the golden files under `tests/golden` hold the two to each other.
//! Absent on purpose: system calls, pointers, atomics and policy. Everything here is a value and can be tested as one.

pub(crate) mod control;
#[cfg(not(any(loom, ringway_shuttle)))]
pub(crate) mod counters;
pub(crate) mod extension;
pub(crate) mod geometry;
#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod golden;
pub(crate) mod handshake;
pub(crate) mod header;
pub(crate) mod redelivery;
pub(crate) mod schemas;
pub(crate) mod violation;

/// The newest protocol version that this build speaks, which is also the version of the segment layout.
pub(crate) const VERSION: u16 = 1;
/// The oldest version that this build still speaks: a release speaks its own version N and N-1. There is no version 0.
pub(crate) const OLDEST_VERSION: u16 = 1;

/// "RINGWAY" and a zero byte: the first eight bytes of a segment and of every handshake message.
pub(crate) const MAGIC: [u8; 8] = *b"RINGWAY\0";

/// A text that somebody else wrote and that goes to a terminal: anything that is no UTF-8, or is not [`is_printable`], is replaced.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if is_printable(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Neither a control character nor one that cannot be seen or turns the direction of what follows.
pub(crate) fn is_printable(letter: char) -> bool {
    let hidden = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !letter.is_control() && !hidden
}
