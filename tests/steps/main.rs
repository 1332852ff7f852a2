//! Killed behind any instruction: a process is stopped after each of its instructions, or before each that would write into a segment, and whenever its memory has changed for others to see, a
//! survivor looks at just that. It finds what was committed, unbroken, and of an operation under way all or nothing; then it hears of the end.
//!
//! Between two such changes a peer cannot tell at which instruction its peer died, but for what the kernel has been asked: so the process is also killed for good
//! at the entry and at the exit of each system call, beside a peer that lives on.
#![cfg(target_arch = "x86_64")]

mod guard;
mod kill;
mod operation;
#[path = "../hostile/peer.rs"]
#[allow(dead_code, reason = "the scripts of the hostile tests need more of it")]
mod peer;
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
    cases.push(case(Operation::Send, Side::Client, USUAL, true));
    cases.push(case(Operation::Group, Side::Client, USUAL, true));
    for side in [Side::Server, Side::Client] {
        cases.push(case(Operation::Handshake, side, 0, false));
    }
    if is_long() {
        for side in [Side::Server, Side::Client] {
            for &operation in ALL {
                for size in [0, 8, 56, 64, USUAL, 1000] {
                    for wraps in [false, true] {
                        cases.push(case(operation, side, size, wraps));
                    }
                }
            }
        }
    }
    cases
}

/// A handshake has a million instructions, and writes into the segment by few of them.
fn stops(case: &Case) -> Stops {
    if case.operation == Operation::Handshake {
        Stops::Writes
    } else {
        Stops::Instructions
    }
}

/// Looks at every snapshot of a recording. Returns the first fault.
fn look(case: &Case, recording: &Recording, survivor: &mut Survivor) -> Option<String> {
    let base = if case.operation == Operation::Handshake {
        0
    } else {
        case.base()
    };
    let mut done = case.within().is_empty();
    let mut last: Option<&Snapshot> = None;
    for snapshot in &recording.snapshots {
        done |= snapshot.over;
        // The last one is looked at again, since by then all has to be there.
        let seen = survivor.of(base, &snapshot.bytes);
        if let Some(fault) = fault(case, &seen, &mut done) {
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
                let mut survivor = Survivor::new(&path("survivor"));
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
            let (cases, mut kills) = (cases(), 0);
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

/// The stores of a sender with a fault in their order, made of those of the real one: the same look at what they leave must find it.
fn planted(operation: Operation, plant: impl Fn(&Case, &mut Recording)) -> Option<String> {
    let case = Case {
        operation,
        side: Side::Server,
        size: USUAL,
        wraps: false,
    };
    let mut recording = record(&case, &path("planted"), Stops::Instructions);
    let mut survivor = Survivor::new(&path("witness"));
    assert_eq!(look(&case, &recording, &mut survivor), None);
    plant(&case, &mut recording);
    look(&case, &recording, &mut survivor)
}

/// Where in a segment the operation's first header is.
fn header(case: &Case) -> usize {
    let before: usize = case.before().into_iter().map(operation::length).sum();
    peer::CONTROL + before
}

/// In every snapshot from the first one on at which anything of the operation is in the ring, the word at `at` is as it is in the end.
fn early(recording: &mut Recording, at: usize) {
    let end = recording
        .snapshots
        .last()
        .map(|last| last.bytes[at..at + 8].to_vec());
    for snapshot in &mut recording.snapshots[1..] {
        snapshot.bytes[at..at + 8].copy_from_slice(end.as_ref().unwrap());
    }
}

#[test]
fn stores_in_a_wrong_order_are_found() {
    alone("stores_in_a_wrong_order_are_found", LIMIT, || {
        if !trace::is_there() {
            return;
        }
        trace::on_one_processor(2);
        // The header before the payload.
        let found = planted(Operation::Send, |case, recording| {
            early(recording, header(case));
        });
        println!("an early header: {found:?}");
        assert!(found.unwrap().contains("neither nothing nor all"));
        // A group's first header before its second frame.
        let found = planted(Operation::Group, |case, recording| {
            early(recording, header(case));
        });
        println!("an early group: {found:?}");
        assert!(found.unwrap().contains("neither nothing nor all"));
        // No terminator, where an older frame's header lies.
        let found = planted(Operation::Send, |case, recording| {
            let behind = header(case) + operation::length(USUAL);
            for snapshot in &mut recording.snapshots {
                snapshot.bytes[behind..behind + 8]
                    .copy_from_slice(&(1u64 << 48 | 16).to_ne_bytes());
            }
        });
        println!("no terminator: {found:?}");
        assert!(found.is_some());
        // A commit that comes after the call has returned.
        let found = planted(Operation::Commit, |case, recording| {
            let at = header(case);
            for snapshot in &mut recording.snapshots {
                snapshot.bytes[at..at + 8].fill(0);
            }
        });
        println!("no commit: {found:?}");
        assert!(found.unwrap().contains("what was committed is not there"));
    });
}
