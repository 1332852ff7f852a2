//! `cargo verify`: everything that continuous integration checks, one step after the other; some run beside the others all the time.
//!
//! Deliberately absent: state. A step is a function that starts processes; what they print goes to a log of its own
//! under the target directory, and is shown while it runs (CI, `--verbose`) or when the step fails (a person).

mod beside;
mod binaries;
mod blame;
mod c;
mod coverage;
mod evidence;
mod fuzz;
mod job;
mod languages;
mod late;
mod log;
mod mutants;
mod options;
mod planted;
mod python;
mod sanitizers;
mod schedules;
mod several;
mod soak;
mod steps;
mod suite;
mod supply;
mod whole;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use coverage::compile;
pub(crate) use options::Options;

use beside::Beside;
use job::{Job, Stop};

use crate::output::say;

/// One step: its name on the command line, what it checks, and how.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Job) -> Result<String, Stop>,
    /// Whether it may run while others do: it has a build directory of its own, and nothing in it depends on how long anything takes.
    beside: bool,
}

/// How a step ended, with what there is to say about it.
enum Outcome {
    Passed(String),
    Failed(String),
    Skipped(String),
}

impl Outcome {
    /// A missing tool is a skip for a person, who is told how to get it, and a failure in CI, where nobody would read that.
    fn of(result: Result<String, Stop>, ci: bool) -> Self {
        match result {
            Ok(note) => Self::Passed(note),
            Err(Stop::Failed(why)) => Self::Failed(why),
            Err(Stop::Skipped(why)) => Self::Skipped(why),
            Err(Stop::Missing { what, install }) if ci => {
                Self::Failed(format!("{what} is missing: {install}"))
            }
            Err(Stop::Missing { what, install }) => {
                Self::Skipped(format!("{what} is missing; to install: {install}"))
            }
        }
    }

    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Passed(note) => ("passed", note),
            Self::Failed(why) => ("FAILED", why),
            Self::Skipped(why) => ("skipped", why),
        }
    }
}

/// Runs the chosen steps. `Ok(false)`: at least one failed.
pub(crate) fn run(options: &Options) -> Result<bool, String> {
    if options.list {
        for step in steps::ALL {
            say!("{:<10} {}", step.name, step.about);
        }
        for part in options::parts() {
            say!("{part}");
        }
        return Ok(true);
    }
    let began = Instant::now();
    let mut spent = Duration::ZERO;
    let mut table = Vec::new();
    let chosen = options.choose(steps::ALL)?;
    // Beside others, if there are others.
    let beside = chosen.iter().filter(|step| step.beside && chosen.len() > 1);
    let berths = Arc::default();
    let mut beside: Vec<_> = beside
        .enumerate()
        .map(|(number, step)| Beside::start(step, options, number, &berths))
        .collect::<Result<_, _>>()?;
    for step in chosen {
        say!("=== {}: {}", step.name, step.about);
        let under_way = beside.iter().position(|other| other.is(step));
        let (mut job, outcome, took) = if let Some(other) = under_way {
            say!("(runs since the start, beside the others)");
            beside.remove(other).end()
        } else {
            let began = Instant::now();
            let mut job = Job::new(step.name, options)?;
            let outcome = Outcome::of((step.run)(&mut job), options.ci);
            (job, outcome, began.elapsed())
        };
        spent += job.spent();
        job.close(matches!(outcome, Outcome::Failed(_)));
        let line = row(step.name, &outcome, took, job.spent());
        say!("--- {line}");
        table.push((line, outcome));
    }
    binaries::clean();
    say!("\n=== summary: the time, and the processor time, of each step");
    // What failed stands last: of a long log often only the end is shown.
    table.sort_by_key(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
    for (line, _) in &table {
        say!("{line}");
    }
    let (took, spent) = (began.elapsed().as_secs_f64(), spent.as_secs_f64());
    say!("all {took:>22.1} s {spent:>7.1} s");
    let count = |wanted: &str| {
        table
            .iter()
            .filter(|(_, outcome)| outcome.parts().0 == wanted)
            .count()
    };
    let failed = count("FAILED");
    // Read by machines: this exact form, alone on the last line.
    say!(
        "{} passed, {failed} failed, {} skipped",
        count("passed"),
        count("skipped")
    );
    Ok(failed == 0)
}

/// `took`: by the clock. `spent`: of the processors, whatever else they had to do meanwhile.
fn row(name: &str, outcome: &Outcome, took: Duration, spent: Duration) -> String {
    let (word, note) = outcome.parts();
    let (took, spent) = (took.as_secs_f64(), spent.as_secs_f64());
    format!("{name:<10} {word:<8} {took:>6.1} s {spent:>7.1} s  {note}")
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_a_skip_for_a_person_and_a_failure_in_ci() {
        let missing = || {
            Err(Stop::Missing {
                what: "tool".into(),
                install: "get it".into(),
            })
        };
        assert!(
            matches!(Outcome::of(missing(), false), Outcome::Skipped(why) if why.contains("get it"))
        );
        assert!(
            matches!(Outcome::of(missing(), true), Outcome::Failed(why) if why.contains("get it"))
        );
    }

    #[test]
    fn a_row_has_the_name_the_outcome_and_the_time() {
        let line = row(
            "fmt",
            &Outcome::Passed(String::new()),
            Duration::from_millis(1_240),
            Duration::from_millis(2_150),
        );
        assert_eq!(line, "fmt        passed      1.2 s     2.1 s");
    }
}
