//! Which tests come to which functions, and how long each of them takes: each runs once by itself.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use super::folder;
use super::switched::Switched;
use crate::output::say;
use crate::process::{self, End};
use crate::verify::binaries::Binary;
use crate::verify::job::{Stop, seconds};

/// So many tests run at a time.
const WIDTH: usize = 2;

/// A test that takes longer is not asked: each change in what it comes to would wait for it.
const LONGEST: Duration = seconds(4);

/// Property tests try so many cases: a change that shows is seen in few. What repeats things by a number has a small one.
const FEW: [(&str, &str); 5] = [
    ("PROPTEST_CASES", "32"),
    ("RINGWAY_KILLS", "80"),
    ("RINGWAY_FRAMES", "20000"),
    ("RINGWAY_PARKS", "2000"),
    ("RINGWAY_LIES", "100000"),
];

/// One test.
#[derive(Debug, Clone)]
pub(super) struct Test {
    /// The place of its binary.
    pub(super) binary: usize,
    pub(super) name: String,
    pub(super) took: Duration,
}

/// All tests, and which of them come to each function, by the number of its first change.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) tests: Vec<Test>,
    by_function: BTreeMap<u32, Vec<usize>>,
}

impl Reach {
    /// Runs every test of every binary.
    pub(super) fn find(switched: &Switched) -> Result<Self, Stop> {
        let mut names = Vec::new();
        for (at, binary) in switched.binaries.iter().enumerate() {
            names.extend(listed(binary)?.into_iter().map(|name| (at, name)));
        }
        say!("    {} tests show what they come to", names.len());
        let queue = Mutex::new(names.into_iter());
        let found = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for worker in 0..WIDTH {
                let (queue, found) = (&queue, &found);
                scope.spawn(move || {
                    let next = || queue.lock().ok()?.next();
                    while let Some((at, name)) = next() {
                        let shown = shown(switched, at, &name, worker);
                        if let (Some((took, functions)), Ok(mut found)) = (shown, found.lock()) {
                            let binary = at;
                            found.push((Test { binary, name, took }, functions));
                        }
                    }
                });
            }
        });
        let found = found.into_inner().unwrap_or_default();
        let mut reach = Self {
            tests: Vec::new(),
            by_function: BTreeMap::new(),
        };
        for (test, functions) in found {
            for first in functions {
                let tests = reach.by_function.entry(first).or_default();
                tests.push(reach.tests.len());
            }
            reach.tests.push(test);
        }
        Ok(reach)
    }

    /// The tests that come to the function, those first that are about its file, and then those that take the least time.
    pub(super) fn of(&self, first: u32, file: &str) -> Vec<&Test> {
        let module = file.trim_start_matches("src/").trim_end_matches(".rs");
        let module = module.trim_end_matches("/mod").replace('/', "::");
        let tests = self.by_function.get(&first).into_iter().flatten();
        let mut tests: Vec<_> = tests.map(|at| &self.tests[*at]).collect();
        tests.sort_by_key(|test| (!test.name.starts_with(&module), test.took));
        tests
    }
}

/// The names of a binary's tests.
fn listed(binary: &Binary) -> Result<Vec<String>, Stop> {
    let output = binary.command().arg("--list").output();
    let output = output.map_err(|error| Stop::failed(format!("{}: {error}", binary.name())))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = printed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    // They take minutes or the whole machine.
    let wanted = |name: &&str| !["racing", "storm"].iter().any(|part| name.contains(part));
    Ok(names.filter(wanted).map(str::to_owned).collect())
}

/// How long a test takes, and the functions that it comes to. Nothing of one that does not pass in time.
fn shown(
    switched: &Switched,
    at: usize,
    name: &str,
    worker: usize,
) -> Option<(Duration, Vec<u32>)> {
    let notes = folder().join(format!("notes-{worker}"));
    fs::write(&notes, vec![0; switched.numbers()]).ok()?;
    let mut command = test(&switched.binaries[at], &[name]);
    command.env("RINGWAY_NOTES", &notes);
    let began = Instant::now();
    // With the time to start it and to see that it has ended.
    let end = process::run(&mut command, LONGEST + seconds(1), || ()).ok()?;
    let took = began.elapsed();
    if !matches!(end, End::Exit(status, 0) if status.success()) || took > LONGEST {
        return None;
    }
    let noted = fs::read(&notes).ok()?;
    let numbers = (0_u32..).zip(noted).filter(|(_, noted)| *noted != 0);
    Some((took, numbers.map(|(number, _)| number).collect()))
}

/// Runs these tests of a binary and no others.
pub(super) fn test(binary: &Binary, names: &[&str]) -> std::process::Command {
    let mut command = binary.command();
    command.args(names).args(["--exact", "--test-threads=2"]);
    command
        .envs(FEW)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
