//! The table of what is measured: each row's work, its limit and its target.

use super::kinds::{
    beside, bytes, comparison, instructions, large, ring, round_trip, stream, think,
};
use super::limits::ring::Way;
use super::ours::batches::BATCH;
use super::row::{Counted, Measured, Row, Target, Unit};
use super::task::{Form, Publish, Shape, Task, Waiting};
use super::work::Pass;

pub(super) const KIB_64: usize = 64 << 10;
const MIB: usize = 1 << 20;

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
        "messages one after the other, to a receiver that is declared to spin; the limit is the best ring by hand without any check",
        RING_SPIN,
        Task::Stream(1, Waiting::Spin),
        0.9,
    ),
    stream(
        "stream-membarrier",
        "the same to one that may sleep, without a barrier: both sides opt in (Config::membarrier); the limit has no look at all",
        RING_SPIN,
        Task::Stream(1, Waiting::Membarrier),
        0.9,
    ),
    stream(
        "stream",
        "the same by default settings: the receiver may sleep at any time, and nobody groups; the limit is the best ring by hand with such a check",
        RING_WAKE,
        Task::Stream(1, Waiting::Adaptive),
        0.95,
    ),
    stream(
        "stream-groups",
        "the same, 16 messages published at once",
        RING_GROUPS,
        Task::Stream(16, Waiting::Adaptive),
        0.9,
    ),
    stream(
        "stream-batcher",
        "messages one after the other through a batcher; the limit is the best of groups of 16, 64 and 256",
        GROUPS,
        Task::Batched(Shape::Stream, Waiting::Adaptive),
        0.9,
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
    bytes(
        "bytes",
        "a stream of bytes (ByteStream), so many written and read at a time; the limit is stream-large of as many",
        &[Task::Large(KIB_64)],
        0.8,
    ),
    bytes(
        "bytes-unix",
        "the same; in the place of the limit a Unix stream socket",
        &[Task::Unix(Form::Stream(KIB_64))],
        3.0,
    ),
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
    think("think-1us", 1, Target::AtMost(1.3)),
    think("think-5us", 5, Target::AtMost(1.3)),
    think("think-20us", 20, Target::AtMost(1.3)),
    think("think-100us", 100, Target::None),
    think("think-1ms", 1000, Target::AtMost(1.3)),
    think("think-3ms", 3000, Target::AtMost(1.3)),
    think("think-10ms", 10_000, Target::AtMost(1.3)),
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
    ring(
        "ring-aio",
        "one ring of an eventfd that nobody waits for, by AIO, as Ringway rings where io_uring is not permitted; the limit is a plain write, which a peer can make block",
        Way::Aio,
    ),
    ring(
        "ring-io-uring",
        "the same by io_uring, an instance for the bell, as Ringway rings (left out of all rows where the kernel does not permit it)",
        Way::Uring,
    ),
    ring(
        "ring-byte",
        "the same by a byte on a socket that does not wait, and a recv once in 32, as Ringway rings where there is neither",
        Way::Byte,
    ),
    beside(
        "crowd",
        "p50 of round trips by the default wait with a poller, on one of 1,000 connections after the other, the next one prefetched; the limit is one connection",
        64,
        Unit::Nanoseconds,
        &[Task::Single],
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
        "the same with 10 ms between two, both sides asleep; the limit is epoll and 1,000 pairs of eventfds by hand",
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
    beside(
        "crowd-queued",
        "the same; the limit is what is possible: by hand on 1,000 lanes, one after the other",
        64,
        Unit::MillionPerSecond,
        &[Task::Queued],
        Task::Backlog,
        Target::None,
    ),
    Row {
        name: "crowd-idle",
        size: 0,
        about: "1,000 clients of a poller that do nothing: memory of the server for each; at most 4 descriptors, no wake-up and no processor time",
        unit: Unit::Kibibytes,
        work: Measured::Crowd,
        target: Target::UpTo(24.0),
        one_core: false,
    },
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
/// The receiver may sleep at any time, and nobody groups: both rings, and both ways to look at the sleeper's word behind the commit. Which is the
/// fastest changes with the distance of the cores.
const RING_WAKE: &[Task] = &[
    Task::Frames(Publish::Swapping),
    Task::Slots(Publish::Swapping),
    Task::Frames(Publish::Fencing),
    Task::Slots(Publish::Fencing),
];
const RING_GROUPS: &[Task] = &[Task::Frames(Publish::Groups), Task::Slots(Publish::Groups)];
/// The limit of a batcher: groups that the caller makes by hand.
const GROUPS: &[Task] = &[
    Task::Stream(16, Waiting::Adaptive),
    Task::Stream(64, Waiting::Adaptive),
    Task::Stream(256, Waiting::Adaptive),
];
