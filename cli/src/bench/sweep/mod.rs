//! `ringway bench sweep`: messages of 1 byte to 16 MiB, single and streamed, busy and parked, beside a Unix socket.
//!
//! Each round starts new processes for Ringway and for both kinds of socket, and measures them by turns, twice; the socket that did better is what
//! Ringway is compared with in that round. A point is the median of the rounds' ratios.

pub(crate) mod trial;
mod unix;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::chart::{self, Axis, Chart, Series};
use super::crew::{Crew, Meeting};
use super::meter::median;
use super::placement::{self, Placement};
use super::task::Task;
use super::work::Pass;
use super::{Failure, exit};
use crate::exit::Code;

use self::trial::{Manner, Trial, Way};

/// Its name on the command line.
pub(crate) const NAME: &str = "sweep";
/// What it is, for `--list`.
pub(crate) const ABOUT: &str =
    "1 byte to 16 MiB, single and streamed, busy and parked, beside a Unix socket";

/// Sizes are powers of 4 up to this one.
const POWERS: u32 = 12;
/// The kernel takes no packet that is much longer.
const LARGEST_PACKET: usize = 64 << 10;
/// Ratios up to this one may be noise.
const NOISE: f64 = 1.05;

/// One measured point.
#[derive(Debug, Serialize)]
struct Point {
    manner: &'static str,
    wait: &'static str,
    size: usize,
    /// Nanoseconds per message (single: there and back), median of the rounds.
    ringway_ns: f64,
    socket_ns: f64,
    /// The kind that did better in most rounds.
    socket: &'static str,
    /// Ringway's time over the socket's, median of the rounds' own ratios.
    ratio: f64,
    slower: bool,
    rounds: usize,
}

/// How it is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Effort<'a> {
    pub(crate) rounds: usize,
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
    let placement = Placement::two_cores()
        .ok_or_else(|| failed(&"it takes two processors, and only one is allowed"))?;
    if !effort.json {
        writeln!(
            output,
            "{}\n{}",
            placement::machine(),
            placement::describe()
        )?;
        heading(output)?;
    }
    let mut points = Vec::new();
    for manner in [Manner::Single, Manner::Streamed] {
        for busy in [true, false] {
            for power in 0..=POWERS {
                let size = 4usize.pow(power);
                if !(effort.sizes.is_empty() || effort.sizes.contains(&size)) {
                    continue;
                }
                let point = measure(manner, busy, size, effort, placement, meeting)
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
    let slower = points.iter().filter(|point| point.slower).count();
    let verdict = format!(
        "slower than the socket in {slower} of {} points",
        points.len()
    );
    if !effort.json {
        writeln!(output, "{verdict}")?;
    }
    if effort.check && slower > 0 {
        return Err(exit::Failure::new(Code::Missed, verdict));
    }
    Ok(())
}

fn ways(size: usize) -> &'static [Way] {
    if size <= LARGEST_PACKET {
        &[Way::Ringway, Way::Bytes, Way::Packets]
    } else {
        &[Way::Ringway, Way::Bytes]
    }
}

fn measure(
    manner: Manner,
    busy: bool,
    size: usize,
    effort: &Effort<'_>,
    placement: Placement,
    meeting: &mut Meeting,
) -> Result<Point, Failure> {
    let (mut ours, mut sockets, mut ratios, mut packets) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for _ in 0..effort.rounds {
        let mut crews = Vec::new();
        for &way in ways(size) {
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
        let mut times = vec![0.0; crews.len()];
        for _ in 0..2 {
            for (time, crew) in times.iter_mut().zip(&mut crews) {
                *time += crew.batch(Pass::Batch, 1)?.nanos() / 2.0;
            }
        }
        let socket = times[1..].iter().copied().fold(f64::INFINITY, f64::min);
        packets += usize::from(times.get(2).is_some_and(|packets| *packets < times[1]));
        ours.push(times[0]);
        sockets.push(socket);
        ratios.push(times[0] / socket);
    }
    let ratio = median(&ratios);
    Ok(Point {
        manner: match manner {
            Manner::Single => "single",
            Manner::Streamed => "streamed",
        },
        wait: if busy { "busy" } else { "parked" },
        size,
        ringway_ns: median(&ours),
        socket_ns: median(&sockets),
        socket: if 2 * packets > effort.rounds {
            "seqpacket"
        } else {
            "stream"
        },
        ratio,
        slower: ratio > NOISE,
        rounds: effort.rounds,
    })
}

fn heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<10}{:<8}{:>9}{:>13}{:>13}  {:<11}{:>6}  time per message; single: there and back",
        "manner", "wait", "bytes", "Ringway ns", "socket ns", "the better", "ratio"
    )
}

fn print(point: &Point, json: bool, output: &mut impl Write) -> io::Result<()> {
    if json {
        return writeln!(output, "{}", serde_json::to_string(point)?);
    }
    writeln!(
        output,
        "{:<10}{:<8}{:>9}{:>13.1}{:>13.1}  {:<11}{:>6.2}{}",
        point.manner,
        point.wait,
        point.size,
        point.ringway_ns,
        point.socket_ns,
        point.socket,
        point.ratio,
        if point.slower {
            "  slower than the socket"
        } else {
            ""
        }
    )
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn charts(points: &[Point]) -> Vec<Chart> {
    let chart = |manner: &str, title: &str| {
        let lines = [("busy", 0), ("parked", 1)];
        let line = |(wait, colour): (&str, usize), ours: bool| Series {
            name: format!("{}, {wait}", if ours { "Ringway" } else { "Unix socket" }),
            points: points
                .iter()
                .filter(|point| point.manner == manner && point.wait == wait)
                .map(|point| {
                    let time = if ours {
                        point.ringway_ns
                    } else {
                        point.socket_ns
                    };
                    (point.size as f64, time)
                })
                .collect(),
            dashed: !ours,
            colour,
        };
        Chart {
            title: title.to_owned(),
            x: (Axis::Bytes, "bytes of a message"),
            y: (Axis::Nanoseconds, "time"),
            series: lines
                .into_iter()
                .flat_map(|which| [line(which, true), line(which, false)])
                .collect(),
        }
    };
    vec![
        chart("single", "One message there and one back"),
        chart("streamed", "One message of many, one after the other"),
    ]
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

    fn point(manner: &'static str, wait: &'static str, ratio: f64) -> Point {
        Point {
            manner,
            wait,
            size: 64,
            ringway_ns: 100.0 * ratio,
            socket_ns: 100.0,
            socket: "stream",
            ratio,
            slower: ratio > NOISE,
            rounds: 1,
        }
    }

    #[test]
    fn each_point_is_on_one_chart_and_slower_ones_are_told() {
        let points = [
            point("single", "busy", 0.1),
            point("streamed", "parked", 1.2),
        ];
        let charts = charts(&points);
        let drawn =
            |chart: &Chart| -> usize { chart.series.iter().map(|line| line.points.len()).sum() };
        assert_eq!((drawn(&charts[0]), drawn(&charts[1])), (2, 2));
        let mut text = Vec::new();
        for point in &points {
            print(point, false, &mut text).unwrap();
        }
        let text = String::from_utf8(text).unwrap();
        assert!(!text.lines().next().unwrap().contains("slower"), "{text}");
        assert!(text.lines().nth(1).unwrap().contains("slower"), "{text}");
    }
}
