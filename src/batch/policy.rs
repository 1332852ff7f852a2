//! When a batcher publishes: at once, or in groups, and how long those get. Pure: no system call, and the clock is handed in.
//!
//! A commit costs the sender a locked instruction, and a receiver that keeps up costs it a line that both use. In a stream at full rate that is
//! half of what a message costs, and frames that follow each other within nanoseconds may share it: who reads the first of them
//! has not finished when the last one comes. In a ping-pong, or a slow stream, a group would only make its first message wait.
//!
//! Reading the clock costs as much as several frames. So it is read once per group, or once per [`PROBE`] frames where each is published by itself, and a
//! group is never opened that would take longer than half the budget at the pace of the last one. What breaks the pace is told by the receiver: once it has
//! found nothing for a while, it says so (a load that costs nothing while it has not), and the next call publishes.

/// So many frames are published one by one before it is looked at how fast they come.
pub(crate) const PROBE: u32 = 32;
/// Frames that follow each other faster than this, in nanoseconds, are a stream: no ping-pong between cores is as fast.
const STREAM: u64 = 50;

/// From here on a count was below zero: no ring has as many bytes.
const WRAPPED: u64 = 1 << 63;

/// How much may be kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measures {
    /// Frames of a group, at least 1.
    pub(crate) frames: u32,
    /// Bytes of ring that a group may take, at least 1, headers included. The frame that reaches it is the last of its group.
    pub(crate) bytes: u64,
    /// Nanoseconds.
    pub(crate) budget: u64,
}

/// Why a group ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It has the frames or the bytes that were planned. Also: as many frames as a probe takes were published one by one.
    Planned,
    /// The receiver has found nothing for a while, or has gone to sleep.
    Waiting,
    /// The oldest frame's time is over.
    Due,
    /// The caller asked for it, or the ring is full.
    Asked,
}

/// What one batcher has learned.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    measures: Measures,
    /// Frames per group from now on; 1: each is published at once.
    group: u32,
    /// Frames that may come until something is to be decided, less one: once it has wrapped around, it is time.
    left: u64,
    /// Bytes of the same. The highest bit of both together tells whether either has wrapped.
    room: u64,
    /// When something was last decided, in nanoseconds: every frame that is kept back was accepted later.
    since: u64,
}

impl Policy {
    /// Starts by publishing at once. `now`: nanoseconds since some moment.
    pub(crate) fn new(measures: Measures, now: u64) -> Self {
        let mut policy = Self {
            measures,
            group: 1,
            left: 0,
            room: 0,
            since: now,
        };
        policy.plan();
        policy
    }

    /// Whether frames are kept back now.
    #[inline(always)]
    pub(crate) fn groups(&self) -> bool {
        self.group > 1
    }

    /// A frame of `bytes` was accepted. Returns whether [`turn`](Self::turn) is to be called, after publishing.
    #[inline(always)]
    pub(crate) fn took(&mut self, bytes: u64) -> bool {
        self.left = self.left.wrapping_sub(1);
        self.room = self.room.wrapping_sub(bytes);
        self.left | self.room >= WRAPPED
    }

    /// Whether `turn` is to be called behind the next frame that is published by itself.
    #[inline(always)]
    pub(crate) fn turns_next(&self) -> bool {
        self.left == 0
    }

    /// A frame was accepted and published by itself. Returns whether `turn` is to be called.
    #[inline(always)]
    pub(crate) fn took_at_once(&mut self) -> bool {
        self.left = self.left.wrapping_sub(1);
        self.left >= WRAPPED
    }

    /// By when a frame that is kept back must be published, in nanoseconds. Never later than the budget after it was accepted, and often earlier:
    /// when each one was accepted nobody has looked.
    pub(crate) fn due(&self) -> u64 {
        self.since.saturating_add(self.measures.budget)
    }

    /// Everything that was accepted has been published, at `now`. `backlog`: whether much of what was published is known to be
    /// unread. It is asked only where that decides something: the look takes a line from the receiver.
    pub(crate) fn turn(&mut self, now: u64, cause: Cause, backlog: impl FnOnce() -> bool) {
        let frames = (self.planned() - 1).wrapping_sub(self.left);
        let time = now.saturating_sub(self.since);
        self.since = now;
        self.group = match cause {
            Cause::Asked => self.group,
            Cause::Planned if time < STREAM * frames || backlog() => {
                self.larger(time / frames.max(1))
            }
            Cause::Planned | Cause::Waiting | Cause::Due => 1,
        };
        self.plan();
    }

    /// Twice as many frames as now, as far as the bounds allow at a pace of `gap` nanoseconds per frame.
    fn larger(&self, gap: u64) -> u32 {
        let in_time = self.measures.budget / 2 / gap.max(1);
        let most = in_time.min(u64::from(self.measures.frames)).max(1) as u32;
        self.group.saturating_mul(2).min(most)
    }

    /// Frames from one decision to the next, unless bytes or events cut it short.
    fn planned(&self) -> u64 {
        u64::from(if self.groups() { self.group } else { PROBE })
    }

    fn plan(&mut self) {
        self.left = self.planned() - 1;
        self.room = self.measures.bytes - 1;
    }
}
