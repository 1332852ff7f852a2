//! The step `mutants`: one change at a time in the code of [`FOLDERS`], each of which some test has to fail for.
//!
//! A crate of a few lines shows first that changes are judged as they should be ([`planted`]). cargo-mutants says what to change; we change it, in a copy of the sources. In `cargo verify` that are the changes in lines that are new since the branch began, as many as [`SECONDS`]
//! allow, one by one, and the tests that are most likely to notice run first ([`trial`]). With `--long` all of them are in one program ([`switched`]), in which one is on and the tests
//! run that come to it ([`reach`], [`hunt`]): those first in lines that are new since all were tried, and then in a fixed order that has nothing to do with where they are, and the next run goes on where this one was. What no test notices has to be explained in `docs/mutants.md`.

mod functions;
mod hunt;
mod ledger;
mod lines;
mod list;
mod planted;
mod reach;
mod switched;
mod trial;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::coverage::FOLDERS;
use super::evidence;
use super::job::{Job, Stop, seconds};
use crate::output::say;
use crate::place;

use hunt::Found;
use ledger::Ledger;
use list::Mutant;
use reach::Reach;
use switched::{Place, Switched};
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

/// So many are tried, and then written down.
const SOME: usize = 32;

/// A change that tests have to notice: expired frames are never dropped.
const PLANTED: [&str; 2] = [
    "src/ring/consumer/expiry.rs",
    "Consumer<R, W>::drop_expired with ()",
];

/// The tests that are asked, of those that come to what was changed: what goes through all of a connection's life.
const TESTS: &[&str] = &[
    "--lib",
    "--test=address",
    "--test=bad_input",
    "--test=bad_input_limits",
    "--test=batch",
    "--test=batch_end",
    "--test=bell",
    "--test=calls",
    "--test=codec",
    "--test=counters",
    "--test=crash",
    "--test=direct",
    "--test=end",
    "--test=exchange",
    "--test=expiring",
    "--test=follow",
    "--test=guards",
    "--test=handover",
    "--test=hidden",
    "--test=hostile",
    "--test=interrupt",
    "--test=membarrier",
    "--test=memory",
    "--test=observer",
    "--test=parks",
    "--test=place",
    "--test=poller",
    "--test=priorities",
    "--test=rest",
    "--test=resume",
    "--test=round_trip",
    "--test=schemas",
    "--test=shared",
    "--test=stream",
    "--test=tap",
    "--test=tokio",
    "--test=typed",
    "--test=upgrade",
];

/// Of a hundred changes, how many have to be noticed.
const NOTICED: usize = 95;

/// Of fewer tried ones the share says little.
const ENOUGH: usize = 200;

pub(super) fn mutants(job: &mut Job) -> Result<String, Stop> {
    if let Some(share) = job.share(PERCENT) {
        return long(job, share);
    }
    planted::are_judged_rightly(job)?;
    let Some(base) = lines::base() else {
        return Err(Stop::Skipped("no commit to compare with".to_owned()));
    };
    let changed = lines::changed(&base).map_err(|error| Stop::failed(error.to_string()))?;
    let where_ = FOLDERS.join(", ");
    if changed.is_empty() {
        return Ok(format!(
            "none tried: no line of {where_} is new since {base}"
        ));
    }
    if changed.len() > MOST_LINES {
        let count = changed.len();
        return Err(Stop::Skipped(format!(
            "{count} lines are new since {base}, too many for a minute: --long tries them"
        )));
    }
    let mut all = list(job)?;
    all.retain(|mutant| mutant.is_in(&changed));
    if all.is_empty() {
        return Ok(format!(
            "none tried: nothing to change in the new lines since {base}"
        ));
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

/// Those in new lines, and then goes on with all of them, for so long.
fn long(job: &mut Job, share: Duration) -> Result<String, Stop> {
    let mut all = list(job)?;
    all.sort_by_key(|mutant| mutant.order);
    let switched = Switched::build(job, &all, |cargo| {
        cargo.args(TESTS);
    })?;
    let reach = Reach::find(&switched)?;
    finds_what_is_planted(&switched, &reach, &all)?;
    let count = |wanted: fn(&Place) -> bool| switched.places.iter().filter(|it| wanted(it)).count();
    say!(
        "    {} changes: {} in one program, {} that are no program, {} by themselves; {} tests",
        all.len(),
        count(|place| matches!(place, Place::In { .. })),
        count(|place| *place == Place::NoProgram),
        count(|place| *place == Place::Alone),
        reach.tests.len()
    );
    let mut ledger = Ledger::read()?;
    ledger.keep(&all);
    try_again(&mut ledger, &switched, &reach, &all)?;
    // Those for which everything is built anew come last: each takes as long as a hundred others.
    let mut order: Vec<_> = (0..all.len()).collect();
    order.sort_by_key(|member| switched.places[*member] == Place::Alone);
    let last = order
        .iter()
        .position(|member| all[*member].order == ledger.last);
    order.rotate_left(last.map_or(0, |last| last + 1));
    let new = new_ones(&ledger, &all);
    let is_new = |member: &usize| new.contains(&all[*member].order);
    let (new, others): (Vec<_>, Vec<_>) = order.into_iter().partition(is_new);
    let mut run = Run {
        switched: &switched,
        reach: &reach,
        all: &all,
        ledger,
        alone: None,
        began: Instant::now(),
        share,
        tried: 0,
    };
    if run.try_some(job, &new, |_, _| ())? && !new.is_empty() {
        run.ledger.up_to = lines::head().unwrap_or(run.ledger.up_to);
        run.ledger.write()?;
    }
    run.try_some(job, &others, |ledger, order| ledger.last = order)?;
    let Run { ledger, tried, .. } = run;
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
        "{tried} tried, {} of them in new lines; {noticed} of {of} noticed in all runs, {} there are",
        new.len().min(tried),
        all.len()
    ))
}

/// Those in lines that are new since all were tried, by their order.
fn new_ones(ledger: &Ledger, all: &[Mutant]) -> HashSet<u64> {
    let base = &ledger.up_to;
    let Ok(lines) = lines::changed(base) else {
        say!("    no commit {base} here: what is new since cannot be said");
        return HashSet::new();
    };
    let new = all.iter().filter(|mutant| mutant.is_in(&lines));
    let new: HashSet<_> = new.map(|mutant| mutant.order).collect();
    say!("    {} are in lines that are new since {base}", new.len());
    new
}

/// What a long run tries, and for how long.
struct Run<'a> {
    switched: &'a Switched,
    reach: &'a Reach,
    all: &'a [Mutant],
    ledger: Ledger,
    /// Where those are built that cannot be in one program with others, once the first of them comes.
    alone: Option<Trial>,
    began: Instant,
    share: Duration,
    tried: usize,
}

impl Run<'_> {
    /// Tries `members` in their order while there is time, and has `heed` told of each. Returns whether that were all.
    fn try_some(
        &mut self,
        job: &mut Job,
        members: &[usize],
        heed: impl Fn(&mut Ledger, u64),
    ) -> Result<bool, Stop> {
        for members in members.chunks(SOME) {
            if self.began.elapsed() >= self.share {
                return Ok(false);
            }
            let some = Instant::now();
            let found = hunt::hunt(self.switched, self.reach, self.all, members);
            for (member, found) in members.iter().zip(found) {
                let mutant = &self.all[*member];
                let found = match found {
                    Some(found) => found,
                    None => by_itself(job, &mut self.alone)?.run(job, mutant)?.into(),
                };
                let number = match self.switched.places[*member] {
                    Place::In { number, .. } => format!(" ({number})"),
                    Place::NoProgram | Place::Alone => String::new(),
                };
                job.note(&format!(
                    "# {}:{} {}: {:?}{number}{}",
                    mutant.file, mutant.line, mutant.key, found.verdict, found.by
                ));
                self.ledger.add(mutant, found.verdict);
                heed(&mut self.ledger, mutant.order);
            }
            // Some by some: a run that is cut has not run in vain.
            self.ledger.write()?;
            evidence::add(CHECK, members.len() as u64, some.elapsed(), None)?;
            self.tried += members.len();
            let (noticed, of) = self.ledger.share();
            say!(
                "    {} tried in {:.0} minutes, {noticed} of {of} noticed",
                self.tried,
                self.began.elapsed().as_secs_f64() / 60.0
            );
        }
        Ok(true)
    }
}

/// Tries again what no test failed for and has no reason yet: there may be a test now.
fn try_again(
    ledger: &mut Ledger,
    switched: &Switched,
    reach: &Reach,
    all: &[Mutant],
) -> Result<(), Stop> {
    let bare = ledger.bare();
    let is_bare = |at: &usize| bare.contains(all[*at].key.as_str());
    let members: Vec<_> = (0..all.len()).filter(is_bare).collect();
    let found = hunt::hunt(switched, reach, all, &members);
    let noticed = members.iter().zip(found);
    let noticed = noticed.filter(|(_, found)| is_noticed(found.as_ref()));
    let noticed: Vec<_> = noticed.map(|(at, _)| all[*at].key.as_str()).collect();
    if !members.is_empty() {
        say!("    {} of {} are noticed now", noticed.len(), members.len());
    }
    for key in noticed {
        ledger.noticed_now(key);
    }
    ledger.write()
}

/// The one for changes that cannot be in the program with all of them, made when the first of them comes.
fn by_itself<'a>(job: &mut Job, trial: &'a mut Option<Trial>) -> Result<&'a Trial, Stop> {
    if trial.is_none() {
        *trial = Some(Trial::prepare(job, STAGES.len())?);
    }
    trial.as_ref().ok_or_else(|| Stop::failed("no trial"))
}

/// The change that has to be noticed is. What nothing has to notice shows before: each test ran without a change.
fn finds_what_is_planted(switched: &Switched, reach: &Reach, all: &[Mutant]) -> Result<(), Stop> {
    let [file, what] = PLANTED;
    let is_planted = |mutant: &Mutant| mutant.file == file && mutant.key.ends_with(what);
    let at = all.iter().position(is_planted);
    let at = at.ok_or_else(|| Stop::failed(format!("{file} has no {what}")))?;
    match &hunt::hunt(switched, reach, all, &[at])[..] {
        [found] if is_noticed(found.as_ref()) => Ok(()),
        other => Err(Stop::failed(format!("{}: {other:?}", all[at].key))),
    }
}

fn is_noticed(found: Option<&Found>) -> bool {
    found.is_some_and(|found| found.verdict == Verdict::Noticed)
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

/// What `work` makes of each, some at a time and in their order. It is told which of so many workers it is.
fn each_of<T: Sync, R: Send>(
    all: &[T],
    width: usize,
    work: impl Fn(usize, &T) -> Option<R> + Sync,
) -> Vec<Option<R>> {
    let made = Mutex::new(all.iter().map(|_| None).collect::<Vec<_>>());
    let queue = Mutex::new(all.iter().enumerate());
    thread::scope(|scope| {
        for worker in 0..width {
            let (queue, made, work) = (&queue, &made, &work);
            scope.spawn(move || {
                let next = || queue.lock().ok()?.next();
                while let Some((at, one)) = next() {
                    let result = work(worker, one);
                    if let Ok(mut made) = made.lock() {
                        made[at] = result;
                    }
                }
            });
        }
    });
    made.into_inner().unwrap_or_default()
}

/// `cargo test` of the library's package, in a copy of the sources.
fn cargo(job: &Job, tree: &Path, build: &str) -> Command {
    let mut cargo = job.cargo("test");
    cargo.args(["--profile", "mutants", "--package", "ringway"]);
    cargo
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", folder().join(build));
    cargo
}

fn folder() -> PathBuf {
    place::target().join("mutants")
}

#[cfg(test)]
mod tests {
    use super::each_of;

    #[test]
    fn each_is_worked_on_once_and_told_in_its_place() {
        let all: Vec<u32> = (0..100).collect();
        let told = each_of(&all, 3, |worker, number| {
            assert!(worker < 3);
            (number % 7 != 0).then_some(number * 2)
        });
        let expected = all.iter().map(|it| (it % 7 != 0).then_some(it * 2));
        assert_eq!(told, expected.collect::<Vec<_>>());
        assert!(each_of(&[0; 0], 3, |_, _| Some(1)).is_empty());
    }
}
