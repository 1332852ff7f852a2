//! `ringway doctor`: what this host offers, what is missing, and how to mend it.
//!
//! Each check is one function of `probes` or `trial`. A check that fails makes the command fail only where Ringway cannot
//! work without; the rest are notes about speed.

mod probes;
mod trial;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::exit::{self, Code};
use crate::standard;

/// Checks what this host offers and says how to mend what is missing: 0 if Ringway works here, 1 if not.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// One JSON object per line: check, state (ok, note, missing), found, mend.
    #[arg(long)]
    json: bool,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// All is well.
    Ok,
    /// Ringway works, with less speed or with a fallback.
    Note,
    /// Ringway does not work before this is mended.
    Missing,
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    found: String,
    /// What to do about it; empty where there is nothing to do.
    mend: String,
}

impl Finding {
    /// Whether two ends of a connection cannot be had here at all.
    fn stops_the_trial(&self) -> bool {
        self.check == probes::DESCRIPTORS && self.state == State::Missing
    }

    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Ok,
            found: found.into(),
            mend: String::new(),
        }
    }

    fn note(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Note,
            found: found.into(),
            mend: mend.into(),
        }
    }

    fn missing(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            check,
            state: State::Missing,
            found: found.into(),
            mend: mend.into(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &DoctorArgs) -> ExitCode {
    let mut findings = probes::all();
    findings.extend(if findings.iter().any(Finding::stops_the_trial) {
        // It would fail for want of descriptors, and blame whatever it was doing then.
        trial::not_tried()
    } else {
        trial::all()
    });
    // A script that keeps what we print must not take an empty report for a good one.
    let printed = if args.json {
        print_json(&findings)
    } else {
        print_table(&findings)
    };
    let printed = match printed {
        // Whoever closed the pipe does not want to read on, and the code tells them the same.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(exit::Failure::new(
            Code::Failed,
            format!("cannot print the report: {error}"),
        )),
        _ => standard::output(),
    };
    if printed.is_err() {
        return exit::report("doctor", printed);
    }
    if findings
        .iter()
        .any(|finding| finding.state == State::Missing)
    {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn print_json(findings: &[Finding]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for finding in findings {
        writeln!(out, "{}", serde_json::to_string(finding)?)?;
    }
    out.flush()
}

fn print_table(findings: &[Finding]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let width = findings
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let state = match finding.state {
            State::Ok => "ok     ",
            State::Note => "note   ",
            State::Missing => "MISSING",
        };
        writeln!(out, "{state}  {:width$}  {}", finding.check, finding.found)?;
        if !finding.mend.is_empty() {
            writeln!(out, "         {:width$}  -> {}", "", finding.mend)?;
        }
    }
    let count = |state| {
        findings
            .iter()
            .filter(|finding| finding.state == state)
            .count()
    };
    match (count(State::Missing), count(State::Note)) {
        (0, 0) => writeln!(out, "\nRingway works here."),
        (0, notes) => writeln!(out, "\nRingway works here; notes above: {notes}."),
        (missing, _) => writeln!(
            out,
            "\nRingway does not work here before what is MISSING is mended (above: {missing})."
        ),
    }?;
    out.flush()
}
