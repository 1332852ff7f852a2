//! One change, tried: in a copy of the sources, built with the profile `mutants`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::folder;
use super::list::Mutant;
use crate::place;
use crate::verify::job::{Job, Stop, seconds};

/// The tests that a change has to get by, in the order in which they are asked: what is built and run in seconds first. The words are for `cargo test`, those behind
/// `--` for the tests.
pub(super) const STAGES: [&[&str]; 4] = [
    &[
        "--lib",
        "--",
        "layout::",
        "ring::",
        "wake::",
        "connection::",
        "fuzz::",
        "poller::",
    ],
    &[
        "--test=round_trip",
        "--test=direct",
        "--test=end",
        "--test=address",
        "--test=rest",
    ],
    &[
        "--test=observer",
        "--test=priorities",
        "--test=schemas",
        "--test=tap",
        "--test=shared",
        "--test=guards",
        "--test=counters",
        "--test=follow",
    ],
    &[
        "--test=resume",
        "--test=bad_input",
        "--test=hostile",
        "--",
        "--skip=racing",
        "--skip=storm",
    ],
];

/// Property tests try so many cases: a change that shows is seen in few.
const CASES: &str = "32";

/// After so many seconds a test hangs, and has noticed. On an idle machine the slowest stage takes a fraction of that.
const HANGS: u64 = 90;

/// Without a change none is to hang, however busy the machine is: what is slow then is no fault.
const PATIENCE: u64 = 900;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A test failed or hung.
    Noticed,
    /// None did.
    Survived,
    /// It does not compile.
    NoProgram,
}

pub(super) struct Trial {
    tree: PathBuf,
    /// Where it is built.
    build: &'static str,
    stages: &'static [&'static [&'static str]],
}

impl Trial {
    /// Copies the sources, and finds that the tests of so many stages pass here: with tests that fail anyway every change would be noticed.
    pub(super) fn prepare(job: &mut Job, stages: usize) -> Result<Self, Stop> {
        let trial = Self::of(folder().join("tree"), "build", &STAGES);
        copy(&trial.tree)
            .map_err(|error| Stop::failed(format!("the copy of the sources: {error}")))?;
        trial.passes(job, stages)?;
        Ok(trial)
    }

    /// One in sources that are there.
    pub(super) fn of(
        tree: PathBuf,
        build: &'static str,
        stages: &'static [&'static [&'static str]],
    ) -> Self {
        Self {
            tree,
            build,
            stages,
        }
    }

    /// Without a change, so many stages have to.
    pub(super) fn passes(&self, job: &mut Job, stages: usize) -> Result<(), Stop> {
        match self.ask(job, &self.stages[..stages], PATIENCE)? {
            Verdict::Survived => Ok(()),
            other => Err(Stop::failed(format!("without a change: {other:?}"))),
        }
    }

    pub(super) fn run(&self, job: &mut Job, mutant: &Mutant) -> Result<Verdict, Stop> {
        job.note(&format!("# {}:{} {}", mutant.file, mutant.line, mutant.key));
        let unwritable = |error: io::Error| Stop::failed(format!("{}: {error}", mutant.file));
        let path = self.tree.join(&mutant.file);
        let text = fs::read_to_string(&path).map_err(unwritable)?;
        let changed = mutant.apply(&text);
        let changed = changed.ok_or_else(|| {
            Stop::failed(format!("{} has no such lines: {}", mutant.file, mutant.key))
        })?;
        fs::write(&path, changed).map_err(unwritable)?;
        let verdict = self.ask(job, self.stages, HANGS);
        fs::write(&path, text).map_err(unwritable)?;
        if let Ok(verdict) = verdict {
            job.note(&format!("# {verdict:?}"));
        }
        verdict
    }

    /// Builds and runs one stage after the other, each for so many seconds at most, until one fails.
    fn ask(&self, job: &mut Job, stages: &[&[&str]], limit: u64) -> Result<Verdict, Stop> {
        for stage in stages {
            let targets = stage.split(|word| *word == "--").next().unwrap_or_default();
            let mut build = self.cargo(job);
            build.arg("--no-run").args(targets);
            let (_, status) = job.try_run(&mut build, seconds(1_200))?;
            if !status.success() {
                return Ok(Verdict::NoProgram);
            }
            let mut test = self.cargo(job);
            test.args(*stage);
            match job.try_run(&mut test, seconds(limit)) {
                Ok((_, status)) if status.success() => {}
                Ok(_) => return Ok(Verdict::Noticed),
                Err(Stop::Failed(why)) if hung(&why) => return Ok(Verdict::Noticed),
                Err(stop) => return Err(stop),
            }
        }
        Ok(Verdict::Survived)
    }

    fn cargo(&self, job: &Job) -> Command {
        let mut cargo = super::cargo(job, &self.tree, self.build);
        cargo
            .env("CARGO_INCREMENTAL", "1")
            .env("PROPTEST_CASES", CASES);
        cargo
    }
}

/// Copies the sources to `tree`. Files that are the same stay untouched, so that cargo builds as little as there is to build.
pub(super) fn copy(tree: &Path) -> io::Result<()> {
    let names = place::git(&[
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])?;
    let names: HashSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    for name in &names {
        let Ok(new) = fs::read(place::root().join(name)) else {
            // Removed, and not yet for git.
            let _ = fs::remove_file(tree.join(name));
            continue;
        };
        let path = tree.join(name);
        if fs::read(&path).is_ok_and(|old| old == new) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, new)?;
    }
    sweep(tree, tree, &names)
}

/// Removes what a copy of before has and this one has not: a test that was moved would be there twice.
fn sweep(tree: &Path, folder: &Path, names: &HashSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = path.strip_prefix(tree).ok().and_then(Path::to_str);
        if entry.file_type()?.is_dir() {
            sweep(tree, &path, names)?;
        } else if !name.is_some_and(|name| names.contains(name)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether a test was ended because it hung, or left processes behind.
fn hung(why: &str) -> bool {
    why.contains("was stopped after") || why.contains("processes running")
}

#[cfg(test)]
mod tests {
    use super::super::TESTS;
    use super::*;

    #[test]
    fn what_is_not_copied_any_more_is_removed() {
        let tree = std::env::temp_dir().join(format!("ringway-swept-{}", std::process::id()));
        fs::create_dir_all(tree.join("tests/moved")).unwrap();
        for name in ["tests/moved.rs", "tests/moved/main.rs", "kept.rs"] {
            fs::write(tree.join(name), name).unwrap();
        }
        let names = HashSet::from(["tests/moved/main.rs", "kept.rs"]);
        sweep(&tree, &tree, &names).unwrap();
        let is_there = |name: &str| tree.join(name).exists();
        assert!(is_there("tests/moved/main.rs") && is_there("kept.rs"));
        assert!(!is_there("tests/moved.rs"));
        fs::remove_dir_all(tree).unwrap();
    }

    #[test]
    fn the_tests_that_are_named_are_there() {
        for word in STAGES.iter().copied().flatten().chain(TESTS) {
            let Some(name) = word.strip_prefix("--test=") else {
                continue;
            };
            let path = place::root().join("tests").join(name);
            assert!(
                path.with_extension("rs").is_file() || path.join("main.rs").is_file(),
                "{name}"
            );
        }
    }

    #[test]
    fn who_hangs_is_told_from_who_cannot_be_started() {
        assert!(hung("`cargo test` was stopped after 40 s"));
        assert!(hung(
            "`cargo test` ended with exit status: 0 and left 2 processes running"
        ));
        assert!(!hung("cannot start cargo: no such file"));
    }
}
