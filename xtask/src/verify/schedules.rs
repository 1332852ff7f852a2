//! The step `shuttle`: the programs of `src/model/random` in random schedules; with `--long` for its share of the minutes, behind those that were tried before.

use std::time::Duration;

use super::evidence;
use super::job::{Job, Stop, seconds};
use super::soak::count;
use super::suite::Tally;
use crate::place;

/// The percent of `--long`'s minutes.
pub(super) const PERCENT: u32 = 10;

/// So many are tried, of all programs together, and with `--long` in each lap.
const USUAL: u64 = 100_000;
const LAP: u64 = 500_000;

/// What they are called in the document, where each counts for itself.
const CHECK: &str = "schedules tried";

pub(super) fn shuttle(job: &mut Job) -> Result<String, Stop> {
    let Some(share) = job.share(PERCENT) else {
        // It takes three minutes beside the others, and many times that where these leave it nothing.
        run(job, 0, USUAL, seconds(3_600))?;
        return Ok(format!("{USUAL} schedules"));
    };
    // A whole run of other seeds is behind each: nothing is tried twice.
    let (tried, all) = evidence::go_on(CHECK, share, LAP, 0, |seed| {
        run(job, seed, LAP, seconds(3_600))
    })?;
    Ok(format!("{tried} schedules, {all} in all"))
}

fn run(job: &mut Job, seed: u64, schedules: u64, limit: Duration) -> Result<(), Stop> {
    let mut cargo = job.cargo("test");
    // Unit tests, as the models are: they run the library's own, private source. What runs in every schedule is optimised, as there.
    cargo.args(["--profile", "loom", "--package", "ringway", "--lib"]);
    cargo.args(["--no-default-features", "model::random"]);
    // What passes says how many it has tried.
    cargo.args(["--", "--show-output"]);
    cargo
        .env("RUSTFLAGS", "--cfg ringway_shuttle")
        .env("CARGO_TARGET_DIR", place::target().join("shuttle"))
        .env("RINGWAY_SCHEDULES", schedules.to_string())
        .env("RINGWAY_SEED", seed.to_string());
    let printed = job.run(&mut job.manner(cargo), limit)?;
    Tally::read(&printed).note()?;
    let tried = count(&printed, " schedules");
    if tried < schedules {
        return Err(Stop::failed(format!(
            "{tried} schedules were tried, and not {schedules}"
        )));
    }
    Ok(())
}
