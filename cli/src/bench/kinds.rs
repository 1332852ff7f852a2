//! Rows of one kind each, made by what they differ in.

use super::limits::ring::Way;
use super::row::{Counted, Measured, Row, Target, Unit};
use super::rows::KIB_64;
use super::task::{Form, Task, Waiting};
use super::tasks::{By, What};
use super::think::by_processor_time;
use super::work::Pass;

/// A row on two cores that has a limit.
pub(super) const fn beside(
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

pub(super) const fn round_trip(size: usize, limits: &'static [Task], most: f64) -> Row {
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

pub(super) const fn stream(
    name: &'static str,
    about: &'static str,
    limits: &'static [Task],
    ours: Task,
    least: f64,
) -> Row {
    beside(
        name,
        about,
        64,
        Unit::MillionPerSecond,
        limits,
        ours,
        Target::AtLeast(least),
    )
}

pub(super) const fn large(size: usize, limits: &'static [Task]) -> Row {
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

/// A row of a stream of bytes, in writes of 64 KiB.
pub(super) const fn bytes(
    name: &'static str,
    about: &'static str,
    limits: &'static [Task],
    least: f64,
) -> Row {
    beside(
        name,
        about,
        KIB_64,
        Unit::GigabytesPerSecond,
        limits,
        Task::Bytes(Form::Stream(KIB_64)),
        Target::AtLeast(least),
    )
}

/// A row of work in tasks of tokio.
pub(super) const fn tokio(
    name: &'static str,
    about: &'static str,
    unit: Unit,
    limits: &'static [Task],
    (by, what): (By, What),
    target: Target,
) -> Row {
    let size = match what {
        What::RoundTrip => 64,
        What::Stream(size) => size,
    };
    beside(
        name,
        about,
        size,
        unit,
        limits,
        Task::Tokio(by, what),
        target,
    )
}

/// A row on two cores for comparison.
pub(super) const fn comparison(
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
pub(super) const fn instructions(
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

/// A row with a time to think between two round trips.
pub(super) const fn think(name: &'static str, micros: u32, target: Target) -> Row {
    let (about, unit) = if by_processor_time(micros) {
        (
            "processor time of both sides for a round trip by the default wait and the pause before it; the limit parks",
            Unit::ProcessorMicroseconds,
        )
    } else {
        (
            "p50 of round trips by the default wait with such a pause before each; the limit spins",
            Unit::Microseconds,
        )
    };
    Row {
        name,
        size: 64,
        about,
        unit,
        work: Measured::Thinking { micros },
        target,
        one_core: false,
    }
}

/// A row for one way to ring a bell that cannot block.
pub(super) const fn ring(name: &'static str, about: &'static str, way: Way) -> Row {
    Row {
        name,
        size: 8,
        about,
        unit: Unit::Nanoseconds,
        work: Measured::Beside {
            limits: &[Task::Ring(Way::Write)],
            ours: Task::Ring(way),
        },
        target: Target::None,
        one_core: true,
    }
}
