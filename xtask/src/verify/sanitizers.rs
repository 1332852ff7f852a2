//! The steps under a sanitizer. They need the nightly compiler; no package of any registry brings one, so its absence is a skip in CI too.

use std::fs;
use std::process::Command;

use super::evidence;
use super::job::{Job, Stop, seconds};
use super::suite::{Tally, targets};
use crate::place;

pub(super) const HOST: &str = "x86_64-unknown-linux-gnu";

/// The percent of `--long`'s minutes for races.
pub(super) const PERCENT: u32 = 5;

/// What its laps are called in the document.
const RACES: &str = "races looked for";

/// How a process ends that has found a race, and what it says.
const FOUND: i32 = 66;
const REPORT: &str = "WARNING: ThreadSanitizer: data race";

/// Races that can be planted in the memory below the lane (`src/segment/plain.rs`).
const PLANTED: [&str; 2] = ["commit", "release"];

/// What the sanitizer is to keep quiet about: the test harness hands its results on by the standard library, whose own atomics it does not see.
const QUIET: &str = "race:CompletedTest\n";

/// The nightly compiler, on a machine that the sanitizers are set up for.
pub(super) fn needs_nightly() -> Result<(), Stop> {
    if !place::answers("rustup", &["run", "nightly", "rustc", "--version"]) {
        let why = "no nightly compiler, in CI as little as here: the project cannot install one (rustup toolchain install nightly)";
        return Err(Stop::Skipped(why.into()));
    }
    if std::env::consts::ARCH != "x86_64" {
        return Err(Stop::Skipped("set up for x86_64 only".into()));
    }
    Ok(())
}

/// `cargo test` of the library's package, built with a sanitizer.
fn cargo(sanitizer: &str, flags: &str) -> Result<Command, Stop> {
    needs_nightly()?;
    let mut cargo = place::command("rustup");
    cargo
        .args(["run", "nightly", "cargo", "test", "--target", HOST])
        .args(["--package", "ringway"])
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", place::target().join(sanitizer))
        .env("CARGO_TERM_COLOR", "never");
    Ok(cargo)
}

/// `cargo test` of the hostile peers under `AddressSanitizer`.
pub(super) fn hostile() -> Result<Command, Stop> {
    let mut cargo = cargo("asan", "-Zsanitizer=address --cfg ringway_asan")?;
    // Without what other tests are made of, which would be built with the sanitizer too.
    cargo.args(["--no-default-features", "--features", "hostile"]);
    Ok(cargo)
}

pub(super) fn asan(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = hostile()?;
    let names = targets("tests", "hostile");
    if names.is_empty() {
        return Err(Stop::failed("there are no hostile tests: tests/hostile*"));
    }
    for name in &names {
        cargo.args(["--test", name]);
    }
    let printed = job.run(&mut job.manner(cargo), seconds(1_200))?;
    Tally::read(&printed).note()
}

/// The lane between two threads, and then with each race that can be planted in it: these have to be found.
pub(super) fn tsan(job: &mut Job) -> Result<String, Stop> {
    let flags = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg ringway_tsan";
    let test = |job: &Job| {
        let mut cargo = cargo("tsan", flags)?;
        cargo.args(["--lib", "racing"]);
        let quiet = place::target().join("tsan.quiet");
        fs::write(&quiet, QUIET).map_err(|error| Stop::failed(error.to_string()))?;
        // With the longest history: a race is not reported when it is no longer known where the first of its two accesses was, such as behind many looks in vain of
        // a thread that was not scheduled for long.
        let options = format!(
            "suppressions={} exitcode={FOUND} halt_on_error=1 history_size=7",
            quiet.display()
        );
        cargo.env("TSAN_OPTIONS", options);
        Ok(job.manner(cargo))
    };
    let printed = job.run(&mut test(job)?, seconds(1_200))?;
    let note = Tally::read(&printed).note()?;
    for planted in PLANTED {
        let mut cargo = test(job)?;
        cargo.env("RINGWAY_PLANTED", planted);
        let (printed, status) = job.try_run(&mut cargo, seconds(300))?;
        if status.success() || !printed.contains(REPORT) {
            let text = format!("a race was planted ({planted}) and is not reported: {status}");
            return Err(Stop::failed(text));
        }
    }
    let text = format!("{note}, {} planted races found", PLANTED.len());
    let Some(share) = job.share(PERCENT) else {
        return Ok(text);
    };
    let (laps, _) = evidence::go_on(RACES, share, 1, 1, |seed| {
        let mut cargo = test(job)?;
        cargo
            .env("RINGWAY_SEED", seed.to_string())
            .env("RINGWAY_FRAMES", "2000000");
        let printed = job.run(&mut cargo, seconds(1_200))?;
        Tally::read(&printed).note().map(|_| ())
    })?;
    Ok(format!("{text}; {laps} laps"))
}
