//! Which changes that are in the program with all of them are noticed: each is switched on, and the tests that come to its function run until one fails.

use std::process::Command;
use std::time::{Duration, Instant};

use super::each_of;
use super::list::Mutant;
use super::reach::{Reach, Test, passes, test};
use super::switched::{Place, Switched};
use super::trial::Verdict;
use crate::process;
use crate::verify::job::seconds;

/// So many are tried at a time: many tests wait for most of their time. Fewer, where cargo is to have fewer jobs.
const WIDTH: usize = 4;

/// So much of what tests take runs in one process: behind the first that fails, the others of it run in vain.
const PART: Duration = Duration::from_millis(400);

/// Tests that take longer together than this are not all asked: the last of them take the longest.
const MOST: Duration = seconds(60);

/// Tests that take so much longer than they did hang, and have noticed; and so much more, where the machine is busy.
const SLOWER: u32 = 12;
const GRACE: Duration = seconds(8);

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) verdict: Verdict,
    /// Who noticed, for the log.
    pub(super) by: String,
}

impl From<Verdict> for Found {
    fn from(verdict: Verdict) -> Self {
        let by = String::new();
        Self { verdict, by }
    }
}

/// What became of some of all changes, in the order in which these are named. `None`: it is not in the program.
pub(super) fn hunt(
    switched: &Switched,
    reach: &Reach,
    all: &[Mutant],
    members: &[usize],
) -> Vec<Option<Found>> {
    each_of(members, width(), |_, member| {
        one(switched, reach, &all[*member], switched.places[*member])
    })
}

fn width() -> usize {
    let jobs = std::env::var("CARGO_BUILD_JOBS").ok();
    let jobs = jobs.and_then(|text| text.parse().ok());
    jobs.map_or(WIDTH, |jobs: usize| jobs.clamp(1, WIDTH))
}

fn one(switched: &Switched, reach: &Reach, mutant: &Mutant, place: Place) -> Option<Found> {
    let (number, first) = match place {
        Place::In { number, first } => (number, first),
        Place::NoProgram => return Some(Verdict::NoProgram.into()),
        Place::Alone => return None,
    };
    for part in parts(&reach.of(first, mutant)) {
        let names: Vec<_> = part.iter().map(|test| test.name.as_str()).collect();
        let mut command = test(&switched.binaries[part[0].binary], &names);
        command.env("RINGWAY_MUTANT", number.to_string());
        let took = part.iter().map(|test| test.took).sum::<Duration>();
        let (limit, began) = (took * SLOWER + GRACE, Instant::now());
        if !passes(&mut bounded(&command), limit) {
            let how = if began.elapsed() >= limit {
                "a hang"
            } else {
                "a failure"
            };
            let verdict = Verdict::Noticed;
            let by = format!(" by {how} of {}", names.join(" "));
            return Some(Found { verdict, by });
        }
    }
    Some(Verdict::Survived.into())
}

/// One after the other, as far as they are of one binary and take no longer than [`PART`] together.
fn parts<'a>(tests: &[&'a Test]) -> Vec<Vec<&'a Test>> {
    let mut parts: Vec<Vec<&Test>> = Vec::new();
    let (mut all, mut took) = (Duration::ZERO, Duration::ZERO);
    for test in tests {
        all += test.took;
        if all > MOST {
            break;
        }
        match parts.last_mut() {
            Some(part) if part[0].binary == test.binary && took + test.took <= PART => {
                part.push(test);
                took += test.took;
            }
            _ => {
                parts.push(vec![test]);
                took = test.took;
            }
        }
    }
    parts
}

/// With a bound for its memory: a change may ask for all there is.
fn bounded(command: &Command) -> Command {
    let script = "ulimit -v 16000000; exec \"$@\"";
    process::behind(&["sh", "-c", script, "sh"], command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_run_together_as_far_as_they_are_short_and_of_one_binary() {
        let test = |binary, millis| Test::taking(binary, Duration::from_millis(millis));
        let tests = [
            test(0, 100),
            test(0, 200),
            test(0, 200),
            test(1, 10),
            test(0, 10),
            test(0, 59_000),
            test(0, 1000),
        ];
        let parts = parts(&tests.iter().collect::<Vec<_>>());
        let lengths: Vec<_> = parts.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 1, 1, 1, 1], "the last one is too much");
    }

    #[test]
    fn who_asks_for_all_memory_gets_none() {
        let mut command = Command::new("sh");
        command.args(["-c", "test $(ulimit -v) = 16000000 && test \"$A\" = b"]);
        command.env("A", "b");
        assert!(bounded(&command).status().unwrap().success());
    }
}
