//! What the long runs have shown so far: a table in `docs/EVIDENCE.md`, to which each of them adds.
//!
//! The table is the memory too: a run goes on with the lap behind the last one that is written there, and so with other seeds.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::job::Stop;
use crate::place;

/// The line in front of the table.
const MARK: &str = "<!-- laps -->";
const HEAD: &str =
    "| check | laps | time | last commit | found |\n| --- | --- | --- | --- | --- |\n";
/// What long runs write, as `git status` leaves it out.
const WRITTEN: [&str; 3] = [":!docs/EVIDENCE.md", ":!docs/mutants.md", ":!fuzz/corpus"];
/// What is found mostly.
const NOTHING: &str = "nothing";

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    check: String,
    laps: u64,
    seconds: u64,
    commit: String,
    found: String,
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let [check, laps, time, commit, found, ""] = cells[..] else {
            return None;
        };
        let parts: Vec<u64> = time
            .split(':')
            .map_while(|part| part.parse().ok())
            .collect();
        let [hours, minutes, seconds] = parts[..] else {
            return None;
        };
        Some(Self {
            check: check.to_owned(),
            laps: laps.parse().ok()?,
            seconds: (hours * 60 + minutes) * 60 + seconds,
            commit: commit.to_owned(),
            found: found.to_owned(),
        })
    }

    fn line(&self) -> String {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        format!(
            "| {} | {} | {}:{:02}:{seconds:02} | {} | {} |\n",
            self.check,
            self.laps,
            minutes / 60,
            minutes % 60,
            self.commit,
            self.found
        )
    }
}

/// The document, taken apart around its table.
struct Document {
    before: String,
    rows: Vec<Row>,
    after: String,
}

impl Document {
    fn read(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once(MARK)?;
        let rest = rest.trim_start();
        let table = rest.lines().take_while(|line| line.starts_with('|'));
        let length = table.clone().map(|line| line.len() + 1).sum::<usize>();
        Some(Self {
            before: before.to_owned(),
            rows: table.filter_map(Row::read).collect(),
            after: rest.get(length..).unwrap_or_default().to_owned(),
        })
    }

    fn text(&self) -> String {
        let rows: String = self.rows.iter().map(Row::line).collect();
        format!("{}{MARK}\n\n{HEAD}{rows}{}", self.before, self.after)
    }

    fn add(&mut self, check: &str, laps: u64, time: Duration, commit: &str, found: Option<&str>) {
        let known = self.rows.iter().position(|row| row.check == check);
        let at = known.unwrap_or_else(|| {
            self.rows.push(Row {
                check: check.to_owned(),
                laps: 0,
                seconds: 0,
                commit: String::new(),
                found: NOTHING.to_owned(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        row.laps += laps;
        // To the nearest: laps may be short.
        row.seconds += (time + Duration::from_millis(500)).as_secs();
        commit.clone_into(&mut row.commit);
        match found {
            Some(found) if row.found == NOTHING => found.clone_into(&mut row.found),
            Some(found) => row.found = format!("{}; {found}", row.found),
            None => {}
        }
    }
}

fn path() -> PathBuf {
    place::root().join("docs/EVIDENCE.md")
}

/// How many laps of a check have been run before, by the document.
pub(super) fn laps(check: &str) -> u64 {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let rows = Document::read(&text).map_or_else(Vec::new, |document| document.rows);
    rows.iter()
        .find(|row| row.check == check)
        .map_or(0, |row| row.laps)
}

/// Whose turn it is to add: some steps run beside others.
static TURN: Mutex<()> = Mutex::new(());

/// Adds laps to the document. `found`: what went wrong in them.
pub(super) fn add(check: &str, laps: u64, time: Duration, found: Option<&str>) -> Result<(), Stop> {
    try_add(check, laps, time, found)
        .map_err(|error| Stop::failed(format!("docs/EVIDENCE.md cannot be added to: {error}")))
}

/// Goes on with a check for as long as `share`, in laps that count for `each` and are added one by one. `lap` is told its seed: the first of all has `first`, and so many seeds are a lap's own as it counts
/// for. Returns how much was done, and how much in all runs.
pub(super) fn go_on(
    check: &str,
    share: Duration,
    each: u64,
    first: u64,
    lap: impl FnMut(u64) -> Result<(), Stop>,
) -> Result<(u64, u64), Stop> {
    let known = laps(check);
    let done = go_on_from(first + known, share, each, lap, |count, took, found| {
        add(check, count, took, found)
    })?;
    Ok((done, known + done))
}

/// The same from a seed, told by `add`. A lap that fails counts for nothing, as nobody knows how far it came, and the next run begins with it.
fn go_on_from(
    first: u64,
    share: Duration,
    each: u64,
    mut lap: impl FnMut(u64) -> Result<(), Stop>,
    mut add: impl FnMut(u64, Duration, Option<&str>) -> Result<(), Stop>,
) -> Result<u64, Stop> {
    let (began, mut done) = (Instant::now(), 0);
    loop {
        let (seed, lap_began) = (first + done, Instant::now());
        let outcome = lap(seed);
        if outcome.is_err() {
            let found = format!("RINGWAY_SEED={seed} failed");
            add(0, lap_began.elapsed(), Some(&found))?;
        }
        outcome?;
        add(each, lap_began.elapsed(), None)?;
        done += each;
        if began.elapsed() >= share {
            return Ok(done);
        }
    }
}

fn try_add(check: &str, laps: u64, time: Duration, found: Option<&str>) -> io::Result<()> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(path())?;
    let mut document = Document::read(&text)
        .ok_or_else(|| io::Error::other(format!("docs/EVIDENCE.md has no line `{MARK}`")))?;
    document.add(check, laps, time, &commit(), found);
    fs::write(path(), document.text())
}

/// The commit that is checked, with a mark where there are changes on top of it, but for what long runs write themselves.
fn commit() -> String {
    let git = |words: &[&str]| place::git(words).ok().map(|text| text.trim().to_owned());
    let Some(described) = git(&["describe", "--always", "--exclude=*"]) else {
        return "unknown".to_owned();
    };
    let mut changes = vec!["status", "--porcelain", "--", "."];
    changes.extend(WRITTEN);
    match git(&changes).as_deref() {
        Some("") => described,
        _ => described + "-dirty",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Evidence\n\n<!-- laps -->\n\n| check | laps | time | last commit | found |\n| --- | --- | --- | --- | --- |\n| peers killed | 12 | 1:03:30 | abc1234 | nothing |\n\nMore.\n";

    #[test]
    fn what_is_written_is_read_again() {
        let document = Document::read(TEXT).unwrap();
        assert_eq!(document.rows[0].laps, 12);
        assert_eq!(document.rows[0].seconds, 3600 + 210);
        assert_eq!(document.text(), TEXT);
        assert!(Document::read("no table").is_none());
    }

    #[test]
    fn runs_add_up_and_what_is_found_stays() {
        let mut document = Document::read(TEXT).unwrap();
        let minute = Duration::from_secs(60);
        document.add("peers killed", 3, minute, "def", None);
        document.add("frames", 1, minute, "def", Some("lap 1 failed"));
        document.add("frames", 2, minute, "fed", Some("lap 3 failed"));
        let again = Document::read(&document.text()).unwrap();
        assert_eq!(again.rows[0].laps, 15);
        assert_eq!(again.rows[0].seconds, 3600 + 270);
        assert_eq!((again.rows[1].laps, again.rows[1].seconds), (3, 120));
        assert_eq!(again.rows[1].found, "lap 1 failed; lap 3 failed");
        assert_eq!(again.rows[1].commit, "fed");
        assert!(again.text().ends_with("\n\nMore.\n"));
    }

    #[test]
    fn a_lap_that_fails_counts_for_nothing_and_comes_again() {
        let (mut seeds, mut added) = (Vec::new(), Vec::new());
        let lap = |seed| {
            seeds.push(seed);
            if seed < 30 {
                Ok(())
            } else {
                Err(Stop::failed("it"))
            }
        };
        let outcome = go_on_from(10, Duration::MAX, 10, lap, |count, _, found| {
            added.push((count, found.map(str::to_owned)));
            Ok(())
        });
        assert!(outcome.is_err());
        assert_eq!(seeds, [10, 20, 30]);
        let found = Some("RINGWAY_SEED=30 failed".to_owned());
        assert_eq!(added, [(10, None), (10, None), (0, found)]);
        let known = 10 + added.iter().map(|it| it.0).sum::<u64>();
        assert_eq!(known, 30, "the next run begins there");
    }

    #[test]
    fn the_committed_document_can_be_added_to() {
        let text = fs::read_to_string(path()).unwrap();
        let document = Document::read(&text).expect("it has the mark");
        assert_eq!(document.text(), text);
    }
}
