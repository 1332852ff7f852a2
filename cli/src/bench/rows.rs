//! The table of what is measured: each row's work, its limit and its target.

use super::ours::batches::BATCH;
use super::task::{Form, Publish, Shape, Task, Waiting};
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
            Unit::Instructions => "instructions",
        }
    }

    /// A time per operation, in this unit.
    #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^52")]
    pub(crate) fn of_nanos(self, nanos: f64, size: usize) -> f64 {
        match self {
            Unit::Nanoseconds | Unit::WakeUps | Unit::Instructions => nanos,
            Unit::Microseconds => nanos / 1e3,
            Unit::MillionPerSecond => 1e3 / nanos,
            Unit::GigabytesPerSecond => size as f64 / nanos,
        }
    }

    /// A ratio of times, as a ratio of values.
    pub(crate) fn ratio(self, slowness: f64) -> f64 {
        match self {
            Unit::MillionPerSecond | Unit::GigabytesPerSecond => 1.0 / slowness,
            Unit::Nanoseconds | Unit::Microseconds | Unit::WakeUps | Unit::Instructions => slowness,
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

const KIB_64: usize = 64 << 10;
const MIB: usize = 1 << 20;

/// A row on two cores that has a limit.
const fn beside(
    name: &'static str,
    about: &'static str,
    size: usize,
    unit: Unit,
    limits: &'static [Task],
    ours: Task,
    target: Target,
) -> Row {
    Row {
        name,
        size,
        about,
        unit,
        work: Measured::Beside { limits, ours },
        target,
        one_core: false,
    }
}

const fn round_trip(size: usize, limits: &'static [Task], most: f64) -> Row {
    let ours = Task::RoundTrip(size, Waiting::Spin);
    beside(
        "round-trip",
        "one message there and one back, both sides spinning",
        size,
        Unit::Nanoseconds,
        limits,
        ours,
        Target::AtMost(most),
    )
}

const fn stream(
    name: &'static str,
    about: &'static str,
    limits: &'static [Task],
    ours: Task,
) -> Row {
    beside(
        name,
        about,
        64,
        Unit::MillionPerSecond,
        limits,
        ours,
        Target::AtLeast(0.9),
    )
}

const fn large(size: usize, limits: &'static [Task]) -> Row {
    beside(
        "stream-large",
        "large messages one after the other, copied in and out",
        size,
        Unit::GigabytesPerSecond,
        limits,
        Task::Large(size),
        Target::AtLeast(0.85),
    )
}

/// A row on two cores for comparison.
const fn comparison(
    name: &'static str,
    about: &'static str,
    size: usize,
    unit: Unit,
    ours: Task,
) -> Row {
    let work = Measured::Alone {
        ours,
        pass: Pass::Batch,
    };
    Row {
        name,
        size,
        about,
        unit,
        work,
        target: Target::None,
        one_core: false,
    }
}

/// A row of instructions in one process.
const fn instructions(
    name: &'static str,
    about: &'static str,
    what: Counted,
    target: Target,
) -> Row {
    Row {
        name,
        size: 64,
        about,
        unit: Unit::Instructions,
        work: Measured::Instructions(what),
        target,
        one_core: true,
    }
}

/// The limit of rows that compare Ringway with itself.
const SPINNING: Task = Task::RoundTrip(64, Waiting::Spin);

/// Every row, in the order in which they are measured.
pub(crate) const ROWS: &[Row] = &[
    round_trip(8, &[Task::Exchange(8)], 1.05),
    round_trip(32, &[Task::Exchange(32)], 1.05),
    round_trip(56, &[Task::Exchange(56)], 1.05),
    round_trip(64, &[Task::Exchange(64)], 1.10),
    round_trip(1024, &[Task::Exchange(1024)], 1.10),
    stream(
        "stream-spin",
        "messages one after the other, to a receiver that never sleeps",
        RING_SPIN,
        Task::Stream(1, Waiting::Spin),
    ),
    stream(
        "stream-membarrier",
        "the same to one that may sleep, without a barrier: both sides opt in (Config::membarrier); the limit has no look at all",
        RING_SPIN,
        Task::Stream(1, Waiting::Membarrier),
    ),
    stream(
        "stream",
        "messages one after the other, to a receiver that may sleep (the default)",
        RING_WAKE,
        Task::Stream(1, Waiting::Adaptive),
    ),
    stream(
        "stream-groups",
        "the same, 16 messages published at once",
        RING_GROUPS,
        Task::Stream(16, Waiting::Adaptive),
    ),
    stream(
        "stream-batcher",
        "messages one after the other through a batcher; the limit is the best of groups of 16, 64 and 256",
        GROUPS,
        Task::Batched(Shape::Stream, Waiting::Adaptive),
    ),
    beside(
        "tap",
        "the stream, while a third process reads along where nobody wants the processor; the limit is the stream without",
        64,
        Unit::MillionPerSecond,
        &[Task::Stream(1, Waiting::Adaptive)],
        Task::Tapped,
        Target::AtLeast(0.95),
    ),
    large(KIB_64, &[Task::Bulk(KIB_64)]),
    large(MIB, &[Task::Bulk(MIB)]),
    beside(
        "batch",
        "1,000 records of 32 bytes in one frame, sent as a slice and received as a checked batch; the limit is memcpy of as many bytes",
        BATCH,
        Unit::GigabytesPerSecond,
        &[Task::Bulk(BATCH), Task::Large(BATCH)],
        Task::Batches,
        Target::AtLeast(0.9),
    ),
    beside(
        "in-place",
        "one large message there and back in place, only its head touched; the limit is round-trip:64",
        MIB,
        Unit::Nanoseconds,
        &[SPINNING],
        Task::InPlace,
        Target::AtMost(1.5),
    ),
    beside(
        "adaptive",
        "round trip by the default wait: spin, then sleep; the limit is round-trip:64",
        64,
        Unit::Nanoseconds,
        &[SPINNING],
        Task::RoundTrip(64, Waiting::Adaptive),
        Target::AtMost(1.3),
    ),
    beside(
        "batcher",
        "round trip through a batcher, both sides spinning; the limit is round-trip:64",
        64,
        Unit::Nanoseconds,
        &[SPINNING],
        Task::Batched(Shape::RoundTrip, Waiting::Spin),
        Target::AtMost(1.05),
    ),
    beside(
        "park",
        "round trip in which both sides sleep until they are woken",
        8,
        Unit::Microseconds,
        &[Task::Bell],
        Task::RoundTrip(8, Waiting::Park),
        Target::AtMost(1.1),
    ),
    Row {
        name: "park-one-core",
        size: 8,
        about: "the same, both processes on one processor",
        unit: Unit::Microseconds,
        work: Measured::Beside {
            limits: &[Task::Bell],
            ours: Task::RoundTrip(8, Waiting::Park),
        },
        target: Target::AtMost(1.3),
        one_core: true,
    },
    beside(
        "crowd",
        "round trip by the default wait with a poller, on one of 1,000 connections after the other; the limit is one connection",
        64,
        Unit::Nanoseconds,
        &[Task::RoundTrip(64, Waiting::Adaptive)],
        Task::Crowd,
        Target::AtMost(1.5),
    ),
    beside(
        "crowd-lanes",
        "the same; the limit is what is possible: by hand on 1,000 lanes, in an order that both sides know",
        64,
        Unit::Nanoseconds,
        &[Task::Lanes],
        Task::Crowd,
        Target::None,
    ),
    beside(
        "crowd-visits",
        "the same with 10 ms between two, both sides asleep; the limit has one pair of eventfds",
        8,
        Unit::Microseconds,
        &[Task::BellVisits],
        Task::CrowdVisits,
        Target::AtMost(1.1),
    ),
    beside(
        "crowd-backlog",
        "64 messages queued on each of 1,000 connections are read by a poller; the limit is one connection's stream",
        64,
        Unit::MillionPerSecond,
        &[Task::Stream(1, Waiting::Adaptive)],
        Task::Backlog,
        Target::AtLeast(0.5),
    ),
    Row {
        name: "idle",
        size: 0,
        about: "what a connection costs that nobody uses: wake-ups, and milliseconds of processor time",
        unit: Unit::WakeUps,
        work: Measured::Idle {
            ours: Task::RoundTrip(64, Waiting::Adaptive),
        },
        target: Target::Below(0.5),
        one_core: false,
    },
    Row {
        name: "connect",
        size: 8,
        about: "from the call of connect to the first message of the server",
        unit: Unit::Microseconds,
        work: Measured::Alone {
            ours: Task::Connect,
            pass: Pass::Each,
        },
        target: Target::Below(1000.0),
        one_core: false,
    },
    Row {
        name: "instructions",
        size: 64,
        about: "instructions to fill, send, receive and copy out one message (callgrind)",
        unit: Unit::Instructions,
        work: Measured::Instructions(Counted::Bytes),
        target: Target::UpTo(60.0),
        one_core: true,
    },
    instructions(
        "check",
        "the same, beside a receiver that declared that it only spins, whose sleep no send looks for (callgrind)",
        Counted::Check,
        Target::Above(4.0),
    ),
    instructions(
        "check-unfenced",
        "the same of a sender that leaves its barrier out (Config::membarrier), beside that receiver (callgrind)",
        Counted::Unfenced,
        Target::Above(4.0),
    ),
    Row {
        name: "typed",
        size: 56,
        about: "instructions to fill, send and receive one typed message, beside bytes of its size (callgrind)",
        unit: Unit::Instructions,
        work: Measured::Instructions(Counted::Typed),
        target: Target::Above(6.0),
        one_core: true,
    },
    Row {
        name: "counters",
        size: 64,
        about: "(only with --uncounted) instructions of each message of a stream, beside a build without counters (callgrind)",
        unit: Unit::Instructions,
        work: Measured::Instructions(Counted::Counters),
        target: Target::AtMost(1.02),
        one_core: true,
    },
    comparison(
        "pipe",
        "round trip through two pipes, for comparison",
        64,
        Unit::Microseconds,
        Task::Pipe(Form::RoundTrip),
    ),
    comparison(
        "pipe-stream",
        "messages one after the other through a pipe, for comparison",
        64,
        Unit::MillionPerSecond,
        Task::Pipe(Form::Stream(64)),
    ),
    comparison(
        "pipe-stream",
        "messages one after the other through a pipe, for comparison",
        KIB_64,
        Unit::GigabytesPerSecond,
        Task::Pipe(Form::Stream(KIB_64)),
    ),
    comparison(
        "unix",
        "round trip through a Unix stream socket, for comparison",
        64,
        Unit::Microseconds,
        Task::Unix(Form::RoundTrip),
    ),
    comparison(
        "unix-stream",
        "messages one after the other through a Unix stream socket, for comparison",
        64,
        Unit::MillionPerSecond,
        Task::Unix(Form::Stream(64)),
    ),
    comparison(
        "unix-stream",
        "messages one after the other through a Unix stream socket, for comparison",
        KIB_64,
        Unit::GigabytesPerSecond,
        Task::Unix(Form::Stream(KIB_64)),
    ),
];

const RING_SPIN: &[Task] = &[
    Task::Frames(Publish::Spinning),
    Task::Slots(Publish::Spinning),
];
const RING_WAKE: &[Task] = &[Task::Frames(Publish::Waking), Task::Slots(Publish::Waking)];
const RING_GROUPS: &[Task] = &[Task::Frames(Publish::Groups), Task::Slots(Publish::Groups)];
/// The limit of a batcher: groups that the caller makes by hand.
const GROUPS: &[Task] = &[
    Task::Stream(16, Waiting::Adaptive),
    Task::Stream(64, Waiting::Adaptive),
    Task::Stream(256, Waiting::Adaptive),
];
