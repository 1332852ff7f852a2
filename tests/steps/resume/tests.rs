//! What must hold of a resume, and that faults in it are found.

use std::time::Instant;

use super::{Case, DOUBT, kill, script, survivor};
use crate::operation::Side;
use crate::peer::{CONTROL, RELEASED, RING, Word};
use crate::process::alone;
use crate::record::{Recording, Snapshot, Stops};
use crate::{LIMIT, USUAL, is_long, path, trace};

fn cases() -> Vec<Case> {
    let case = |side, size, wraps| Case { side, size, wraps };
    let mut cases = vec![
        case(Side::Client, USUAL, true),
        case(Side::Server, USUAL, true),
    ];
    if is_long() {
        for side in [Side::Client, Side::Server] {
            for size in [0, 8, 56, 64, USUAL, 800] {
                for wraps in [false, true] {
                    cases.push(case(side, size, wraps));
                }
            }
        }
    }
    cases
}

#[test]
fn whoever_resumes_may_end_behind_any_instruction() {
    alone(
        "resume::tests::whoever_resumes_may_end_behind_any_instruction",
        LIMIT,
        || {
            if !trace::is_there() {
                return;
            }
            trace::on_one_processor(1);
            for (number, case) in cases().into_iter().enumerate() {
                let start = Instant::now();
                let recording = script::record(&case, &path("resumed"), Stops::Writes);
                let stepped = start.elapsed();
                // Each has some hundred thousand.
                if is_long() && number < 2 {
                    let all = script::record(&case, &path("resumed"), Stops::Instructions);
                    assert_eq!(
                        recording.writes(),
                        all.writes(),
                        "{case:?}: no write is missed"
                    );
                }
                let (steps, changes) = (recording.steps, recording.snapshots.len());
                assert_eq!(survivor::look(&case, &recording, &path("next")), None);
                let whole = start.elapsed();
                println!("{case:?}: {steps} steps in {stepped:?}, {changes} changes, {whole:?}");
            }
        },
    );
}

#[test]
fn whoever_resumes_may_be_killed_at_any_system_call() {
    alone(
        "resume::tests::whoever_resumes_may_be_killed_at_any_system_call",
        LIMIT,
        || {
            if !trace::is_there() {
                return;
            }
            trace::on_one_processor(1);
            for case in cases() {
                let start = Instant::now();
                let kills = kill::everywhere(&case, &path("kill-resumed"));
                println!("{case:?}: {kills} kills, {:?}", start.elapsed());
            }
        },
    );
}

/// The recording with something changed in each snapshot, with that before it to compare: what is wrong with it then.
fn planted(
    case: &Case,
    recording: &Recording,
    plant: impl Fn(&mut Snapshot, Option<&Snapshot>),
) -> String {
    let mut changed = Recording {
        steps: recording.steps,
        snapshots: recording.snapshots.clone(),
    };
    let mut last: Option<&Snapshot> = None;
    for (snapshot, real) in changed.snapshots.iter_mut().zip(&recording.snapshots) {
        plant(snapshot, last);
        last = Some(real);
    }
    survivor::look(case, &changed, &path("witness-resumed")).expect("a fault is found")
}

fn put(snapshot: &mut Snapshot, at: usize, word: u64) {
    snapshot.bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
}

fn get(snapshot: &Snapshot, at: usize) -> u64 {
    u64::from_ne_bytes(snapshot.bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_resume_in_a_wrong_order_is_found() {
    alone(
        "resume::tests::a_resume_in_a_wrong_order_is_found",
        LIMIT,
        || {
            if !trace::is_there() {
                return;
            }
            trace::on_one_processor(1);
            let case = |side| Case {
                side,
                size: USUAL,
                wraps: false,
            };
            let client = case(Side::Client);
            let recording = script::record(&client, &path("planted-resume"), Stops::Writes);
            let ring = |index| CONTROL + client.position(index) as usize % RING;
            let first = get(recording.snapshots.last().unwrap(), ring(0));
            let end = recording.snapshots.last().unwrap().old.clone();
            let found = planted(&client, &recording, |snapshot, _| {
                if snapshot.bytes[CONTROL..].iter().any(|&byte| byte != 0) {
                    put(snapshot, ring(0), first);
                }
            });
            println!("the first header before the rest: {found}");
            assert!(found.contains("neither nothing nor all") || found.contains("broken"));
            let found = planted(&client, &recording, |snapshot, _| {
                let header = get(snapshot, ring(0));
                put(snapshot, ring(0), header & !DOUBT);
            });
            println!("no word of a doubt: {found}");
            assert!(found.contains("not what was said"));
            let found = planted(&client, &recording, |snapshot, _| {
                snapshot.old.clone_from(&end);
            });
            println!("the old ring wiped first: {found}");
            assert!(found.contains("in neither ring"));
            let found = planted(&client, &recording, |snapshot, _| {
                snapshot.old.clone_from(&recording.snapshots[0].old);
            });
            println!("the old ring never wiped: {found}");
            assert!(found.contains("still in the old ring"));

            let server = case(Side::Server);
            let recording = script::record(&server, &path("planted-account"), Stops::Writes);
            let taken = Word::Taken(0).offset();
            let found = planted(&server, &recording, |snapshot, last| {
                // Said of the last frame only when the next one has come.
                let handed = snapshot.handled[0].saturating_sub(1) as usize;
                let said = get(snapshot, taken).min(server.position(handed));
                if last.is_some() {
                    put(snapshot, taken, said);
                    let released = get(snapshot, RELEASED).min(said);
                    put(snapshot, RELEASED, released);
                }
            });
            println!("taken behind the handing out: {found}");
            assert!(found.contains("is said not to be"));
            let found = planted(&server, &recording, |snapshot, _| {
                let said = get(snapshot, taken);
                if said > 0 {
                    put(snapshot, RELEASED, said);
                }
            });
            println!("released when it is taken: {found}");
            assert!(found.contains("lost"));
        },
    );
}
