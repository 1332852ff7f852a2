//! Killed behind any instruction: a process is stopped after each of its instructions, or before each that would write into a segment, and whenever its memory has changed for others to see, a
//! survivor looks at just that. It finds what was committed, unbroken, and of an operation under way all or nothing; then it hears of the end.
//!
//! Between two such changes a peer cannot tell at which instruction its peer died, but for what the kernel has been asked: so the process is also killed for good
//! at the entry and at the exit of each system call, beside a peer that lives on.
#![cfg(target_arch = "x86_64")]

mod greeting;
mod guard;
mod kill;
mod operation;
#[path = "../hostile/peer.rs"]
#[allow(dead_code, reason = "the scripts of the hostile tests need more of it")]
mod peer;
mod planted;
#[path = "../crash/process.rs"]
mod process;
mod record;
mod resume;
mod survivor;
#[path = "../trace/mod.rs"]
mod trace;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use operation::{ALL, Case, Operation, Side};
use process::alone;
use record::{Recording, Snapshot, Stops, record};
use survivor::{Survivor, fault};

const LIMIT: Duration = Duration::from_secs(550);

/// Bytes of a message in most cases: more than any processor stores by one instruction, or a message would be there at once and no order of its parts could be wrong.
const USUAL: usize = 200;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringway-steps-{name}-{}", std::process::id()))
}

/// With `RINGWAY_STEPS=all`: every size, both sides.
fn is_long() -> bool {
    std::env::var("RINGWAY_STEPS").is_ok_and(|value| value == "all")
}

/// Whether a sleeper may have a barrier made everywhere.
fn is_permitted() -> bool {
    // SAFETY: a query; no memory is passed.
    let known = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0) };
    known & libc::c_long::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0 && known > 0
}

fn cases() -> Vec<Case> {
    let case = |operation, side, size, wraps| Case {
        operation,
        side,
        size,
        wraps,
    };
    let mut cases: Vec<Case> = ALL
        .iter()
        .map(|&operation| case(operation, Side::Server, USUAL, false))
        .collect();
    if !is_permitted() {
        println!("not run: what needs membarrier, which this sandbox forbids");
    }
    cases.push(case(Operation::Send, Side::Client, USUAL, true));
    cases.push(case(Operation::Group, Side::Client, USUAL, true));
    for side in [Side::Server, Side::Client] {
        cases.push(case(Operation::Handshake, side, 0, false));
    }
    if is_long() {
        for side in [Side::Server, Side::Client] {
            for &operation in ALL {
                for size in [0, 8, 56, 64, USUAL, 1000] {
                    cases.extend([false, true].map(|wraps| case(operation, side, size, wraps)));
                }
            }
        }
    }
    cases.retain(|case| match case.operation {
        Operation::Unfenced => is_permitted(),
        // Their frames are of many sizes as it is, and no two lanes wrap at once.
        Operation::Large => [0, USUAL].contains(&case.size) && !case.wraps,
        Operation::Lanes => !case.wraps,
        _ => true,
    });
    cases
}

/// A handshake has a million instructions, and writes into the segment by few of them.
fn stops(case: &Case) -> Stops {
    match case.operation {
        Operation::Handshake => Stops::Writes,
        Operation::Large if is_long() => Stops::Bodies,
        Operation::Large => Stops::Heads,
        _ => Stops::Instructions,
    }
}

/// Looks at every snapshot of a recording. Returns the first fault.
fn look(case: &Case, recording: &Recording, survivor: &mut Survivor) -> Option<String> {
    let (all, mut commits) = (case.commits().len(), 0);
    let mut last: Option<&Snapshot> = None;
    for snapshot in &recording.snapshots {
        if case.operation == Operation::Lanes {
            commits = commits.max(snapshot.handled[0] as usize);
        }
        if snapshot.over {
            commits = all;
        }
        // The last one is looked at again, since by then all has to be there.
        let seen = survivor.of(&snapshot.bytes);
        if let Some(fault) = fault(case, snapshot, &seen, &mut commits) {
            let changed: Vec<usize> = last.map_or(Vec::new(), |last| {
                let bytes = last.bytes.iter().zip(&snapshot.bytes).enumerate();
                bytes
                    .filter(|(_, (old, new))| old != new)
                    .map(|(at, _)| at)
                    .take(8)
                    .collect()
            });
            return Some(format!(
                "{case:?}: behind step {} ({:#x}), which changed bytes {changed:x?}: {fault}",
                snapshot.step, snapshot.address
            ));
        }
        last = Some(snapshot);
    }
    None
}

#[test]
fn a_survivor_of_any_instruction_finds_all_or_nothing() {
    alone(
        "a_survivor_of_any_instruction_finds_all_or_nothing",
        LIMIT,
        || {
            if !trace::is_there() {
                return;
            }
            trace::on_one_processor(0);
            let (mut steps, mut changes) = (0, 0);
            let began = Instant::now();
            let cases = cases();
            for case in &cases {
                let start = Instant::now();
                let recording = record(case, &path("stepped"), stops(case));
                let stepped = start.elapsed();
                steps += recording.steps;
                changes += recording.snapshots.len();
                // A segment that was not found would never change.
                let writes = recording.writes().len();
                assert!(writes > 0, "{case:?}: nothing was written");
                // What depends on the time takes another way.
                let timed = matches!(case.operation, Operation::Park | Operation::Room);
                if stops(case) == Stops::Instructions && !timed {
                    let quick = record(case, &path("stepped"), Stops::Writes);
                    assert_eq!(
                        quick.writes(),
                        recording.writes(),
                        "{case:?}: no write is missed"
                    );
                }
                let mut survivor = Survivor::new(case, &path("survivor"));
                let fault = look(case, &recording, &mut survivor);
                assert_eq!(fault, None);
                println!(
                    "{:?} {:?} {} bytes: {} steps in {stepped:?}, {} changes, {:?}",
                    case.operation,
                    case.side,
                    case.size,
                    recording.steps,
                    recording.snapshots.len(),
                    start.elapsed()
                );
            }
            println!(
                "{} operations, {steps} instructions, {changes} changes, {:.1} s",
                cases.len(),
                began.elapsed().as_secs_f64()
            );
        },
    );
}

#[test]
fn a_peer_of_one_killed_at_any_system_call_ends_with_all_that_was_committed() {
    alone(
        "a_peer_of_one_killed_at_any_system_call_ends_with_all_that_was_committed",
        LIMIT,
        || {
            if !trace::is_there() {
                return;
            }
            trace::on_one_processor(1);
            let began = Instant::now();
            let (mut cases, mut kills) = (cases(), 0);
            // A peer that lives sleeps now and then, and no calm comes.
            cases.retain(|case| case.operation != Operation::Unfenced);
            for case in &cases {
                let start = Instant::now();
                let here = kill::everywhere(case, &path("killed"));
                println!(
                    "{:?} {:?} {} bytes: {here} kills, {:?}",
                    case.operation,
                    case.side,
                    case.size,
                    start.elapsed()
                );
                kills += here;
            }
            println!(
                "{} operations, {kills} kills, {:.1} s",
                cases.len(),
                began.elapsed().as_secs_f64()
            );
        },
    );
}
