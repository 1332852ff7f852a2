//! The steps that run tests.

use std::fs;

use super::job::{Job, Stop, seconds};
use crate::place;

/// What libtest said of all its binaries together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: usize,
    ignored: usize,
}

impl Tally {
    /// Adds up the lines `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
    pub(super) fn read(printed: &str) -> Self {
        let mut tally = Self::default();
        for line in printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("test result: "))
        {
            let before = |word| {
                let (start, _) = line.split_once(word)?;
                start.rsplit(' ').next()?.parse::<usize>().ok()
            };
            tally.passed += before(" passed;").unwrap_or(0);
            tally.ignored += before(" ignored;").unwrap_or(0);
        }
        tally
    }

    /// The note of a step. A step that ran nothing has not passed.
    pub(super) fn note(&self) -> Result<String, Stop> {
        match self {
            Self { passed: 0, .. } => Err(Stop::failed("no test ran")),
            Self { passed, ignored: 0 } => Ok(format!("{passed} tests")),
            Self { passed, ignored } => Ok(format!("{passed} tests, {ignored} ignored")),
        }
    }
}

pub(super) fn tests(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = job.cargo("test");
    // `--no-fail-fast`: one broken test binary must not hide what the others say.
    cargo.args(["--workspace", "--all-targets", "--no-fail-fast"]);
    let printed = job.run(&mut cargo, seconds(900))?;
    Tally::read(&printed).note()
}

/// The builds of all other steps have no labelled steps.
pub(super) fn chaos(job: &mut Job) -> Result<String, Stop> {
    let suites: [&[&str]; 3] = [
        &["ringway", "--lib", "sys::chaos"],
        &["ringway", "--test", "killed"],
        &["ringway-cli", "--test", "chaos_steps"],
    ];
    let mut printed = String::new();
    for words in suites {
        let mut cargo = job.cargo("test");
        cargo.args(["--features", "chaos", "--package"]).args(words);
        printed += &job.run(&mut cargo, seconds(600))?;
    }
    Tally::read(&printed).note()
}

pub(super) fn doctests(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = job.cargo("test");
    // With `ringway-interop`, whose page they share, the library has `hyper` and `tonic`.
    cargo.args(["--doc", "--package", "ringway"]);
    cargo.args(["--package", "ringway-interop"]);
    let printed = job.run(&mut cargo, seconds(300))?;
    Tally::read(&printed).note()
}

/// An example is self-contained: it ends by itself, with success, within seconds.
pub(super) fn examples(job: &mut Job) -> Result<String, Stop> {
    let mut names = Vec::new();
    for folder in ["examples", "interop/examples"] {
        let some = targets(folder, "");
        if some.is_empty() {
            return Err(Stop::failed(format!("there are no examples in {folder}")));
        }
        names.extend(some);
    }
    let mut build = job.cargo("build");
    // Together, as the doctests are built: apart, each package would have a library with other features.
    build.args(["--package", "ringway", "--package", "ringway-interop"]);
    build.arg("--examples");
    job.run(&mut build, seconds(300))?;
    for name in &names {
        let built = place::target().join("debug/examples").join(name);
        job.run(&mut place::command(built), seconds(30))?;
    }
    Ok(format!("{} examples", names.len()))
}

/// Loom runs a model under every interleaving with up to so many preemptions: 3 find what is to be found
/// in models of two threads, and each one more multiplies the time.
const PREEMPTIONS: &str = "3";

pub(super) fn loom(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = job.cargo("test");
    // The models are unit tests, in `src/model`: they run the library's own, private source.
    cargo.args([
        "--profile",
        "loom",
        "--package",
        "ringway",
        "--lib",
        "model",
    ]);
    cargo
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", place::target().join("loom"));
    let more = job.long().is_some();
    if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
        cargo.env("LOOM_MAX_PREEMPTIONS", if more { "4" } else { PREEMPTIONS });
    }
    // Beside the others it gets what they leave.
    let printed = job.run(
        &mut job.manner(cargo),
        seconds(if more { 6_000 } else { 1_800 }),
    )?;
    Tally::read(&printed).note()
}

/// The targets in `directory` whose names start with `start`, as cargo finds them.
pub(super) fn targets(directory: &str, start: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(place::root().join(directory)) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_target =
                path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").is_file();
            is_target
                .then(|| path.file_stem()?.to_str().map(str::to_owned))
                .flatten()
        })
        .filter(|name| name.starts_with(start))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_are_added_up() {
        let printed = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\nx\n  test result: ok. 3 passed; 0 failed; 2 ignored;";
        let tally = Tally::read(printed);
        assert_eq!(
            tally,
            Tally {
                passed: 15,
                ignored: 3
            }
        );
        assert_eq!(tally.note().unwrap(), "15 tests, 3 ignored");
    }

    #[test]
    fn a_run_without_a_test_has_not_passed() {
        assert!(
            Tally::read("test result: ok. 0 passed; 0 failed; 0 ignored;")
                .note()
                .is_err()
        );
        assert!(Tally::read("").note().is_err());
    }
}
