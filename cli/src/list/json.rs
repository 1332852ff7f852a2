//! What `list` and `inspect` say with `--json`: an object on a line.

use std::io::{self, Write};

use ringway::schema::Schema;
use ringway::{ConnectionCounters, LaneCounters, Observed};
use serde::Serialize;

use super::{lanes, sum};

/// Who answered.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    process: Option<i32>,
    peers: usize,
    lanes_least: Option<usize>,
    lanes_most: Option<usize>,
    frames_in: u64,
    frames_out: u64,
    messages: Messages<'a>,
}

/// The names of the messages of each direction; none: its bytes mean nothing to us.
#[derive(Serialize)]
struct Messages<'a> {
    receives: Option<Vec<&'a str>>,
    sends: Option<Vec<&'a str>>,
}

impl<'a> Messages<'a> {
    fn of(observed: &'a Observed) -> Self {
        let names = |schema: Option<&'a Schema>| {
            let records = schema?.records.iter();
            Some(records.map(|record| &*record.name).collect())
        };
        Self {
            receives: names(observed.expects()),
            sends: names(observed.sends()),
        }
    }
}

/// Who did not.
#[derive(Serialize)]
struct Silent<'a> {
    name: &'a str,
    error: String,
}

/// What one who listens lets others see.
#[derive(Serialize)]
struct Shown<'a> {
    process: Option<i32>,
    codec: u32,
    messages: Messages<'a>,
    uncounted: u64,
    connections: Vec<Connection<'a>>,
}

#[derive(Serialize)]
struct Connection<'a> {
    name: &'a str,
    peer_uid: u32,
    peer_pid: Option<u32>,
    lanes: usize,
    receives: Half,
    sends: Half,
}

#[derive(Serialize)]
struct Half {
    frames: u64,
    bytes: u64,
    batches: u64,
    high_water: u64,
    waits: u64,
    sleeps: u64,
    wakes: u64,
    refused: u64,
    dropped: u64,
    expired: u64,
    codec_samples: u64,
    codec_nanos: u64,
    priorities: Vec<Priority>,
}

#[derive(Serialize)]
struct Priority {
    frames: u64,
    bytes: u64,
}

impl Half {
    fn of(lane: &LaneCounters, lanes: usize) -> Self {
        let priorities = lane.by_priority.iter().take(lanes);
        let priorities = priorities.map(|one| Priority {
            frames: one.frames,
            bytes: one.bytes,
        });
        Self {
            frames: lane.frames,
            bytes: lane.bytes,
            batches: lane.batches,
            high_water: lane.high_water,
            waits: lane.waits,
            sleeps: lane.sleeps,
            wakes: lane.wakes,
            refused: lane.refused,
            dropped: lane.dropped,
            expired: lane.expired,
            codec_samples: lane.codec_samples,
            codec_nanos: lane.codec_nanos,
            priorities: priorities.collect(),
        }
    }
}

pub(super) fn listed(
    name: &str,
    observed: &Observed,
    connections: &[ConnectionCounters],
    output: &mut impl Write,
) -> io::Result<()> {
    let (lanes_least, lanes_most) = lanes(connections).unzip();
    let told = Listed {
        name,
        process: observed.peer().pid,
        peers: connections.len(),
        lanes_least,
        lanes_most,
        frames_in: sum(connections.iter().map(|one| one.receives.frames)),
        frames_out: sum(connections.iter().map(|one| one.sends.frames)),
        messages: Messages::of(observed),
    };
    print(&told, output)
}

pub(super) fn silent(
    name: &str,
    error: &ringway::Error,
    output: &mut impl Write,
) -> io::Result<()> {
    let error = error.to_string();
    print(&Silent { name, error }, output)
}

pub(super) fn shown(
    observed: &Observed,
    connections: &[ConnectionCounters],
    uncounted: u64,
    output: &mut impl Write,
) -> io::Result<()> {
    let connections = connections.iter().map(|one| Connection {
        name: &one.name,
        peer_uid: one.peer_uid,
        peer_pid: one.peer_pid,
        lanes: one.lanes,
        receives: Half::of(&one.receives, one.lanes),
        sends: Half::of(&one.sends, one.lanes),
    });
    let told = Shown {
        process: observed.peer().pid,
        codec: observed.codec(),
        messages: Messages::of(observed),
        uncounted,
        connections: connections.collect(),
    };
    print(&told, output)
}

fn print(told: &impl Serialize, output: &mut impl Write) -> io::Result<()> {
    writeln!(output, "{}", serde_json::to_string(told)?)?;
    output.flush()
}
