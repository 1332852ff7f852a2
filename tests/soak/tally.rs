//! What was done, for the lines at the end.

use crate::meeting::Meeting;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    Frames,
    Bytes,
    Connections,
    Flows,
    Long,
    Trips,
    Drops,
    Dropped,
    Expiries,
    Expired,
    Lanes,
    Large,
    Batches,
    Rewinds,
    Streams,
    Served,
    Killed,
    BrokenOff,
    Tapped,
    Messages,
}

const NAMES: [&str; 20] = [
    "frames exchanged",
    "bytes",
    "ends of connections",
    "flows both ways",
    "long streams",
    "streaks of round trips",
    "rings that overflowed",
    "frames dropped",
    "flows of frames that expire",
    "frames expired",
    "flows by priority",
    "flows of large frames",
    "batches and groups",
    "rewinds",
    "byte streams",
    "clients served by a poller",
    "peers killed",
    "ends without a goodbye",
    "frames read along",
    "typed messages",
];

/// How often.
#[derive(Default)]
pub(crate) struct Tally([u64; NAMES.len()]);

impl Tally {
    pub(crate) fn add(&mut self, what: Count, count: u64) {
        self.0[what as usize] += count;
    }

    /// Frames that were received and checked.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.add(Count::Frames, 1);
        self.add(Count::Bytes, bytes as u64);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours += theirs;
        }
    }

    /// With what the other side has counted.
    pub(crate) fn of_both(&self, meeting: &mut Meeting) -> Self {
        Self(self.0.map(|count| count + meeting.exchange(count)))
    }

    /// A line for each count. What was never done was not tried, but for what depends on time.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let by_time = [Count::Dropped as usize, Count::Expired as usize];
        let all = self.0.iter().zip(NAMES).enumerate();
        all.map(move |(what, (count, name))| {
            assert!(*count > 0 || by_time.contains(&what), "{name}: none");
            format!("{count} {name}")
        })
    }
}
