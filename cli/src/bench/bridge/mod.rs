//! `ringway bench bridge`: what a bridge costs. The same TCP client asks a service directly, through two bridges with a ring between them, and through one bridge to a service of Ringway.
//!
//! Client and service are processes of their own, each pinned; bridges run where the kernel puts them. The ways come by turns in each round.

mod client;
mod report;
mod service;
mod way;

use std::io::Write;
use std::time::Duration;

use self::client::Client;
use self::report::{Line, print, print_heading};
use self::way::{WAYS, Way};
use super::crew::Meeting;
use super::placement::{self, Placement, pin};
use super::{Failure, exit};
use crate::exit::Code;

pub(crate) use self::service::{ServiceArgs, run as run_service};

/// Its name on the command line.
pub(crate) const NAME: &str = "bridge";
/// What it is, for `--list`.
pub(crate) const ABOUT: &str = "TCP on loopback, directly, through two bridges with a ring between them, and through one to a service of Ringway: round trips of 64 bytes, 64 KiB at a time one way; no target";

/// How it is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// How long a part of a round takes, about.
    pub(crate) part: Duration,
    pub(crate) json: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// A message there and back, each for itself.
    RoundTrip,
    /// Messages one way, one behind the other; the last one is answered.
    OneWay,
}

impl Work {
    const ALL: [Self; 2] = [Self::RoundTrip, Self::OneWay];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RoundTrip => "round-trip",
            Self::OneWay => "one-way",
        }
    }

    /// Bytes of a message.
    pub(super) fn size(self) -> usize {
        match self {
            Self::RoundTrip => 64,
            Self::OneWay => 64 << 10,
        }
    }
}

/// Measures both kinds of work.
pub(crate) fn run(
    effort: Effort,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::insist_on_two_cores().map_err(|why| failed(&why))?;
    if !effort.json {
        let put = format!(
            "client pinned to cpu {}, service to cpu {}, bridges not pinned; one connection; medians of {} rounds",
            placement.cpus[0], placement.cpus[1], effort.rounds
        );
        placement::print_heading(output, &put)?;
        print_heading(output)?;
        output.flush()?;
    }
    measure(effort, placement, meeting, output).map_err(|error| failed(&error))
}

fn measure(
    effort: Effort,
    placement: Placement,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let [here, there] = placement.cpus;
    let ways = WAYS.map(|kind| Way::start(kind, &meeting.address(), there));
    pin(here)?;
    let mut clients = Vec::new();
    for way in ways {
        clients.push(Client::new(way?)?);
    }
    for work in Work::ALL {
        let mut line = Line::new(work);
        // Each way has as many as take about that long.
        let mut counts = Vec::new();
        for client in &mut clients {
            counts.push(client.count_within(effort.part, work)?);
        }
        for _ in 0..effort.rounds {
            let mut round = Vec::new();
            for (client, count) in clients.iter_mut().zip(&counts) {
                round.push(client.part(*count, work)?);
            }
            line.count(round);
        }
        print(&line, effort.json, output)?;
        output.flush()?;
    }
    Ok(())
}
