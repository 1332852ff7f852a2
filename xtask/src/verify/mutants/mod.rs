//! The step `mutants`: one change at a time in the code of [`FOLDERS`], each of which some test has to fail for.
//!
//! cargo-mutants says what to change; we change it, in a copy of the sources, and run the tests that are most likely to notice first. In `cargo verify` that are the changes
//! in lines that are new since the branch began, as many as [`SECONDS`] allow; with `--long` all of them, in a fixed order that has nothing to do with where they are, and
//! the next run goes on where this one was. What no test notices has to be explained in `docs/mutants.md`.

mod ledger;
mod lines;
mod list;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::coverage::FOLDERS;
use super::evidence;
use super::job::{Job, Stop, seconds};
use crate::place;

use ledger::Ledger;
use list::Mutant;
use trial::{STAGES, Trial, Verdict};

/// The version of cargo-mutants: what it changes, and so what is explained, depends on it.
const VERSION: &str = "27.1.0";

/// How long changes are tried without `--long`; those that are left are counted.
const SECONDS: u64 = 60;

/// Of more new lines than this, a minute would try so few changes that it says nothing, for minutes of building: those are for `--long` alone.
const MOST_LINES: usize = 200;

/// The percent of `--long`'s minutes.
pub(super) const PERCENT: u32 = 10;

/// What they are called in the document.
const CHECK: &str = "mutants tried";

/// Of a hundred changes, how many have to be noticed.
const NOTICED: usize = 95;

/// Of fewer tried ones the share says little.
const ENOUGH: usize = 200;

pub(super) fn mutants(job: &mut Job) -> Result<String, Stop> {
    if let Some(share) = job.share(PERCENT) {
        return long(job, share);
    }
    let Some(base) = lines::base() else {
        return Ok("no commit to compare with".to_owned());
    };
    let changed = lines::changed(&base).map_err(|error| Stop::failed(error.to_string()))?;
    let where_ = FOLDERS.join(", ");
    if changed.is_empty() {
        return Ok(format!("no line of {where_} is new since {base}"));
    }
    if changed.len() > MOST_LINES {
        let count = changed.len();
        return Ok(format!(
            "{count} lines are new since {base}, too many for a minute: --long tries them"
        ));
    }
    let mut all = list(job)?;
    all.retain(|mutant| changed.contains(&(mutant.file.clone(), mutant.line)));
    if all.is_empty() {
        return Ok(format!("nothing to change in the new lines since {base}"));
    }
    // The tests passed just now, in the step `tests`; here those that are asked first.
    let trial = Trial::prepare(job, 1)?;
    let began = Instant::now();
    let mut ledger = Ledger::read()?;
    let (mut tried, mut noticed) = (0, 0);
    for mutant in &all {
        if began.elapsed() > seconds(SECONDS) {
            break;
        }
        tried += 1;
        match trial.run(job, mutant)? {
            Verdict::Survived => ledger.survived(&mutant.key),
            Verdict::Noticed | Verdict::NoProgram => noticed += 1,
        }
    }
    // Not written: what was tried of a branch is no sample of all.
    ledger.explained()?;
    let left = all.len() - tried;
    Ok(format!(
        "{noticed} of {tried} noticed, {left} left for --long"
    ))
}

/// Goes on with all of them for so long.
fn long(job: &mut Job, share: Duration) -> Result<String, Stop> {
    let mut all = list(job)?;
    all.sort_by_key(|mutant| mutant.order);
    let trial = Trial::prepare(job, STAGES.len())?;
    trial.finds_what_is_planted(job, &all)?;
    let mut ledger = Ledger::read()?;
    ledger.keep(&all);
    let began = Instant::now();
    let mut tried = 0;
    let next = all
        .iter()
        .position(|mutant| mutant.order > ledger.last)
        .unwrap_or(0);
    for mutant in all.iter().cycle().skip(next).take(all.len()) {
        if began.elapsed() >= share {
            break;
        }
        let one = Instant::now();
        let verdict = trial.run(job, mutant)?;
        ledger.add(mutant, verdict);
        ledger.write()?;
        // One by one: a run that is cut has not run in vain.
        evidence::add(CHECK, 1, one.elapsed(), None)?;
        tried += 1;
    }
    let found = ledger.explained();
    if found.is_err() {
        let what = "one that is not explained";
        evidence::add(CHECK, 0, Duration::ZERO, Some(what))?;
    }
    found?;
    let (noticed, of) = ledger.share();
    if of >= ENOUGH && noticed * 100 < of * NOTICED {
        return Err(Stop::failed(format!(
            "of {of} changes {noticed} were noticed by a test, less than {NOTICED} %"
        )));
    }
    Ok(format!(
        "{tried} tried; {noticed} of {of} noticed in all runs, {} there are",
        all.len()
    ))
}

/// All changes, by cargo-mutants, which is installed if it is not there.
fn list(job: &mut Job) -> Result<Vec<Mutant>, Stop> {
    let folder = place::target().join("tools/mutants");
    let program = folder.join("bin/cargo-mutants");
    let mut ask = place::command(&program);
    let asked = ask.args(["mutants", "--version"]).output();
    if !asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION)) {
        let mut install = job.cargo("install");
        // Not optimised: it is asked once, and compiling it takes longer than that.
        install.args(["cargo-mutants", "--debug", "--version", VERSION, "--root"]);
        install
            .arg(&folder)
            .env("CARGO_TARGET_DIR", folder.join("build"));
        if !job.ci() {
            install.arg("--locked");
        }
        job.run(&mut install, seconds(900))?;
        let _ = fs::remove_dir_all(folder.join("build"));
    }
    let mut list = place::command(program);
    list.args([
        "mutants",
        "--list",
        "--diff",
        "--no-config",
        "--colors=never",
    ]);
    list.args(["--package", "ringway"]);
    for folder in FOLDERS {
        list.args(["--file".to_owned(), format!("src/{folder}/**")]);
    }
    let all = list::read(&job.run(&mut list, seconds(120))?);
    if all.is_empty() {
        return Err(Stop::failed("cargo-mutants has nothing to change"));
    }
    Ok(all)
}

fn folder() -> PathBuf {
    place::target().join("mutants")
}
