//! Where a lane stands when its consumer is gone: which frames are sent again, and what is said of each. Pure.
//!
//! ```text
//!   known       released        taken           sent
//!     |------------|--------------|---------------|
//!       released:     in doubt:       unseen:
//!       finished      handed out,     nobody has
//!       with          not finished    come to it
//! ```
//!
//! What is sent again stays in doubt once it was: that the last incarnation has not come to it says nothing of those before. The consumer's words are bounded by what we know by ourselves; where one
//! is impossible, everything that could be in doubt is. So a consumer that lies has frames sent again that need not be, or said of them what is not true, and no more than that.

use crate::layout::redelivery::Redelivery;
use crate::layout::violation::Violation;

/// What the consumer has said last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) released: u64,
    /// `None`: it gives no account.
    pub(crate) taken: Option<u64>,
}

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The first position that is sent again: everything before it is finished with.
    pub(crate) start: u64,
    /// Nobody has come to what lies at or behind this position.
    pub(crate) taken: u64,
    /// The position behind the last frame.
    pub(crate) sent: u64,
    /// The rule that the consumer's words break.
    pub(crate) broken: Option<Violation>,
}

impl Standing {
    /// By what was `said`, where the consumer is known to have released everything before `known`, and has been sent everything before `sent`. `leads`: whether that position, which is
    /// between the two, lies between two frames.
    pub(crate) fn judge(
        known: u64,
        sent: u64,
        said: Said,
        leads: impl FnOnce(u64) -> bool,
    ) -> Self {
        let released = said.released;
        let broken = if !is_in(released, known, sent) {
            Some(Violation::ReleasedOutOfRange {
                released,
                at_least: known,
                at_most: sent,
            })
        } else if !leads(released) {
            Some(Violation::ReleasedInsideFrame { released })
        } else {
            None
        };
        if broken.is_some() {
            return Self {
                start: known,
                taken: sent,
                sent,
                broken,
            };
        }
        let doubtful = Self {
            start: released,
            taken: sent,
            sent,
            broken: None,
        };
        match said.taken {
            None => doubtful,
            Some(taken) if is_in(taken, released, sent) => Self { taken, ..doubtful },
            Some(taken) => Self {
                broken: Some(Violation::TakenOutOfRange {
                    taken,
                    at_least: released,
                    at_most: sent,
                }),
                ..doubtful
            },
        }
    }

    /// Bytes that are sent again.
    pub(crate) fn length(&self) -> u64 {
        self.sent - self.start
    }

    /// What is said of the frame at `position`, of which that was said `before`.
    pub(crate) fn mark(&self, position: u64, before: Redelivery) -> Redelivery {
        if position < self.taken || before == Redelivery::InDoubt {
            Redelivery::InDoubt
        } else {
            Redelivery::Unseen
        }
    }
}

fn is_in(position: u64, least: u64, most: u64) -> bool {
    (least..=most).contains(&position) && position % 8 == 0
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests;
