//! `docs/mutants.md`: how many changes were tried, and why no test fails for those that no test fails for.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::list::Mutant;
use super::trial::Verdict;
use crate::place;
use crate::verify::job::Stop;

/// The line in front of the numbers and the table, which go to the end of the document.
const MARK: &str = "<!-- mutants -->";
const HEAD: &str = "| change | why no test fails |\n| --- | --- |\n";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ledger {
    /// What people wrote.
    before: String,
    /// How often one was, in all runs.
    tried: usize,
    /// Of these, how often no compiler took it.
    no_program: usize,
    /// And how often a test failed.
    noticed: usize,
    /// The place of the one that was tried last.
    pub(super) last: u64,
    /// A commit: every change in a line that was there then has been tried.
    pub(super) up_to: String,
    survivors: BTreeMap<String, String>,
}

impl Ledger {
    pub(super) fn read() -> Result<Self, Stop> {
        let text = fs::read_to_string(path());
        let text = text.map_err(|error| Stop::failed(format!("docs/mutants.md: {error}")))?;
        Self::parse(&text)
            .ok_or_else(|| Stop::failed("docs/mutants.md has no numbers behind its mark"))
    }

    fn parse(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once(MARK)?;
        let number = |name: &str| {
            let line = rest.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        let rows = rest.lines().filter(|line| line.starts_with("| `"));
        Some(Self {
            before: before.to_owned(),
            tried: number("- tried: ")?.parse().ok()?,
            no_program: number("- of these no program: ")?.parse().ok()?,
            noticed: number("- noticed: ")?.split_once(' ')?.0.parse().ok()?,
            last: u64::from_str_radix(&number("- last: ")?, 16).ok()?,
            up_to: number("- all are tried up to: ")?,
            survivors: rows
                .map(|row| {
                    let (change, why) = row.strip_prefix("| `")?.split_once("` |")?;
                    let why = why.trim().strip_suffix('|')?.trim();
                    Some((change.replace("\\|", "|"), why.to_owned()))
                })
                .collect::<Option<_>>()?,
        })
    }

    fn text(&self) -> String {
        let mut rows = String::new();
        for (change, why) in &self.survivors {
            let change = change.replace('|', "\\|");
            let _ = writeln!(rows, "| `{change}` | {why} |");
        }
        let (noticed, of) = self.share();
        format!(
            "{}{MARK}\n\n- tried: {}\n- of these no program: {}\n- noticed: {noticed} of {of}\n- last: {:016x}\n- all are tried up to: {}\n\n{HEAD}{rows}",
            self.before, self.tried, self.no_program, self.last, self.up_to
        )
    }

    pub(super) fn write(&self) -> Result<(), Stop> {
        fs::write(path(), self.text())
            .map_err(|error| Stop::failed(format!("docs/mutants.md cannot be written: {error}")))
    }

    pub(super) fn add(&mut self, mutant: &Mutant, verdict: Verdict) {
        self.tried += 1;
        match verdict {
            Verdict::Survived => self.survived(&mutant.key),
            Verdict::Noticed => {
                self.noticed += 1;
                self.survivors.remove(&mutant.key);
            }
            Verdict::NoProgram => self.no_program += 1,
        }
    }

    /// Those that no test failed for and that have no reason: perhaps there is a test now.
    pub(super) fn bare(&self) -> HashSet<&str> {
        let bare = self.survivors.iter().filter(|(_, why)| why.is_empty());
        bare.map(|(key, _)| key.as_str()).collect()
    }

    /// What no test failed for when it was tried is noticed now.
    pub(super) fn noticed_now(&mut self, key: &str) {
        if self.survivors.remove(key).is_some() {
            self.noticed += 1;
        }
    }

    pub(super) fn survived(&mut self, key: &str) {
        self.survivors.entry(key.to_owned()).or_default();
    }

    /// Forgets what the sources do not have any more.
    pub(super) fn keep(&mut self, all: &[Mutant]) {
        let keys: HashSet<&str> = all.iter().map(|mutant| mutant.key.as_str()).collect();
        self.survivors.retain(|key, _| keys.contains(key.as_str()));
    }

    /// How many were noticed, of how many.
    pub(super) fn share(&self) -> (usize, usize) {
        (self.noticed, self.tried.saturating_sub(self.no_program))
    }

    /// Fails if one of those that no test fails for has no explanation.
    pub(super) fn explained(&self) -> Result<(), Stop> {
        let mut bare: Vec<_> = self.bare().into_iter().collect();
        if bare.is_empty() {
            return Ok(());
        }
        bare.sort_unstable();
        Err(Stop::failed(format!(
            "no test fails for: {}; write the test, or the reason into docs/mutants.md",
            bare.join("; ")
        )))
    }
}

fn path() -> PathBuf {
    place::root().join("docs/mutants.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Mutants\n\n<!-- mutants -->\n\n- tried: 40\n- of these no program: 3\n- noticed: 35 of 37\n- last: 00000000000000ff\n- all are tried up to: abc1234\n\n| change | why no test fails |\n| --- | --- |\n| `src/ring/a.rs: replace \\|\\| with && in b` | only time |\n| `src/wake/a.rs: replace a` | the same |\n";

    fn mutant(key: &str) -> Mutant {
        Mutant::named(key, 7)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let ledger = Ledger::parse(TEXT).unwrap();
        assert_eq!(ledger.text(), TEXT);
        assert_eq!(ledger.share(), (35, 37));
        assert!(
            ledger
                .survivors
                .contains_key("src/ring/a.rs: replace || with && in b")
        );
        assert!(Ledger::parse("nothing").is_none());
    }

    #[test]
    fn a_survivor_has_to_be_explained() {
        let mut ledger = Ledger::parse(TEXT).unwrap();
        assert!(ledger.explained().is_ok());
        ledger.add(&mutant("src/ring/new.rs: delete -"), Verdict::Survived);
        assert!(ledger.explained().is_err());
        let again = Ledger::parse(&ledger.text()).unwrap();
        assert!(again.explained().is_err());
        assert_eq!((again.share(), again.last), ((35, 38), 255));
        assert_eq!(Vec::from_iter(again.bare()), ["src/ring/new.rs: delete -"]);
        ledger.add(&mutant("src/ring/new.rs: delete -"), Verdict::Noticed);
        assert!(ledger.explained().is_ok());
        assert_eq!(ledger.share(), (36, 39));
        ledger.add(&mutant("src/ring/new.rs: delete -"), Verdict::NoProgram);
        assert_eq!(ledger.share(), (36, 39));
        ledger.noticed_now("src/wake/a.rs: replace a");
        assert_eq!(ledger.share(), (37, 39), "by a new test");
        let mut ledger = Ledger::parse(TEXT).unwrap();
        // An explanation stays.
        ledger.add(&mutant("src/wake/a.rs: replace a"), Verdict::Survived);
        assert!(ledger.explained().is_ok());
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let mut ledger = Ledger::parse(TEXT).unwrap();
        ledger.keep(&[mutant("src/wake/a.rs: replace a")]);
        let left: Vec<_> = ledger.survivors.keys().collect();
        assert_eq!(left, ["src/wake/a.rs: replace a"]);
        assert_eq!(ledger.share(), (35, 37), "it was tried all the same");
    }

    #[test]
    fn the_committed_document_can_be_added_to_and_explains_all() {
        let text = fs::read_to_string(path()).unwrap();
        let ledger = Ledger::parse(&text).expect("it has the mark and the numbers");
        assert_eq!(ledger.text(), text);
        assert!(ledger.explained().is_ok());
    }
}
