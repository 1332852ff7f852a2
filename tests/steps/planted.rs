//! The stores of a process with a fault in their order, made of those of the real one: the same look at what they leave must find it.

use crate::operation::{Case, Operation, Side, THEIRS, length};
use crate::peer::{CONTROL, RELEASED, RING, Word};
use crate::process::alone;
use crate::record::{Recording, Snapshot, Stops, record};
use crate::survivor::Survivor;
use crate::{LIMIT, USUAL, is_permitted, look, path, trace};

/// What is said of a real recording in which something was changed.
fn found(operation: Operation, plant: impl Fn(&Case, &mut Recording)) -> String {
    let case = Case {
        operation,
        side: Side::Server,
        size: USUAL,
        wraps: false,
    };
    let stops = if operation == Operation::Large {
        Stops::Heads
    } else {
        Stops::Writes
    };
    let mut recording = record(&case, &path("planted"), stops);
    let mut survivor = Survivor::new(&case, &path("witness"));
    plant(&case, &mut recording);
    let found = look(&case, &recording, &mut survivor).expect("a fault is found");
    println!("{operation:?}: {found}");
    found
}

/// Where in a segment the operation's first header is.
fn header(case: &Case) -> usize {
    CONTROL + case.before().into_iter().map(length).sum::<usize>()
}

fn put(snapshot: &mut Snapshot, at: usize, word: u64) {
    snapshot.bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
}

/// In every snapshot from the first one on at which anything of the operation is in the ring, the bytes are as they are in the end.
fn early(recording: &mut Recording, bytes: std::ops::Range<usize>) {
    let end = recording.snapshots.last().unwrap().bytes[bytes.clone()].to_vec();
    for snapshot in &mut recording.snapshots[1..] {
        snapshot.bytes[bytes.clone()].copy_from_slice(&end);
    }
}

fn run(body: impl FnOnce(), name: &str) {
    alone(name, LIMIT, || {
        if trace::is_there() {
            trace::on_one_processor(2);
            body();
        }
    });
}

#[test]
fn stores_in_a_wrong_order_are_found() {
    let body = || {
        // The header before the payload; a group's first header before its other frames.
        let sends = [Operation::Send, Operation::Group, Operation::Five];
        for operation in sends.into_iter().chain([Operation::Large]) {
            let found = found(operation, |case, recording| {
                let at = header(case);
                early(recording, at..at + 8);
            });
            assert!(found.contains("neither nothing nor all"));
        }
        // No terminator, where an older frame's header lies.
        let behind = found(Operation::Send, |case, recording| {
            let behind = header(case) + length(USUAL);
            for snapshot in &mut recording.snapshots {
                put(snapshot, behind, 1u64 << 48 | 16);
            }
        });
        assert!(behind.contains("neither nothing nor all"));
        // A commit that comes after the call has returned.
        let late = found(Operation::Commit, |case, recording| {
            let at = header(case);
            for snapshot in &mut recording.snapshots {
                put(snapshot, at, 0);
            }
        });
        assert!(late.contains("what was committed is not there"));
        // A frame of another lane that was sent before is not there yet.
        let overtaken = found(Operation::Lanes, |_, recording| {
            early(recording, CONTROL..CONTROL + RING);
        });
        assert!(overtaken.contains("neither nothing nor all"));
        // And one whose commit has returned.
        let lost = found(Operation::Lanes, |_, recording| {
            for snapshot in &mut recording.snapshots {
                put(snapshot, CONTROL + 2 * RING, 0);
            }
        });
        assert!(lost.contains("not there") || lost.contains("neither"));
        // It says that it fences before the last commit that did not is there.
        if is_permitted() {
            let fences = found(Operation::Unfenced, |_, recording| {
                let at = Word::FenceMode.offset();
                early(recording, at..at + 8);
            });
            assert!(fences.contains("says that it fences"));
        }
    };
    run(body, "planted::stores_in_a_wrong_order_are_found");
}

#[test]
fn what_is_released_too_early_is_found() {
    let body = || {
        for operation in [Operation::Release, Operation::Held, Operation::Rewind] {
            let found = found(operation, |_, recording| {
                for snapshot in &mut recording.snapshots {
                    let handed = snapshot.handled[0].max(1) as usize;
                    put(snapshot, RELEASED, (handed * length(THEIRS[0])) as u64);
                }
            });
            assert!(found.contains("is done with"));
        }
    };
    run(body, "planted::what_is_released_too_early_is_found");
}
