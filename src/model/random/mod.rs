//! Larger programs in random schedules: more frames, more lanes, more laps and more lives than loom has the time for, with a death at a random step.
//!
//! Every access is sequentially consistent here, so that no ordering is tried: that is for the models under loom. What is tried is the logic, over many laps: who waits for what, what is released,
//! held, gone back to, sent again and said of it. A schedule is drawn by shuttle, half of them evenly and half by priorities (PCT), and so is the program: both from one seed. `RINGWAY_SEED`
//! begins elsewhere, `RINGWAY_SCHEDULES` is how many are tried in all.

mod followed;
mod generations;
mod lanes;
mod plan;
mod stream;
mod tapped;

use std::sync::{Arc, Mutex};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};

use super::{apart, run_planted};
use crate::planted::Check;
use crate::sync::mortal;

/// A program, and its part of the schedules: together they are 100.
struct Program {
    name: &'static str,
    percent: u64,
    run: fn(),
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "a stream",
        percent: 30,
        run: stream::stream,
    },
    Program {
        name: "several lanes",
        percent: 20,
        run: lanes::lanes,
    },
    Program {
        name: "generations of receivers",
        percent: 25,
        run: generations::generations,
    },
    Program {
        name: "large frames that are followed",
        percent: 15,
        run: followed::followed,
    },
    Program {
        name: "one who reads along",
        percent: 10,
        run: tapped::tapped,
    },
];

/// As many changes of priority make a PCT schedule. What is looked for takes three or four moments.
const DEPTH: usize = 4;

fn variable(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().expect("a number"),
        Err(_) => otherwise,
    }
}

/// What was run.
#[derive(Clone, Copy, Default)]
struct Ran {
    schedules: u64,
    /// In so many of them somebody died.
    deaths: u64,
}

/// Runs a program in so many schedules.
fn run(program: fn(), seed: u64, schedules: u64) -> Ran {
    let half = schedules.div_ceil(2) as usize;
    let ran = run_by(RandomScheduler::new_from_seed(seed, half), program)
        + run_by(PctScheduler::new_from_seed(seed, DEPTH, half), program);
    Ran {
        schedules: ran as u64,
        deaths: mortal::deaths(),
    }
}

fn run_by(scheduler: impl Scheduler + 'static, program: fn()) -> usize {
    let mut config = Config::new();
    config.silence_warnings = true;
    config.failure_persistence = FailurePersistence::None;
    Runner::new(scheduler, config).run(program)
}

#[test]
fn each_program_holds_in_random_schedules() {
    let schedules = variable("RINGWAY_SCHEDULES", 2_000);
    let seed = variable("RINGWAY_SEED", 0);
    assert_eq!(PROGRAMS.iter().map(|one| one.percent).sum::<u64>(), 100);
    // Side by side: each on a thread of its own.
    let runs: Vec<_> = PROGRAMS
        .iter()
        .map(|program| {
            let (body, share) = (program.run, schedules * program.percent / 100);
            let ran = Arc::new(Mutex::new(Ran::default()));
            let told = ran.clone();
            let run = std::thread::spawn(move || {
                apart(move || *told.lock().unwrap() = run(body, seed, share))
            });
            (program.name, share, ran, run)
        })
        .collect();
    let (mut failed, mut tried) = (Vec::new(), 0);
    for (name, share, ran, run) in runs {
        let outcome = run.join().expect("what panics is caught");
        let Ran { schedules, deaths } = *ran.lock().unwrap();
        tried += schedules;
        match outcome {
            Err(cause) => failed.push(format!("{name}: {cause}")),
            Ok(()) if deaths < share / 4 => failed.push(format!("{name}: {deaths} deaths only")),
            Ok(()) => {}
        }
    }
    assert!(failed.is_empty(), "with RINGWAY_SEED={seed}: {failed:?}");
    println!("{tried} schedules");
}

/// Faults of logic that are planted in the lane, and who finds them.
#[test]
fn each_planted_fault_is_found() {
    let faults: [(Check, fn()); 2] = [
        (Check::HeldKept, stream::stream),
        (Check::TakenFirst, generations::generations),
    ];
    for (check, program) in faults {
        let outcome = run_planted(Some(check), move || {
            run(program, 0, 2_000);
        });
        assert!(
            outcome.is_err(),
            "{check:?} is left out, and nothing is lost"
        );
    }
}
