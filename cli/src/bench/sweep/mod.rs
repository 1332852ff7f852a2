//! `ringway bench sweep`: messages of 1 byte to 16 MiB, single and streamed, busy and parked, beside a Unix socket.
//!
//! Each round starts new processes for Ringway and for each kind of socket, and measures them by turns, twice; the socket that did better is what
//! Ringway is compared with in that round. A round counts only if neither changed between its two turns. A point is the median of the rounds' ratios.

mod report;
pub(crate) mod trial;
mod unix;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::chart;
use super::crew::{Batch, Crew, Meeting};
use super::meter::median;
use super::placement::{self, Placement};
use super::rounds::{AGREEMENT, UNDISTURBED};
use super::task::Task;
use super::work::Pass;
use super::{Failure, exit};
use crate::exit::Code;

use self::report::{Point, at_most, charts, print, print_heading};
use self::trial::{Manner, Trial, Way};

/// Its name on the command line.
pub(crate) const NAME: &str = "sweep";
/// What it is, for `--list`.
pub(crate) const ABOUT: &str = "1 byte to 16 MiB, single and streamed, busy and parked, beside a Unix socket; target: faster where busy, within 5 % where parked";

/// Sizes are powers of 4 up to this one.
const POWERS: u32 = 12;
/// The kernel takes no packet that is much longer.
const LARGEST_PACKET: usize = 64 << 10;
/// From this size on several messages fill a socket's usual buffer, and a larger one may help it.
const LARGE: usize = 64 << 10;
/// For each round that has to count, so many are tried at the most.
const TRIES: usize = 3;

/// How it is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Effort<'a> {
    pub(crate) rounds: usize,
    /// All points together end in about this time, with fewer rounds where the machine is busy; one for each at the least.
    pub(crate) time: Duration,
    pub(crate) batch: Duration,
    pub(crate) json: bool,
    pub(crate) check: bool,
    pub(crate) svg: Option<&'a Path>,
    /// All of them where it is empty.
    pub(crate) sizes: Vec<usize>,
}

/// One of the sizes, as it was named.
pub(crate) fn size(text: &str) -> Result<usize, ()> {
    let sizes = (0..=POWERS).map(|power| 4usize.pow(power));
    let asked = text.parse::<usize>();
    sizes
        .into_iter()
        .find(|size| asked.as_ref() == Ok(size))
        .ok_or(())
}

/// Measures every point. With `check` it is a failure to be slower anywhere.
pub(crate) fn run(
    effort: &Effort<'_>,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: &dyn std::fmt::Display| exit::Failure::new(Code::Failed, error);
    let placement = Placement::insist_on_two_cores().map_err(|why| failed(&why))?;
    if !effort.json {
        placement::print_heading(output, &placement::describe())?;
        print_heading(output)?;
    }
    let began = Instant::now();
    let all = 4 * if effort.sizes.is_empty() {
        POWERS as usize + 1
    } else {
        effort.sizes.len()
    };
    let mut points = Vec::new();
    for manner in [Manner::Single, Manner::Streamed] {
        for busy in [true, false] {
            for power in 0..=POWERS {
                let size = 4usize.pow(power);
                if !(effort.sizes.is_empty() || effort.sizes.contains(&size)) {
                    continue;
                }
                let left = effort.time.saturating_sub(began.elapsed());
                let points_left = u32::try_from(all - points.len()).unwrap_or(1).max(1);
                let end = Instant::now() + left / points_left;
                let point = measure(manner, busy, size, effort, end, placement, meeting)
                    .map_err(|error| failed(&error))?;
                print(&point, effort.json, output)?;
                output.flush()?;
                points.push(point);
            }
        }
    }
    if let Some(path) = effort.svg {
        let text = chart::page(&charts(&points), &placement::machine());
        std::fs::write(path, text)
            .map_err(|error| failed(&format!("{}: {error}", path.display())))?;
    }
    let slower = points.iter().filter(|point| point.slower == Some(true));
    let (slower, few) = (
        slower.count(),
        points.iter().filter(|point| !point.complete).count(),
    );
    let verdict = format!(
        "slower than the socket, or not faster where busy, in {slower} of {} points; {few} with too few rounds",
        points.len()
    );
    if !effort.json {
        writeln!(output, "{verdict}")?;
    }
    match (slower, few) {
        (1.., _) if effort.check => Err(exit::Failure::new(Code::Missed, verdict)),
        (0, 1..) if effort.check => Err(exit::Failure::new(Code::Unmeasured, verdict)),
        _ => Ok(()),
    }
}

fn ways(size: usize) -> Vec<Way> {
    let mut ways = vec![Way::Ringway, Way::Bytes];
    if size <= LARGEST_PACKET {
        ways.push(Way::Packets);
    }
    if size >= LARGE {
        ways.push(Way::Wide);
    }
    ways
}

/// One round: of each way, the mean of its two turns, the larger over the smaller one, and its processor time by the time that went by.
struct Round(Vec<(f64, f64, f64)>);

impl Round {
    fn new(turns: &[[Batch; 2]]) -> Self {
        let one = |[first, second]: &[Batch; 2]| {
            let (one, other) = (first.nanos(), second.nanos());
            let wall = first.lead.wall_nanos + second.lead.wall_nanos;
            let cpu = 100.0 * (first.cpu_nanos + second.cpu_nanos) / wall;
            (
                f64::midpoint(one, other),
                one.max(other) / one.min(other),
                cpu,
            )
        };
        Self(turns.iter().map(one).collect())
    }

    /// The socket that did better.
    fn best(&self) -> usize {
        let sockets = 1..self.0.len();
        let faster = |one: &usize, other: &usize| self.0[*one].0.total_cmp(&self.0[*other].0);
        sockets.min_by(faster).unwrap_or(0)
    }

    /// Whether what is compared did not change meanwhile, and had its processors where it never leaves them.
    fn counts(&self, busy: bool) -> bool {
        [0, self.best()].iter().all(|way| {
            let (_, change, cpu) = self.0[*way];
            change <= AGREEMENT && (!busy || cpu >= UNDISTURBED)
        })
    }
}

fn measure(
    manner: Manner,
    busy: bool,
    size: usize,
    effort: &Effort<'_>,
    end: Instant,
    placement: Placement,
    meeting: &mut Meeting,
) -> Result<Point, Failure> {
    let ways = ways(size);
    let (mut counted, mut others) = (Vec::new(), Vec::new());
    loop {
        let tried = counted.len() + others.len();
        let enough = counted.len() == effort.rounds || tried == TRIES * effort.rounds;
        if enough || (tried > 0 && Instant::now() >= end) {
            break;
        }
        let mut crews = Vec::new();
        for &way in &ways {
            let trial = Trial {
                way,
                manner,
                busy,
                size,
            };
            let mut crew = Crew::start(Task::Sweep(trial), placement, &meeting.address())?;
            crew.run(Pass::Check, trial.checked())?;
            crew.begin_with(trial.at_most(64));
            crew.size_batches(effort.batch, Pass::Batch)?;
            crews.push(crew);
        }
        let mut turn = || -> Result<Vec<Batch>, Failure> {
            let each = crews.iter_mut();
            each.map(|crew| crew.batch(Pass::Batch, 1)).collect()
        };
        let (first, second) = (turn()?, turn()?);
        let turns: Vec<_> = first
            .into_iter()
            .zip(second)
            .map(<[Batch; 2]>::from)
            .collect();
        let round = Round::new(&turns);
        if round.counts(busy) {
            counted.push(round);
        } else {
            others.push(round);
        }
    }
    let discarded = others.len();
    // Where none counted, these say what was seen, and decide nothing.
    let shown = if counted.is_empty() {
        &others
    } else {
        &counted
    };
    let of = |pick: &dyn Fn(&Round) -> f64| median(&shown.iter().map(pick).collect::<Vec<_>>());
    let ratio = of(&|round| round.0[0].0 / round.0[round.best()].0);
    let wins = |way: usize| shown.iter().filter(|round| round.best() == way).count();
    let best = (1..ways.len()).max_by_key(|way| wins(*way)).unwrap_or(1);
    Ok(Point {
        manner: match manner {
            Manner::Single => "single",
            Manner::Streamed => "streamed",
        },
        wait: if busy { "busy" } else { "parked" },
        size,
        ringway_ns: of(&|round| round.0[0].0),
        socket_ns: of(&|round| round.0[round.best()].0),
        ringway_cpu_percent: of(&|round| round.0[0].2),
        socket_cpu_percent: of(&|round| round.0[round.best()].2),
        socket: ways[best].name(),
        ratio,
        at_most: at_most(busy),
        slower: (!counted.is_empty()).then_some(ratio > at_most(busy)),
        rounds: counted.len(),
        discarded,
        complete: counted.len() == effort.rounds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_powers_of_4_are_sizes() {
        assert_eq!(
            (size("1"), size("64"), size("16777216")),
            (Ok(1), Ok(64), Ok(16 << 20))
        );
        for wrong in ["", "0", "2", "67108864", "many"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    fn batch(nanos: f64) -> Batch {
        let lead = crate::bench::meter::Sample {
            nanos,
            wall_nanos: nanos,
            ..Default::default()
        };
        Batch {
            count: 1,
            lead,
            cpu_nanos: 2.0 * nanos,
            waited_nanos: 0.0,
        }
    }

    #[test]
    fn a_round_in_which_something_changed_does_not_count() {
        let round = |turns: &[[f64; 2]]| {
            let turns: Vec<_> = turns.iter().map(|turns| turns.map(batch)).collect();
            Round::new(&turns)
        };
        let steady = round(&[[10.0, 10.5], [80.0, 90.0], [50.0, 51.0]]);
        assert!(
            steady.counts(true),
            "the socket that changed is not the better one"
        );
        assert_eq!(steady.best(), 2);
        assert!((steady.0[0].2 - 200.0).abs() < 1e-9);
        assert!(!round(&[[10.0, 12.0], [50.0, 51.0]]).counts(true));
        assert!(!round(&[[10.0, 10.0], [50.0, 60.0]]).counts(true));
        let mut disturbed = steady;
        disturbed.0[0].2 = 120.0;
        assert!(!disturbed.counts(true), "somebody else had a processor");
        assert!(disturbed.counts(false), "who sleeps uses less");
    }

    #[test]
    fn every_size_has_a_rival() {
        for power in 0..=POWERS {
            assert!(ways(4usize.pow(power)).len() >= 3, "{power}");
        }
    }
}
