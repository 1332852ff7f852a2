//! What a row is: its work, what its value is given in, and what it has to reach.

use super::limits::ring::Way;
use super::task::Task;
use super::work::Pass;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Bytes of a message's payload.
    pub(crate) size: usize,
    /// What is measured, for `--list`.
    pub(crate) about: &'static str,
    pub(crate) unit: Unit,
    pub(crate) work: Measured,
    pub(crate) target: Target,
    /// Both processes on one processor.
    pub(crate) one_core: bool,
}

impl Row {
    /// What several rows may be named by at once.
    pub(crate) const fn family(&self) -> &'static str {
        match self.work {
            Measured::Thinking { .. } => "think",
            Measured::Beside {
                ours: Task::Tokio(..),
                ..
            } => "tokio",
            Measured::Beside {
                ours: Task::Ring(_),
                ..
            } => "ring",
            _ => self.name,
        }
    }

    /// Whether this kernel may refuse what it measures.
    pub(crate) const fn takes_io_uring(&self) -> bool {
        matches!(
            self.work,
            Measured::Beside {
                ours: Task::Ring(Way::Uring),
                ..
            }
        )
    }

    /// Whether it compares this build of the command with another one.
    pub(crate) const fn takes_another_build(&self) -> bool {
        matches!(self.work, Measured::Instructions(Counted::Counters))
    }
}

/// What is done to get a row's value.
#[derive(Debug)]
pub(crate) enum Measured {
    /// `ours` beside the best of `limits`.
    Beside { limits: &'static [Task], ours: Task },
    /// By itself. The value is that of a batch, or the median of single operations.
    Alone { ours: Task, pass: Pass },
    /// A connection that nobody uses.
    Idle { ours: Task },
    /// Round trips with so many microseconds between two, by each way to wait.
    Thinking { micros: u32 },
    /// A thousand clients that do nothing.
    Crowd,
    /// Instructions, counted in one process.
    Instructions(Counted),
}

/// What instructions are counted of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    /// Bytes, beside the rings by hand.
    Bytes,
    /// A typed message, beside bytes of its size.
    Typed,
    /// Bytes, beside a receiver that only spins, for which no send looks.
    Check,
    /// The same of a sender that leaves its barrier out.
    Unfenced,
    /// A stream in tasks, of slices that are copied out, beside the blocking one.
    Items,
    /// The same of `Bytes`.
    ItemsOfBytes,
    /// A stream, beside the same in a build without counters.
    Counters,
}

/// What a value is given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    MillionPerSecond,
    GigabytesPerSecond,
    /// Of an idle connection: wake-ups and milliseconds of processor time, added up.
    WakeUps,
    /// Processor time of one operation, both sides together.
    ProcessorMicroseconds,
    /// Memory for one client.
    Kibibytes,
    /// Of one operation, both sides together.
    Instructions,
}

impl Unit {
    /// As it is printed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::MillionPerSecond => "M/s",
            Unit::GigabytesPerSecond => "GB/s",
            Unit::WakeUps => "wake-ups",
            Unit::ProcessorMicroseconds => "us of cpu",
            Unit::Kibibytes => "KiB",
            Unit::Instructions => "instructions",
        }
    }

    /// A time per operation, or what stands in its place, in this unit.
    #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^52")]
    pub(crate) fn of_nanos(self, nanos: f64, size: usize) -> f64 {
        match self {
            Unit::Nanoseconds | Unit::WakeUps | Unit::Instructions => nanos,
            Unit::Microseconds | Unit::ProcessorMicroseconds => nanos / 1e3,
            Unit::Kibibytes => nanos / 1024.0,
            Unit::MillionPerSecond => 1e3 / nanos,
            Unit::GigabytesPerSecond => size as f64 / nanos,
        }
    }

    /// A ratio of times, as a ratio of values.
    pub(crate) fn ratio(self, slowness: f64) -> f64 {
        match self {
            Unit::MillionPerSecond | Unit::GigabytesPerSecond => 1.0 / slowness,
            _ => slowness,
        }
    }
}

/// What a row must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// The ratio to the limit, at most.
    AtMost(f64),
    /// The ratio to the limit, at least.
    AtLeast(f64),
    /// The value itself, below.
    Below(f64),
    /// The value itself, at most.
    UpTo(f64),
    /// The value, at most so much above the limit.
    Above(f64),
    /// For comparison only.
    None,
}

impl Target {
    /// Whether it is reached; `None` where there is nothing to reach.
    pub(crate) fn met(self, value: f64, ratio: f64) -> Option<bool> {
        match self {
            Target::AtMost(most) => Some(ratio <= most),
            Target::AtLeast(least) => Some(ratio >= least),
            Target::Below(limit) => Some(value < limit),
            Target::UpTo(most) => Some(value <= most),
            Target::Above(most) => Some(value - value / ratio <= most),
            Target::None => None,
        }
    }
}
