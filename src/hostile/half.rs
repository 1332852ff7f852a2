//! Handshakes that stop half way.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use super::{Gift, attach, hello, send, try_dial};

/// How far a handshake goes. None of them waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HalfOpen {
    /// A connection, and not a word.
    Mute,
    /// Half of a Hello.
    HalfHello,
    /// A Hello, whose answer nobody reads: the listener has made a segment for it.
    Hello,
    /// A Hello with descriptors, which it may not have.
    Laden,
    /// A Hello, and at once an Attach without a descriptor.
    Bare,
    /// A Hello, and at once an Attach with a segment and bells that are none.
    Spoiled,
    /// A packet without a byte, with descriptors.
    Empty,
}

impl HalfOpen {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Mute,
        Self::HalfHello,
        Self::Hello,
        Self::Laden,
        Self::Bare,
        Self::Spoiled,
        Self::Empty,
    ];

    /// Whether the listener has to wait for what comes next, and cannot refuse it before its deadline.
    pub const fn is_patient(self) -> bool {
        matches!(self, Self::Mute | Self::Hello)
    }

    /// Opens one. It lasts for as long as the caller keeps the descriptor, or the listener its patience.
    ///
    /// # Errors
    /// The kernel's: `WouldBlock` where the listener's queue is full.
    pub fn open(self, path: &Path) -> io::Result<OwnedFd> {
        let line = try_dial(path)?;
        let say = |bytes: &[u8], gifts: &[Gift]| {
            let gifts: Vec<OwnedFd> = gifts.iter().map(|gift| gift.make()).collect();
            let raw: Vec<_> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
            send(&line, bytes, &raw);
        };
        match self {
            Self::Mute => {}
            Self::HalfHello => say(&hello().0[..128], &[]),
            Self::Hello => say(&hello().0, &[]),
            Self::Laden => say(&hello().0, &[Gift::Segment, Gift::Bell, Gift::Device]),
            Self::Bare | Self::Spoiled => {
                let gifts: &[Gift] = match self {
                    Self::Bare => &[],
                    _ => &[Gift::Unsealed, Gift::PipeOut, Gift::Directory],
                };
                say(&hello().0, &[]);
                say(&attach().0, gifts);
            }
            Self::Empty => say(&[], &[Gift::Timer, Gift::Bell]),
        }
        Ok(line)
    }
}
