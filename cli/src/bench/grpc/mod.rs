//! `ringway bench grpc`: unary calls of tonic over a ring and over a Unix socket, by the same code: the connector's and the listener's target differ.
//!
//! Client and server are processes of their own, each pinned, each on a runtime of one thread. The transports come by turns in each round.

mod caller;
mod report;
mod server;
mod service;

use std::io::Write;
use std::time::Duration;

use self::caller::Caller;
use self::report::{Line, Part, Round, print, print_heading};
use super::crew::Meeting;
use super::placement::{self, Placement, pin};
use super::{Failure, exit};
use crate::exit::Code;

pub(crate) use self::server::{ServerArgs, run as run_server};

/// Its name on the command line.
pub(crate) const NAME: &str = "grpc";
/// What it is, for `--list`.
pub(crate) const ABOUT: &str = "unary calls of tonic over a ring and over a Unix socket: p50, p99, calls per second and processor time for a call; target: better in each";

/// What is asked, and by how many calls at a time.
const LOADS: [(usize, usize); 4] = [(64, 1), (64, 64), (64 << 10, 1), (64 << 10, 64)];
/// How long a part of a round takes, about. There are two of each transport.
const PART: Duration = Duration::from_millis(150);
/// So many times the rounds that have to count are tried.
const TRIES: usize = 3;

/// How it is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) json: bool,
    pub(crate) check: bool,
}

/// Measures every load.
pub(crate) fn run(
    effort: Effort,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::insist_on_two_cores().map_err(|why| failed(&why))?;
    if !effort.json {
        let put = format!(
            "client pinned to cpu {}, server to cpu {}; one connection, runtimes of one thread; medians of {} rounds, each of two turns",
            placement.cpus[0], placement.cpus[1], effort.rounds
        );
        placement::print_heading(output, &put)?;
        print_heading(output)?;
        output.flush()?;
    }
    let lines = measure(effort, placement, meeting, output).map_err(|error| failed(&error))?;
    let missed: usize = lines.iter().map(Line::missed).sum();
    let few = lines.iter().filter(|line| !line.complete()).count();
    let verdict = format!(
        "{missed} of {} targets missed; {few} of {} lines with too few rounds",
        4 * lines.len(),
        lines.len()
    );
    if !effort.json {
        writeln!(output, "{verdict}")?;
    }
    match super::check(missed, few) {
        Some(code) if effort.check => Err(exit::Failure::new(code, verdict)),
        _ => Ok(()),
    }
}

fn measure(
    effort: Effort,
    placement: Placement,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<Vec<Line>, Failure> {
    let [here, there] = placement.cpus;
    let address = |kind: &str, meeting: &mut Meeting| {
        let path = meeting.address();
        format!("{kind}:{}", path.display())
    };
    let mut ring = Caller::new(&address("ring", meeting), there)?;
    let mut unix = Caller::new(&address("unix", meeting), there)?;
    pin(here)?;
    let mut lines = Vec::new();
    for (size, at_once) in LOADS {
        // As many as take about that long: both transports have as many.
        let calls = ring.calls_within(PART, size, at_once)?;
        let mut line = Line::new(size, at_once, effort.rounds);
        while line.wants_more(TRIES) {
            let mut turn = || -> Result<[Part; 2], Failure> {
                Ok([
                    ring.part(calls, size, at_once)?,
                    unix.part(calls, size, at_once)?,
                ])
            };
            let (first, second) = (turn()?, turn()?);
            line.tried(Round::new(first, second));
        }
        print(&line, effort.json, output)?;
        output.flush()?;
        lines.push(line);
    }
    Ok(lines)
}
