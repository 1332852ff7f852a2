//! How fast, beside a pipe and a Unix socket: a few rows of `ringway bench`, measured in one run, side by side.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use crate::output::{draw, say};
use crate::place;
use crate::process::{self, End};

/// `ringway bench --quick` promises to end within 60 s for all of its rows, and these are a third of them.
const LIMIT: Duration = Duration::from_secs(70);

/// Rows of the benchmark that do the same work by different means; ours is the first.
struct Contest {
    what: &'static str,
    /// Who, and the row's name and size.
    rows: &'static [(&'static str, &'static str, u64)],
}

const CONTESTS: &[Contest] = &[
    Contest {
        what: "Round trip of 64 bytes",
        rows: &[
            ("Ringway", "round-trip", 64),
            ("pipe", "pipe", 64),
            ("Unix socket", "unix", 64),
        ],
    },
    Contest {
        what: "Messages of 64 bytes, one after the other",
        rows: &[
            ("Ringway", "stream", 64),
            ("Unix socket", "unix-stream", 64),
        ],
    },
    Contest {
        what: "Messages of 64 KiB, one after the other",
        rows: &[
            ("Ringway", "stream-large", 65_536),
            ("pipe", "pipe-stream", 65_536),
            ("Unix socket", "unix-stream", 65_536),
        ],
    },
];

/// How often a comparison is measured before this machine counts as too busy for it.
const ATTEMPTS: usize = 3;

/// What a row without a value says when its rounds could not be compared, which is nobody's fault but the machine's.
const GAVE_UP: &str = "gave up";

/// Measures and prints. `Ok(false)`: the benchmark itself failed, and it was said how. A machine that is too busy to compare is no
/// failure: it says nothing about Ringway.
pub(super) fn run(ringway: &Path, directory: &Path) -> Result<bool, String> {
    let mut results = vec![String::new(); CONTESTS.len()];
    for attempt in 0..ATTEMPTS {
        // A whole comparison again, not one row of it: its rows are only worth comparing when they ran side by side.
        let (contests, wanted): (Vec<&Contest>, Vec<&mut String>) = CONTESTS
            .iter()
            .zip(&mut results)
            .filter(|(contest, printed)| attempt == 0 || contest.is_undecided(printed))
            .unzip();
        if contests.is_empty() {
            break;
        }
        if attempt > 0 {
            say!("  Other programs use the processors: some rows have no value, measuring again.");
        }
        let Some(printed) = measure(ringway, directory, &contests)? else {
            return Ok(false);
        };
        for result in wanted {
            result.clone_from(&printed);
        }
    }
    let mut complete = true;
    for (contest, printed) in CONTESTS.iter().zip(&results) {
        complete &= show(contest, printed);
    }
    if !complete {
        say!(
            "Not everything could be compared. Where a row gave up, this machine was too busy: other programs use the processors. What counts"
        );
        say!(
            "is that the files above arrived as they were sent; for the comparison, try again when the machine is quiet.\n"
        );
    }
    Ok(true)
}

/// Runs the benchmark for the rows of some contests and returns what it printed; `None` if it failed.
fn measure(
    ringway: &Path,
    directory: &Path,
    contests: &[&Contest],
) -> Result<Option<String>, String> {
    let results = directory.join("bench.json");
    let file = File::create(&results).map_err(|error| error.to_string())?;
    let mut command = place::command(ringway);
    command
        .args(["bench", "--quick", "--json"])
        .env("RINGWAY_DIR", directory)
        .stdout(file);
    let rows = || contests.iter().flat_map(|contest| contest.rows);
    command.args(rows().map(|(_, name, size)| format!("{name}:{size}")));
    let printed = || fs::read_to_string(&results).unwrap_or_default();
    let ended = process::run(&mut command, LIMIT, || {
        if io::stdout().is_terminal() {
            draw!(
                "\r  measured {} of {} rows",
                printed().lines().count(),
                rows().count()
            );
        }
    });
    if io::stdout().is_terminal() {
        draw!("\r{:40}\r", "");
    }
    match ended {
        Ok(End::Exit(status, 0)) if status.success() => {}
        Ok(End::Exit(status, left)) => {
            say!("`ringway bench` ended with {status}, {left} processes left behind");
            return Ok(None);
        }
        // What it has printed until then is as good as ever.
        Ok(End::Overstayed) => say!("`ringway bench` was stopped after {} s", LIMIT.as_secs()),
        Err(error) => return Err(error.to_string()),
    }
    Ok(Some(printed()))
}

impl Contest {
    /// Whether a row could not be measured because the machine was busy.
    fn is_undecided(&self, printed: &str) -> bool {
        self.rows.iter().any(|(_, name, size)| {
            value(printed, name, *size).is_none() && note(printed, name, *size).starts_with(GAVE_UP)
        })
    }
}

/// Prints one contest; says whether it had all of its rows.
fn show(contest: &Contest, printed: &str) -> bool {
    say!("  {}", contest.what);
    let values: Vec<_> = contest
        .rows
        .iter()
        .map(|(_, name, size)| value(printed, name, *size))
        .collect();
    let known = || values.iter().flatten();
    let longest = known().map(|(value, _)| *value).fold(0.0, f64::max);
    for ((who, name, size), found) in contest.rows.iter().zip(&values) {
        let Some((value, unit)) = found else {
            say!(
                "    {who:<12} the row {name}:{size} has no value: {}",
                note(printed, name, *size)
            );
            continue;
        };
        let ours = values[0].as_ref().map(|(ours, _)| *ours);
        // A rate is better when it is more, a time when it is less.
        let factor = ours.map(|ours| {
            if unit.ends_with("/s") {
                ours / value
            } else {
                value / ours
            }
        });
        let times = match factor {
            Some(factor) if found != &values[0] => format!("Ringway is {factor:.1}x as fast"),
            _ => String::new(),
        };
        say!(
            "    {who:<12} {:>12}  {:<32} {times}",
            readable(*value, unit),
            bar(value / longest)
        );
    }
    say!("");
    values.iter().all(Option::is_some)
}

/// The value of a row, times in nanoseconds, and its unit.
fn value(printed: &str, name: &str, size: u64) -> Option<(f64, String)> {
    let line = row(printed, name, size)?;
    let unit = field(line, "unit")?;
    let value: f64 = field(line, "value")?.parse().ok()?;
    Some(if unit == "us" {
        (value * 1e3, "ns".to_owned())
    } else {
        (value, unit.to_owned())
    })
}

fn note<'a>(printed: &'a str, name: &str, size: u64) -> &'a str {
    match row(printed, name, size) {
        None => "the benchmark printed no such row",
        Some(line) => field(line, "note").unwrap_or("and no reason was given"),
    }
}

fn row<'a>(printed: &'a str, name: &str, size: u64) -> Option<&'a str> {
    let size = size.to_string();
    printed
        .lines()
        .find(|line| field(line, "name") == Some(name) && field(line, "size") == Some(&size))
}

/// One value of a flat JSON object, as our own command prints it: numbers, and texts whose quotes need no reading.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
    match rest.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => rest.split([',', '}']).next(),
    }
}

fn readable(value: f64, unit: &str) -> String {
    if unit == "ns" && value >= 1e3 {
        format!("{:.2} us", value / 1e3)
    } else {
        format!("{value:.2} {unit}")
    }
}

fn bar(part: f64) -> String {
    const WIDTH: u8 = 30;
    let filled = (1..=WIDTH)
        .filter(|at| f64::from(*at) <= (part * f64::from(WIDTH)).round())
        .count();
    // A bar of nothing would look like a row without a value.
    "#".repeat(filled.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = concat!(
        "{\"name\":\"pipe\",\"size\":64,\"value\":8.25,\"unit\":\"us\",\"limit\":null,\"rounds\":5}\n",
        "{\"name\":\"unix-stream\",\"size\":64,\"value\":0.75,\"unit\":\"M/s\"}\n",
        "{\"name\":\"unix-stream\",\"size\":65536,\"value\":null,\"unit\":\"GB/s\",\"note\":\"failed: no peer\"}\n",
    );

    #[test]
    fn rows_are_found_by_name_and_size() {
        assert_eq!(value(PRINTED, "pipe", 64), Some((8250.0, "ns".into())));
        assert_eq!(
            value(PRINTED, "unix-stream", 64),
            Some((0.75, "M/s".into()))
        );
        assert_eq!(value(PRINTED, "pipe", 65_536), None);
    }

    #[test]
    fn a_row_without_a_value_says_why() {
        assert_eq!(value(PRINTED, "unix-stream", 65_536), None);
        assert_eq!(note(PRINTED, "unix-stream", 65_536), "failed: no peer");
        assert!(!show(&CONTESTS[2], PRINTED));
    }

    /// The demo's benchmark with a command whose `bench` does what the script `behaviour` says, for each of its rows in `$row`;
    /// the number of calls is in `$calls`. Returns what came of it, and the number of calls.
    fn run_with(name: &str, behaviour: &str) -> (Result<bool, String>, usize) {
        let directory = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("fault"), behaviour).unwrap();
        let outcome = run(
            &place::root().join("xtask/src/demo/stand-in.sh"),
            &directory,
        );
        let calls = fs::read_to_string(directory.join("calls")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        (outcome, calls.lines().count())
    }

    /// Prints a row: without a value while the condition holds.
    fn busy_while(condition: &str) -> String {
        format!(
            "value=1.5; if {condition}; then value=null; fi\n\
             printf '{{\"name\":\"%s\",\"size\":%s,\"value\":%s,\"unit\":\"ns\",\"note\":\"{GAVE_UP}: 0 of 5\"}}\\n' \\\n\
             \"${{row%:*}}\" \"${{row#*:}}\" $value\n"
        )
    }

    #[test]
    fn a_busy_machine_is_tried_again() {
        let quiet = run_with("bench-quiet", &busy_while("false"));
        assert_eq!(quiet, (Ok(true), 1));
        let settles = run_with("bench-settles", &busy_while("test $calls = 1"));
        assert_eq!(settles, (Ok(true), 2));
    }

    #[test]
    fn a_machine_that_stays_busy_is_no_failure() {
        let busy = run_with("bench-busy", &busy_while("test $row = stream:64"));
        assert_eq!(busy, (Ok(true), ATTEMPTS));
    }

    #[test]
    fn a_benchmark_that_fails_is_one() {
        assert_eq!(run_with("bench-fails", "exit 1"), (Ok(false), 1));
    }

    #[test]
    fn numbers_are_for_readers() {
        assert_eq!(readable(212.3, "ns"), "212.30 ns");
        assert_eq!(readable(8250.0, "ns"), "8.25 us");
        assert_eq!(
            (bar(1.0).len(), bar(0.5).len(), bar(0.0).len()),
            (30, 15, 1)
        );
    }
}
