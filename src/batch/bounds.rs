//! How much a batcher may keep back.

use std::time::Duration;

use super::policy::Measures;

/// How much a [`Batcher`](super::Batcher) may keep back, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "bounds do nothing until a batcher is made with them"]
pub struct Bounds {
    frames: u32,
    bytes: usize,
    budget: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            frames: 256,
            bytes: 32 << 10,
            budget: Duration::from_micros(50),
        }
    }
}

impl Bounds {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most frames of a group: at least 1, which publishes each at once. Default 256.
    pub fn frames(mut self, frames: u32) -> Self {
        self.frames = frames.max(1);
        self
    }

    /// A group ends with the frame by which it takes so many bytes of the ring or more, headers included. Default 32 KiB; more than a quarter of the ring counts
    /// as a quarter of it, so that the receiver always has something to read while more is written.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a frame may be kept back. Default 50 µs. It decides two things: what [`Batcher::deadline`](super::Batcher::deadline) says, and how long groups get, none of
    /// which is planned to take more than half of it. Zero publishes each frame at once.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// For a ring of `capacity` bytes.
    pub(super) fn measures(&self, capacity: usize) -> Measures {
        Measures {
            frames: self.frames,
            bytes: self.bytes.min(capacity / 4).max(1) as u64,
            budget: u64::try_from(self.budget.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}
