//! What is printed: one JSON object per line, or a table with bars.

use std::io::{self, Write};

use serde::Serialize;

use super::meter::Percentiles;
use super::rounds::Outcome;
use super::row::{Row, Target};
use super::think::Manner;

/// The result of one row. The names are those of the JSON keys.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    name: &'static str,
    size: usize,
    value: Option<f64>,
    unit: &'static str,
    limit: Option<f64>,
    ratio: Option<f64>,
    target: Option<String>,
    met: Option<bool>,
    placement: String,
    rounds: usize,
    discarded: usize,
    cpu_seconds: f64,
    /// Elapsed time in which the processor time was spent.
    seconds: f64,
    /// The one by the other, in percent: both processes together, so 200 is two processors all the time. Then the same of the limit.
    cpu_percent: Option<f64>,
    limit_cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p999_ns: Option<f64>,
    /// Each way to wait, where the row has all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    manners: Vec<Manner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether as many rounds counted as were wanted.
    #[serde(skip)]
    complete: bool,
    /// The ways that the limit was tried in: what, and its time in nanoseconds.
    #[serde(skip)]
    ways: Vec<(String, f64)>,
}

/// A ratio better than its limit by more than this says that the limit is badly written.
const IMPLAUSIBLE: f64 = 0.05;

impl Record {
    /// Judges what was measured.
    pub(crate) fn new(row: &Row, placement: String, wanted: usize, outcome: &Outcome) -> Self {
        let counted = outcome.rounds > 0;
        let value = row.unit.of_nanos(outcome.nanos, row.size);
        let limit = row.unit.of_nanos(outcome.limit_nanos, row.size);
        let ratio = row.unit.ratio(outcome.slowness);
        let note = if outcome.slowness < 1.0 - IMPLAUSIBLE && limit_is_by_hand(row) {
            Some("limit badly written: better by more than 5 %".to_owned())
        } else if outcome.rounds < wanted {
            Some(gave_up(outcome, wanted))
        } else {
            None
        };
        let percentile = |pick: fn(&Percentiles) -> f64| outcome.percentiles.as_ref().map(pick);
        Self {
            value: finite(value),
            limit: finite(limit),
            ratio: finite(ratio),
            met: row.target.met(value, ratio).filter(|_| counted),
            rounds: outcome.rounds,
            discarded: outcome.discarded,
            cpu_seconds: round(outcome.cpu_seconds),
            seconds: round(outcome.seconds),
            cpu_percent: percent(outcome.cpu_seconds, outcome.seconds),
            limit_cpu_percent: percent(outcome.limit_cpu_seconds, outcome.limit_seconds),
            manners: outcome.manners.clone(),
            p50_ns: percentile(|p| p.p50),
            p99_ns: percentile(|p| p.p99),
            p999_ns: percentile(|p| p.p999),
            note,
            complete: outcome.rounds >= wanted,
            ways: outcome
                .ways
                .iter()
                .map(|(task, choice, nanos)| (task.way(*choice), *nanos))
                .collect(),
            ..Self::empty(row, placement)
        }
    }

    /// A row that is not measured on this machine; whether it would be met is not known.
    pub(crate) fn missing(row: &Row, reason: &str) -> Self {
        Self::empty(row, String::new()).with_note(format!("not measured: {reason}"))
    }

    /// A row whose measurement went wrong; whether it would be met is not known either.
    pub(crate) fn failed(row: &Row, placement: String, reason: &str) -> Self {
        Self::empty(row, placement).with_note(format!("failed: {reason}"))
    }

    /// Says something about the row.
    pub(crate) fn with_note(self, note: String) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    /// Says something more about the row.
    pub(crate) fn also(self, note: String) -> Self {
        let note = match &self.note {
            Some(said) => format!("{said}; {note}"),
            None => note,
        };
        self.with_note(note)
    }

    /// Judges something beside the value too: what of it is beyond what is promised, if anything is.
    pub(crate) fn unless(self, beyond: Option<String>) -> Self {
        match beyond {
            Some(beyond) => Self {
                met: self.met.map(|_| false),
                ..self
            }
            .also(format!("missed: {beyond}")),
            None => self,
        }
    }

    fn empty(row: &Row, placement: String) -> Self {
        Self {
            name: row.name,
            size: row.size,
            value: None,
            unit: row.unit.name(),
            limit: None,
            ratio: None,
            target: match row.target {
                Target::AtMost(most) => Some(format!("<= {most}x")),
                Target::AtLeast(least) => Some(format!(">= {least}x")),
                Target::Below(below) => Some(format!("< {below} {}", row.unit.name())),
                Target::UpTo(most) => Some(format!("<= {most}")),
                Target::Above(most) => Some(format!("<= +{most}")),
                Target::None => None,
            },
            met: None,
            placement,
            rounds: 0,
            discarded: 0,
            cpu_seconds: 0.0,
            seconds: 0.0,
            cpu_percent: None,
            limit_cpu_percent: None,
            manners: Vec::new(),
            p50_ns: None,
            p99_ns: None,
            p999_ns: None,
            note: None,
            complete: false,
            ways: Vec::new(),
        }
    }

    /// Whether the row missed its target.
    pub(crate) fn missed(&self) -> bool {
        self.met == Some(false)
    }

    /// Whether it reached its target; `None` where that cannot be said.
    #[cfg(test)]
    pub(crate) fn met(&self) -> Option<bool> {
        self.met
    }

    /// Whether it has a value.
    pub(crate) fn measured(&self) -> bool {
        self.value.is_some()
    }

    /// The verdict, in a word.
    fn word(&self) -> &'static str {
        match self.met {
            _ if !self.measured() => "unmeasured",
            Some(true) => "met",
            Some(false) => "MISS",
            None => "",
        }
    }

    /// Whether as many rounds counted as were wanted.
    pub(crate) fn complete(&self) -> bool {
        self.complete
    }

    /// One line for each way.
    pub(crate) fn print_ways(&self, output: &mut impl Write) -> io::Result<()> {
        for (way, nanos) in &self.ways {
            writeln!(output, "{nanos:>32.1} ns  {way}")?;
        }
        Ok(())
    }

    /// One line, of a table or of JSON.
    pub(crate) fn print(&self, output: &mut impl Write, json: bool) -> io::Result<()> {
        if json {
            return writeln!(output, "{}", serde_json::to_string(self)?);
        }
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), significant);
        writeln!(
            output,
            "{:<15}{:>8}{:>9} {:<12}{:>9}{:>7}  {:<15}{:<11}{}{:>8}{:>9}{:>9}{:>4}{:>4}{:>7}{:>7}",
            self.name,
            self.size,
            number(self.value),
            self.unit,
            number(self.limit),
            self.ratio
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            self.target.as_deref().unwrap_or("-"),
            self.word(),
            self.bar(),
            number(self.p50_ns),
            number(self.p99_ns),
            number(self.p999_ns),
            self.rounds,
            self.discarded,
            whole(self.cpu_percent),
            whole(self.limit_cpu_percent),
        )?;
        for manner in &self.manners {
            writeln!(
                output,
                "{:15}{:<9} p50 {:>7} us  p99 {:>7}  p99.9 {:>7}   cpu {:>4.0} % of a core, {:>7} us each",
                "",
                manner.wait,
                significant(manner.p50_ns / 1e3),
                significant(manner.p99_ns / 1e3),
                significant(manner.p999_ns / 1e3),
                manner.cpu_percent,
                significant(manner.cpu_ns / 1e3),
            )?;
        }
        match &self.note {
            Some(note) => writeln!(output, "{:15}{note}", ""),
            None => Ok(()),
        }
    }

    /// The speed as a part of the limit's: a full bar is the limit.
    fn bar(&self) -> String {
        const WIDTH: usize = 16;
        let Some(ratio) = self.ratio else {
            return format!("|{:WIDTH$}|", "");
        };
        let speed = if self.unit.ends_with("/s") {
            ratio
        } else {
            1.0 / ratio
        };
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "clamped to the bar's width"
        )]
        let filled = (speed * WIDTH as f64).round().clamp(0.0, WIDTH as f64) as usize;
        format!("|{}{}|", "#".repeat(filled), " ".repeat(WIDTH - filled))
    }
}

/// The line above the table.
pub(crate) fn print_heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<15}{:>8}{:>9} {:<12}{:>9}{:>7}  {:<15}{:<11}{:<18}{:>8}{:>9}{:>9}{:>4}{:>4}{:>7}{:>7}",
        "work",
        "bytes",
        "value",
        "",
        "limit",
        "ratio",
        "target",
        "",
        "speed / limit",
        "p50 ns",
        "p99",
        "p99.9",
        "n",
        "bad",
        "cpu %",
        "limit",
    )
}

/// Why a row has too few rounds, for somebody who does not know what a round is.
fn gave_up(outcome: &Outcome, wanted: usize) -> String {
    let (counted, moved) = (outcome.rounds, outcome.discarded);
    let why = match moved {
        0 => "then the time was up".to_owned(),
        _ => format!(
            "in {moved} more the limit moved by more than 10 % within the round, or others had the processors"
        ),
    };
    format!("gave up: {counted} of {wanted} rounds counted, {why}: the machine is busy, try again")
}

/// Rows whose limit is Ringway as well may be faster than it.
fn limit_is_by_hand(row: &Row) -> bool {
    match &row.work {
        super::row::Measured::Beside { limits, .. } => limits.iter().all(|task| task.is_by_hand()),
        super::row::Measured::Instructions(what) => matches!(what, super::row::Counted::Bytes),
        _ => false,
    }
}

/// Processor time in percent of the time that went by.
fn percent(cpu: f64, elapsed: f64) -> Option<f64> {
    finite(100.0 * cpu / elapsed)
}

fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then(|| round(value))
}

/// To four decimals: more is noise.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Three digits or more.
fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
