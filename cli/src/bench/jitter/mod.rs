//! `ringway bench jitter`: how steady round trips are, without and with each option that is meant to steady them, and what interrupted them.
//!
//! A round has every variant once, each with two new processes, since page faults and locks are a matter of new memory. The processes do not warm
//! up: what the first lap of a ring costs is part of what the options are for.

mod kernel;
mod member;
mod report;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hdrhistogram::Histogram;

use super::chart;
use super::crew::Meeting;
use super::kit::Side;
use super::placement::{self, Placement};
use super::{Failure, exit};
use crate::exit::Code;

use self::kernel::{Host, Thread};
use self::member::{Found, Options, Spec, histogram};

pub(crate) use self::member::{MemberArgs, run as run_member};

/// Its name on the command line.
pub(crate) const NAME: &str = "jitter";
/// What it is, for `--list`.
pub(crate) const ABOUT: &str = "how steady round trips and looks are, with and without pinning, locking and the like, and what interrupted them";

/// The hidden subcommand of its processes.
const MEMBER_COMMAND: &str = "bench-jitter";

/// How it is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort<'a> {
    pub(crate) rounds: usize,
    /// Length of each loop. Two of them are less than what the kernel lets a `SCHED_FIFO` thread have of a second.
    pub(crate) millis: u64,
    pub(crate) json: bool,
    pub(crate) svg: Option<&'a Path>,
}

/// One set of options and what was found with it.
#[derive(Debug)]
struct Variant {
    name: &'static str,
    options: Options,
    trips: Histogram<u64>,
    polls: Histogram<u64>,
    thread: Thread,
    host: Host,
    rounds: usize,
    /// Why it is not measured here.
    note: Option<String>,
}

impl Variant {
    fn new(name: &'static str, options: Options) -> Result<Self, Failure> {
        Ok(Self {
            name,
            options,
            trips: histogram()?,
            polls: histogram()?,
            thread: Thread::default(),
            host: Host::default(),
            rounds: 0,
            note: None,
        })
    }

    fn count(&mut self, found: &Found) {
        for (histogram, counts) in [
            (&mut self.trips, &found.trips),
            (&mut self.polls, &found.polls),
        ] {
            for &(value, count) in counts {
                histogram.saturating_record_n(value, count);
            }
        }
        self.thread = self.thread.and(found.thread);
        if let Some(host) = &found.host {
            self.host.add(host);
        }
    }

    /// What is not permitted here stays so: no further rounds of it. What was found before stands.
    fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.note = Some(match self.rounds {
            0 => format!("not measured: {error}"),
            rounds => format!("{rounds} rounds only; then: {error}"),
        });
    }
}

fn variants() -> Result<Vec<Variant>, Failure> {
    let none = Options::default();
    [
        ("none", none),
        ("pin", Options { pin: true, ..none }),
        (
            "prefault",
            Options {
                prefault: true,
                ..none
            },
        ),
        ("lock", Options { lock: true, ..none }),
        ("numa", Options { numa: true, ..none }),
        ("fifo", Options { fifo: true, ..none }),
        (
            "all",
            Options {
                pin: true,
                prefault: true,
                lock: true,
                numa: true,
                fifo: true,
            },
        ),
    ]
    .into_iter()
    .map(|(name, options)| Variant::new(name, options))
    .collect()
}

/// Measures every variant in turns.
pub(crate) fn run(
    effort: Effort<'_>,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::two_cores()
        .ok_or_else(|| failed(&"it takes two processors, and only one is allowed"))?;
    if !effort.json {
        writeln!(
            output,
            "{}\ntwo processes; pinned ones to {placement}; {} rounds of {} ms for each loop",
            placement::machine(),
            effort.rounds,
            effort.millis
        )?;
        output.flush()?;
    }
    let mut variants = variants().map_err(|error| failed(&error))?;
    for _ in 0..effort.rounds {
        for variant in variants.iter_mut().filter(|variant| variant.note.is_none()) {
            match pair(variant.options, placement, effort.millis, meeting) {
                Ok(found) => {
                    for found in &found {
                        variant.count(found);
                    }
                    variant.rounds += 1;
                }
                Err(error) => variant.failed(&error),
            }
        }
    }
    if let Some(path) = effort.svg {
        let text = chart::page(&report::charts(&variants), &placement::machine());
        std::fs::write(path, text)
            .map_err(|error| failed(&format!("{}: {error}", path.display())))?;
    }
    if effort.json {
        report::print_json(&variants, output)?;
    } else {
        report::print(&variants, output)?;
    }
    match variants
        .iter()
        .find(|variant| variant.rounds == 0 && variant.name == "none")
    {
        Some(variant) => Err(failed(
            &variant.note.as_deref().unwrap_or("nothing was measured"),
        )),
        None => Ok(()),
    }
}

/// One pair of processes, from start to end.
fn pair(
    options: Options,
    placement: Placement,
    millis: u64,
    meeting: &mut Meeting,
) -> Result<[Found; 2], Failure> {
    let address = meeting.address();
    let member = |side: Side| -> Result<Started, Failure> {
        let spec = Spec {
            options,
            side,
            cpu: placement.cpus[side.index()],
            address: address.clone(),
            millis,
        };
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("ringway")
            .args([MEMBER_COMMAND, &serde_json::to_string(&spec)?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Started(Some(command.spawn()?)))
    };
    let [lead, follow] = [member(Side::Lead)?, member(Side::Follow)?];
    let (follow, lead) = (follow.end(), lead.end());
    Ok([lead?, follow?])
}

/// A process that does not outlive us; it ends by itself when its time is up.
struct Started(Option<Child>);

impl Started {
    fn end(mut self) -> Result<Found, Failure> {
        let child = self.0.take().ok_or("ended before")?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().trim_start_matches("ringway bench: ");
            return Err(said.lines().next().unwrap_or("it ended early").into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
