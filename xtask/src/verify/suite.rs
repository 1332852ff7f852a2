//! The steps that run tests.

use std::collections::BTreeSet;
use std::fs;

use super::binaries;
use super::job::{Job, Stop, seconds};
use super::late;
use super::whole;
use crate::place;

/// What libtest said of all its binaries together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: usize,
    ignored: usize,
    /// What tests say that they could not try on this machine, each in its own words.
    untried: BTreeSet<String>,
}

/// With what a test begins that says so.
const UNTRIED: [&str; 3] = ["SKIPPED: ", "skipped: ", "not run: "];

impl Tally {
    /// Adds up the lines `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
    pub(super) fn read(printed: &str) -> Self {
        let mut tally = Self::default();
        tally.add(printed);
        tally
    }

    pub(super) fn add(&mut self, printed: &str) {
        for line in printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("test result: "))
        {
            let before = |word| {
                let (start, _) = line.split_once(word)?;
                start.rsplit(' ').next()?.parse::<usize>().ok()
            };
            self.passed += before(" passed;").unwrap_or(0);
            self.ignored += before(" ignored;").unwrap_or(0);
        }
        for line in printed.lines() {
            let begins = |words: &&str| line.find(words).map(|at| &line[at + words.len()..]);
            let why = UNTRIED.iter().find_map(begins);
            self.untried.extend(why.map(str::to_owned));
        }
    }

    /// The note of a step. A step that ran nothing has not passed.
    pub(super) fn note(&self) -> Result<String, Stop> {
        if self.passed == 0 {
            return Err(Stop::failed("no test ran"));
        }
        let parts = [
            (self.passed, "tests"),
            (self.ignored, "ignored"),
            (self.untried.len(), "things could not be tried here"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        Ok(parts.join(", "))
    }
}

/// So many test binaries run at once: most of what they do is to wait for each other's processes.
pub(super) const WIDTH: usize = 2;

/// They take longest: whatever begins late ends late.
const FIRST: &[&str] = &[
    "failing", "crash", "bench", "soak", "steps", "hostile", "errors", "poller",
];

/// They measure what others would change: how often a process sleeps and asks the kernel, and the memory of a control group.
const ALONE: &[&str] = &["calls", "memory", "parks"];

/// Those that take a build with labelled steps, which [`chaos`] makes: in this one they are not there, or have no tests.
const ELSEWHERE: &[&str] = &["chaos_steps", "killed"];

/// Those that are for x86-64 and the GNU C library.
const OF_X86: &[&str] = &["calls", "failing", "steps"];

pub(super) fn tests(job: &mut Job) -> Result<String, Stop> {
    let mut binaries = binaries::build(job, whole::all(job))?;
    // Whatever is not understood of what cargo says must not pass by not running.
    let folders = [
        ("ringway", "tests"),
        ("ringway-cli", "cli/tests"),
        ("ringway-derive-errors", "derive/errors/tests"),
        ("ringway-ffi", "ffi/tests"),
        ("ringway-interop", "interop/tests"),
        ("xtask", "xtask/tests"),
        ("ringway-benches", "benches"),
    ];
    for (package, folder) in folders {
        for target in targets(folder, "") {
            let is_built = binaries.iter().any(|binary| binary.is(package, &target));
            if !is_built && !ELSEWHERE.contains(&target.as_str()) {
                return Err(Stop::failed(format!("{folder}/{target} was not built")));
            }
        }
    }
    binaries.sort_by_key(|binary| {
        let first = FIRST.iter().position(|first| *first == binary.target);
        first.unwrap_or(FIRST.len())
    });
    let tasks = binaries.iter().map(|binary| {
        let mut task = binary.task(seconds(900));
        if binary.is_of_libtest() {
            // What passes says what it could not try.
            task.command.arg("--show-output");
        }
        task.alone = ALONE.contains(&binary.target.as_str());
        task
    });
    let mut tally = Tally::default();
    let all = binaries::each(job, tasks.collect(), WIDTH)?;
    for (binary, printed) in binaries.iter().zip(&all) {
        if binary.is_of_tests() && is_hollow(&binary.target, printed) {
            return Err(Stop::failed(format!("{} has no test", binary.name())));
        }
        tally.add(printed);
    }
    tally.note()
}

/// Whether a file of tests has none: a condition that does not hold leaves one empty, and it would pass.
fn is_hollow(target: &str, printed: &str) -> bool {
    let is_elsewhere = ELSEWHERE.contains(&target)
        || (!cfg!(all(target_arch = "x86_64", target_env = "gnu")) && OF_X86.contains(&target));
    !is_elsewhere && Tally::read(printed).note().is_err()
}

/// The builds of all other steps have no labelled steps.
pub(super) fn chaos(job: &mut Job) -> Result<String, Stop> {
    let suites = [("ringway", "killed"), ("ringway-cli", "chaos_steps")];
    // One build for all of them, and of the workspace: what it depends on is there already.
    let mut cargo = whole::linted(job, "test");
    cargo.args([
        "--workspace",
        "--features",
        "ringway/chaos,ringway-cli/chaos",
    ]);
    cargo.args(["--test", "killed", "--test", "chaos_steps"]);
    let binaries = binaries::build(job, cargo)?;
    let mut tasks = Vec::new();
    for (package, target) in suites {
        let found = binaries.iter().find(|binary| binary.is(package, target));
        let found = found.ok_or_else(|| Stop::failed(format!("{target} was not built")))?;
        tasks.push(found.task(seconds(600)));
    }
    let mut tally = Tally::default();
    for ran in binaries::each(job, tasks, WIDTH)? {
        // One whose tests are not found must not hide behind the others.
        Tally::read(&ran).note()?;
        tally.add(&ran);
    }
    tally.note()
}

pub(super) fn doctests(job: &mut Job) -> Result<String, Stop> {
    let mut cargo = whole::linted(job, "test");
    // Of the workspace: the library is there already, with the features that its commands and tests have.
    cargo.args(["--doc", "--workspace"]);
    let printed = job.run(&mut cargo, seconds(300))?;
    Tally::read(&printed).note()
}

/// An example is self-contained: it ends by itself, with success, within seconds; on a busy host within half a minute, and the limit is for one that hangs.
pub(super) fn examples(job: &mut Job) -> Result<String, Stop> {
    let mut names = Vec::new();
    for folder in ["examples", "interop/examples"] {
        let some = targets(folder, "");
        if some.is_empty() {
            return Err(Stop::failed(format!("there are no examples in {folder}")));
        }
        names.extend(some);
    }
    whole::programs(job)?;
    let mut late = 0;
    for name in &names {
        let program = place::target().join("debug/examples").join(name);
        late += late::run(job, seconds(300), || place::command(&program))?.late;
    }
    Ok(format!("{} examples{}", names.len(), late::told(late)))
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
        "--no-default-features",
        "model",
    ]);
    cargo
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", place::target().join("loom"));
    let more = job.long().is_some();
    cargo.env("LOOM_MAX_PREEMPTIONS", if more { "4" } else { PREEMPTIONS });
    // Beside the others it gets what they leave.
    let printed = job.run(
        &mut job.manner(cargo),
        seconds(if more { 6_000 } else { 3_600 }),
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
                ignored: 3,
                untried: BTreeSet::new(),
            }
        );
        assert_eq!(tally.note().unwrap(), "15 tests, 3 ignored");
    }

    #[test]
    fn what_could_not_be_tried_is_counted_once() {
        let printed = "test a ... SKIPPED: no namespaces\nskipped: no namespaces\nnot run: no ptrace\n9 skipped\ntest result: ok. 2 passed; 0 failed; 0 ignored;";
        let note = Tally::read(printed).note().unwrap();
        assert_eq!(note, "2 tests, 2 things could not be tried here");
    }

    #[test]
    fn a_file_without_a_test_is_told_from_one_that_is_run_elsewhere() {
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored;";
        assert!(is_hollow("tap", none) && !is_hollow("killed", none));
        assert!(!is_hollow("tap", &none.replace("0 passed", "1 passed")));
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
