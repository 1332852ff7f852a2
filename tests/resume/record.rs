//! What the servers write into a pipe that outlives them: which frames they handle, as the first thing that they do with each, and when they are killed.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

use ringway::Redelivery;

/// One record: five words, which a pipe takes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Which server, or [`KILLED`].
    pub(crate) server: u64,
    pub(crate) lane: u64,
    pub(crate) number: u64,
    pub(crate) position: u64,
    /// 0 first, 1 unseen, 2 in doubt.
    pub(crate) redelivery: u64,
    /// Nanoseconds of the monotonic clock.
    pub(crate) at: u64,
}

/// The server is about to be killed.
pub(crate) const KILLED: u64 = u64::MAX;

const BYTES: usize = 48;

pub(crate) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writes.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
}

pub(crate) fn number(redelivery: Redelivery) -> u64 {
    match redelivery {
        Redelivery::First => 0,
        Redelivery::Unseen => 1,
        Redelivery::InDoubt => 2,
    }
}

/// The two ends.
pub(crate) fn pipe() -> (std::fs::File, std::fs::File) {
    let mut ends = [0; 2];
    // SAFETY: `ends` is valid for writes.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(made, 0);
    // SAFETY: the kernel has just returned both, and nothing else owns them.
    let [read, write] = ends.map(|end| std::fs::File::from(unsafe { OwnedFd::from_raw_fd(end) }));
    (read, write)
}

impl Record {
    pub(crate) fn write(&self, mut pipe: &std::fs::File) {
        let words = [
            self.server,
            self.lane,
            self.number,
            self.position,
            self.redelivery,
            self.at,
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(pipe.write(&bytes).unwrap(), BYTES);
    }
}

/// Reads records until nobody can write any more.
pub(crate) fn read_all(mut pipe: std::fs::File) -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = [0; BYTES];
    while pipe.read_exact(&mut bytes).is_ok() {
        let word =
            |index: usize| u64::from_ne_bytes(bytes[8 * index..8 * index + 8].try_into().unwrap());
        records.push(Record {
            server: word(0),
            lane: word(1),
            number: word(2),
            position: word(3),
            redelivery: word(4),
            at: word(5),
        });
    }
    records
}

/// What the records of one run say.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) servers: u64,
    /// Handled for the first time though they were sent again; handled again.
    pub(crate) unseen: u64,
    pub(crate) again: u64,
    /// In doubt, and never handled before.
    pub(crate) doubted: u64,
    /// From each kill to the first frame that the next server handles.
    pub(crate) gaps: Vec<Duration>,
}

/// Holds the records to what was promised. `sent`: numbers from 0 on, by lane.
pub(crate) fn check(records: &[Record], sent: &[u64]) -> Summary {
    let mut summary = Summary::default();
    let mut handled: HashMap<(u64, u64), u64> = HashMap::new();
    let mut last: HashMap<(u64, u64), u64> = HashMap::new();
    let mut killed = None;
    for record in records {
        if record.server == KILLED {
            killed = Some((record.number, record.at));
            continue;
        }
        // What comes after the note of its death is still the old one's.
        if let Some((_, at)) = killed.filter(|(server, _)| record.server > *server) {
            summary.gaps.push(Duration::from_nanos(record.at - at));
            killed = None;
        }
        summary.servers = summary.servers.max(record.server + 1);
        let frame = (record.lane, record.number);
        let before = handled.insert(frame, record.position);
        if let Some(position) = before {
            assert_eq!(position, record.position, "a frame keeps its position");
            assert_eq!(
                record.redelivery, 2,
                "handled again, and not said: {record:?}"
            );
            summary.again += 1;
        }
        summary.unseen += u64::from(record.redelivery == 1);
        summary.doubted += u64::from(record.redelivery == 2 && before.is_none());
        // Within one server each lane's frames come in order, and none is left out.
        if let Some(previous) = last.insert((record.server, record.lane), record.number) {
            assert_eq!(record.number, previous + 1, "in order: {record:?}");
        }
    }
    for (lane, sent) in sent.iter().enumerate() {
        for number in 0..*sent {
            let frame = (lane as u64, number);
            assert!(
                handled.contains_key(&frame),
                "lost: frame {number} of lane {lane}"
            );
        }
    }
    summary
}
