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

/// Measures and prints. `Ok(false)`: a row is missing or could not be measured, and it was said which.
pub(super) fn run(ringway: &Path, directory: &Path) -> Result<bool, String> {
    let results = directory.join("bench.json");
    let file = File::create(&results).map_err(|error| error.to_string())?;
    let mut command = place::command(ringway);
    command
        .args(["bench", "--quick", "--json"])
        .env("RINGWAY_DIR", directory)
        .stdout(file);
    let rows = || CONTESTS.iter().flat_map(|contest| contest.rows);
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
            return Ok(false);
        }
        Ok(End::Overstayed) => {
            say!("`ringway bench` was stopped after {} s", LIMIT.as_secs());
            return Ok(false);
        }
        Err(error) => return Err(error.to_string()),
    }
    let printed = printed();
    let mut complete = true;
    for contest in CONTESTS {
        complete &= show(contest, &printed);
    }
    Ok(complete)
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
