//! `ringway bench jitter`: how steady round trips are, without and with each option that is meant to steady them, and what interrupted them.
//!
//! A round has every variant once, each with two new processes, since page faults and locks are a matter of new memory. The processes do not warm
//! up: what the first lap of a ring costs is part of what the options are for.

mod kernel;
mod member;
mod report;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};

use hdrhistogram::Histogram;

use super::chart;
use super::crew::Meeting;
use super::kit::Side;
use super::placement::{self, Placement};
use super::{Failure, exit};
use crate::exit::Code;
use crate::ourselves;

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
    /// How long the loops of both processes took, added up.
    wall_micros: u64,
    /// What has to be known of its figures.
    remark: Option<String>,
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
            wall_micros: 0,
            remark: None,
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
        self.wall_micros += found.wall_micros;
        if let Some(host) = &found.host {
            self.host.add(host);
        }
    }

    /// Processor time of both processes in percent of one processor: 200 where nobody else had any.
    #[expect(clippy::cast_precision_loss, reason = "times of a run in microseconds")]
    fn cpu_percent(&self) -> f64 {
        200.0 * self.thread.cpu_micros as f64 / self.wall_micros as f64
    }

    /// What is not permitted here stays so: no further rounds of it. What was found before stands.
    fn failed(&mut self, error: &dyn std::fmt::Display) {
        self.note = Some(match self.rounds {
            0 => format!("not measured: {error}"),
            rounds => format!("{rounds} rounds only; then: {error}"),
        });
    }
}

/// The options of the last variant, all of them, without those that are not permitted here.
fn permitted(variants: &[Variant]) -> (Options, Option<String>) {
    let refused = |name: &str| variants.iter().any(|v| v.name == name && v.note.is_some());
    let options = Options {
        pin: !refused("pin"),
        prefault: !refused("prefault"),
        lock: !refused("lock"),
        numa: !refused("numa"),
        fifo: !refused("fifo"),
    };
    let without = variants.iter().filter(|v| v.note.is_some());
    let without: Vec<_> = without.map(|v| v.name).collect();
    let remark = format!("without what is not permitted here: {}", without.join(", "));
    (options, (!without.is_empty()).then_some(remark))
}

/// The last variant.
const ALL: &str = "all";

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
            ALL,
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
    .map(|(name, options)| {
        let mut variant = Variant::new(name, options)?;
        if name == "numa" && member::one_node() {
            variant.remark =
                Some("this machine has one node: there is nothing to choose".to_owned());
        }
        Ok(variant)
    })
    .collect()
}

/// Measures every variant in turns.
pub(crate) fn run(
    effort: Effort<'_>,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::insist_on_two_cores().map_err(|why| failed(&why))?;
    if !effort.json {
        let put = format!(
            "two processes; pinned ones to {placement}; {} rounds of {} ms for each loop",
            effort.rounds, effort.millis
        );
        placement::print_heading(output, &put)?;
        output.flush()?;
    }
    let mut variants = variants().map_err(|error| failed(&error))?;
    for _ in 0..effort.rounds {
        for index in 0..variants.len() {
            let (before, rest) = variants.split_at_mut(index);
            let Some(variant) = rest.first_mut().filter(|variant| variant.note.is_none()) else {
                continue;
            };
            if variant.name == ALL {
                (variant.options, variant.remark) = permitted(before);
            }
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
        let mut command = ourselves::again(MEMBER_COMMAND);
        command
            .arg(serde_json::to_string(&spec)?)
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
