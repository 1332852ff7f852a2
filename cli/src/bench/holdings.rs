//! What a process holds for each of many clients that do nothing, by the kernel's own numbers, read from outside.

use std::fs;
use std::path::PathBuf;

use super::Failure;
use super::crew::{Crew, Meeting};
use super::idle;
use super::ours::idlers::{ALL, FIRST};
use super::placement::Placement;
use super::rounds::{Effort, Outcome};
use super::task::Task;
use super::work::Pass;

/// Descriptors that a client may take.
const DESCRIPTORS: f64 = 4.0;
/// Wake-ups and milliseconds of processor time, added up, below which a crowd is idle: as in the row `idle`.
const STILL: f64 = 0.5;

/// Of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    mappings: usize,
    /// `RssAnon`: memory of its own.
    private: usize,
    /// Memory files that it has made, each counted once, by the mapping of its start that it may write. They are allocated as a whole.
    segments: usize,
    /// `VmPTE`: what the kernel needs to know where all that is.
    tables: usize,
}

impl Holdings {
    fn of(pid: u32) -> Result<Self, Failure> {
        let place = PathBuf::from(format!("/proc/{pid}"));
        let status = fs::read_to_string(place.join("status"))?;
        let maps = fs::read_to_string(place.join("maps"))?;
        Ok(Self {
            descriptors: fs::read_dir(place.join("fd"))?.count(),
            mappings: maps.lines().count(),
            private: kibibytes(&status, "RssAnon:").ok_or("the kernel does not tell RssAnon")?
                << 10,
            segments: own_segments(&maps),
            tables: kibibytes(&status, "VmPTE:").unwrap_or(0) << 10,
        })
    }
}

/// The number behind `name`.
fn kibibytes(status: &str, name: &str) -> Option<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn own_segments(maps: &str) -> usize {
    let segment = |line: &str| {
        let mut fields = line.split_whitespace();
        let (range, mode, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let own = mode == "rw-s" && offset == "00000000" && line.contains("memfd:ringway ");
        let (from, to) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        own.then_some(address(to)? - address(from)?)
    };
    maps.lines().filter_map(segment).sum()
}

/// What was found, in words, and what of it is beyond what is promised beside the memory.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) outcome: Outcome,
    pub(crate) note: String,
    pub(crate) beyond: Option<String>,
}

/// Lets a crowd connect, say one thing each, and do nothing. The value is the server's memory for each client, in bytes.
#[expect(
    clippy::cast_precision_loss,
    reason = "bytes and counts are far below 2^52"
)]
pub(crate) fn measure(
    placement: Placement,
    effort: &Effort,
    meeting: &mut Meeting,
) -> Result<Found, Failure> {
    let mut crew = Crew::start(Task::Idlers, placement, &meeting.address())?;
    let server = crew.pids()[1];
    crew.run(Pass::Check, 1)?;
    let before = Holdings::of(server)?;
    crew.tune(ALL)?;
    crew.run(Pass::Check, 1)?;
    let activity = idle::watch(&mut crew, effort.idle)?;
    let after = Holdings::of(server)?;
    let each = |pick: fn(&Holdings) -> usize| {
        pick(&after).saturating_sub(pick(&before)) as f64 / f64::from(ALL - FIRST)
    };
    let (private, segments) = (each(|h| h.private), each(|h| h.segments));
    let descriptors = each(|h| h.descriptors);
    let milliseconds = activity.cpu_nanos as f64 / 1e6;
    let note = format!(
        "each of {}: {:.1} KiB private, {:.1} KiB of segments, {:.1} KiB of page tables besides; {descriptors:.2} descriptors, {:.1} mappings; \
         all of them in {} s, both processes: {} wake-ups and {milliseconds:.2} ms of processor time",
        ALL - FIRST,
        private / 1024.0,
        segments / 1024.0,
        each(|h| h.tables) / 1024.0,
        each(|h| h.mappings),
        effort.idle.as_secs(),
        activity.wake_ups,
    );
    let mut beyond = Vec::new();
    if descriptors > DESCRIPTORS {
        beyond.push(format!("more than {DESCRIPTORS} descriptors"));
    }
    if activity.wake_ups as f64 + milliseconds >= STILL {
        beyond.push("not idle".to_owned());
    }
    Ok(Found {
        outcome: Outcome {
            nanos: private + segments,
            limit_nanos: f64::NAN,
            slowness: f64::NAN,
            rounds: 1,
            cpu_seconds: activity.cpu_nanos as f64 / 1e9,
            seconds: effort.idle.as_secs_f64(),
            ..Outcome::default()
        },
        note,
        beyond: (!beyond.is_empty()).then(|| beyond.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_counts_once_and_only_where_it_is_ours() {
        let maps = "\
7f0000000000-7f0000002000 rw-s 00000000 00:01 5 /memfd:ringway 7 (deleted)
7f0000002000-7f0000003000 rw-s 00001000 00:01 5 /memfd:ringway 7 (deleted)
7f0000010000-7f0000012000 r--s 00000000 00:01 6 /memfd:ringway 8 (deleted)
7f0000020000-7f0000022000 rw-p 00000000 00:00 0 [heap]
";
        assert_eq!(own_segments(maps), 0x2000);
        assert_eq!(kibibytes("VmPTE:\t      44 kB\n", "VmPTE:"), Some(44));
        assert_eq!(kibibytes("VmPTE:\t      44 kB\n", "RssAnon:"), None);
    }

    #[test]
    fn this_process_holds_something() {
        let held = Holdings::of(std::process::id()).unwrap();
        assert!(held.descriptors >= 3 && held.mappings > 3 && held.private > 0);
    }
}
