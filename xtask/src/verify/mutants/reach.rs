//! Which tests come to which functions, and how long each of them takes: each runs once by itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::list::Mutant;
use super::switched::Switched;
use super::{each_of, folder};
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
    /// Its binary's name with its own.
    about: String,
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
        let found = each_of(&names, WIDTH, |worker, (binary, name)| {
            let (took, functions) = shown(switched, *binary, name, worker)?;
            let about = format!("{} {name}", switched.binaries[*binary].target);
            let test = Test {
                binary: *binary,
                name: name.clone(),
                about,
                took,
            };
            Some((test, functions))
        });
        let mut reach = Self {
            tests: Vec::new(),
            by_function: BTreeMap::new(),
        };
        for (test, functions) in found.into_iter().flatten() {
            for first in functions {
                let tests = reach.by_function.entry(first).or_default();
                tests.push(reach.tests.len());
            }
            reach.tests.push(test);
        }
        Ok(reach)
    }

    /// The tests that come to the function of a change, in the order in which they are asked: those of its module, then those that have the most words of its name, and of those the quick
    /// ones. Hundreds come to what every connection does.
    pub(super) fn of(&self, first: u32, mutant: &Mutant) -> Vec<&Test> {
        let module = mutant
            .file
            .trim_start_matches("src/")
            .trim_end_matches(".rs");
        let module = module.trim_end_matches("/mod").replace('/', "::");
        let about = stems(&mutant.key);
        let rank = |test: &Test| {
            let shared = stems(&test.about).intersection(&about).count();
            (!test.name.starts_with(&module), Reverse(shared), test.took)
        };
        let tests = self.by_function.get(&first).into_iter().flatten();
        let mut tests: Vec<_> = tests.map(|at| &self.tests[*at]).collect();
        tests.sort_by_cached_key(|test| rank(test));
        tests
    }
}

/// The beginnings of the words of a name: `interrupt` and `Interrupter` are about the same.
fn stems(name: &str) -> BTreeSet<String> {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words = words.filter(|word| word.len() > 3 && *word != "connection");
    words
        .map(|word| word.chars().take(5).collect::<String>().to_lowercase())
        .collect()
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
    let passed = passes(&mut command, LONGEST + seconds(1));
    let took = began.elapsed();
    if !passed || took > LONGEST {
        return None;
    }
    let noted = fs::read(&notes).ok()?;
    let numbers = (0_u32..).zip(noted).filter(|(_, noted)| *noted != 0);
    Some((took, numbers.map(|(number, _)| number).collect()))
}

/// Runs these tests of a binary and no others.
pub(super) fn test(binary: &Binary, names: &[&str]) -> Command {
    let mut command = binary.command();
    command.args(names).args(["--exact", "--test-threads=2"]);
    command.envs(FEW);
    command
}

/// Whether it ends by itself in time, with success, and leaves nobody behind. Nobody reads what it says.
pub(super) fn passes(command: &mut Command, limit: Duration) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let end = process::run(command, limit, || ());
    matches!(end, Ok(End::Exit(status, 0)) if status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Test {
        /// One without a name.
        pub(in super::super) fn taking(binary: usize, took: Duration) -> Self {
            Self {
                binary,
                name: String::new(),
                about: String::new(),
                took,
            }
        }
    }

    #[test]
    fn tests_of_the_module_and_of_the_same_name_are_asked_first() {
        let test = |name: &str, about: &str, millis| Test {
            name: name.to_owned(),
            about: format!("{about} {name}"),
            ..Test::taking(0, Duration::from_millis(millis))
        };
        let reach = Reach {
            tests: vec![
                test("others", "round_trip", 1),
                test("an_interrupter_ends_a_wait", "interrupt", 900),
                test("others", "rest", 2),
                test("connection::rest::interrupter::tests::a", "ringway", 2000),
                test("not_come_to", "interrupt", 1),
            ],
            by_function: BTreeMap::from([(7, vec![0, 1, 2, 3])]),
        };
        let mutant = Mutant::named(
            "src/connection/rest/interrupter.rs: delete ! in Interruption::wait",
            1,
        );
        let took: Vec<_> = reach
            .of(7, &mutant)
            .iter()
            .map(|test| test.took.as_millis())
            .collect();
        assert_eq!(took, [2000, 900, 2, 1]);
        assert!(reach.of(8, &mutant).is_empty());
    }
}
