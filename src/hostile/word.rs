//! The words of a control area, by name.

use crate::layout::control::{
    ANNOUNCED, APART, CLAIM, COME, COMING, FENCE_MODE, FOLLOWS, RECEIVER, RECEIVER_EPOCH, SENDER,
    SENDER_EPOCH, TAKEN,
};

/// A word that the owner of a segment publishes. Those of a lane take its number, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Word {
    /// Of the lane that the peer sends into: what was read of it.
    Released(usize),
    /// Of the same lane: what was handed out of it.
    Taken(usize),
    /// A published tail of a lane, for those who read along.
    Anchor(usize),
    /// Where a lane's sender may be writing.
    Claim(usize),
    /// Twice the number of frames before the anchor, told before it.
    Coming(usize),
    /// The same, told behind it.
    Come(usize),
    /// How far a large frame is written.
    Announced(usize),
    /// Whether the half that receives sleeps.
    ReceiverEpoch,
    /// Whether the half that sends sleeps.
    SenderEpoch,
    /// Whether commits carry their barrier.
    FenceMode,
    /// Whether the half that receives follows large frames.
    Follows,
}

/// Each word of the first lane.
pub const ALL_WORDS: [Word; 11] = [
    Word::Released(0),
    Word::Taken(0),
    Word::Anchor(0),
    Word::Claim(0),
    Word::Coming(0),
    Word::Come(0),
    Word::Announced(0),
    Word::ReceiverEpoch,
    Word::SenderEpoch,
    Word::FenceMode,
    Word::Follows,
];

impl Word {
    /// Where it lies in a segment, in bytes.
    pub const fn offset(self) -> usize {
        match self {
            Self::Released(lane) => RECEIVER + lane * APART,
            Self::Taken(lane) => TAKEN + lane * APART,
            Self::Anchor(lane) => SENDER + lane * APART,
            Self::Claim(lane) => CLAIM + lane * APART,
            Self::Coming(lane) => COMING + lane * APART,
            Self::Come(lane) => COME + lane * APART,
            Self::Announced(lane) => ANNOUNCED + lane * APART,
            Self::ReceiverEpoch => RECEIVER_EPOCH,
            Self::SenderEpoch => SENDER_EPOCH,
            Self::FenceMode => FENCE_MODE,
            Self::Follows => FOLLOWS,
        }
    }

    /// The same word of another lane; those that no lane has of its own stay.
    #[must_use]
    pub const fn of(self, lane: usize) -> Self {
        match self {
            Self::Released(_) => Self::Released(lane),
            Self::Taken(_) => Self::Taken(lane),
            Self::Anchor(_) => Self::Anchor(lane),
            Self::Claim(_) => Self::Claim(lane),
            Self::Coming(_) => Self::Coming(lane),
            Self::Come(_) => Self::Come(lane),
            Self::Announced(_) => Self::Announced(lane),
            other => other,
        }
    }
}
