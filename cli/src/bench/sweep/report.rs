//! The points of a sweep, as a table, as JSON and as charts.

use std::io::{self, Write};

use serde::Serialize;

use crate::bench::chart::{Axis, Chart, Series};

/// Ratios up to this one may be noise, where both sides sleep; where they are busy, Ringway has to be faster.
const PARKED: f64 = 1.05;
const BUSY: f64 = 1.0;

/// One measured point.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    pub(super) manner: &'static str,
    pub(super) wait: &'static str,
    pub(super) size: usize,
    /// Nanoseconds per message (single: there and back), median of the rounds.
    pub(super) ringway_ns: f64,
    pub(super) socket_ns: f64,
    /// Processor time of both sides in percent of one processor.
    pub(super) ringway_cpu_percent: f64,
    pub(super) socket_cpu_percent: f64,
    /// The kind that did better in most rounds.
    pub(super) socket: &'static str,
    /// Ringway's time over the socket's, median of the rounds' own ratios.
    pub(super) ratio: f64,
    /// The most that it may be.
    pub(super) at_most: f64,
    /// `null` where no round counted: the figures are then of those that did not.
    pub(super) slower: Option<bool>,
    pub(super) rounds: usize,
    pub(super) discarded: usize,
    /// Whether as many rounds counted as were wanted.
    #[serde(skip)]
    pub(super) complete: bool,
}

/// The ratio that a point may have.
pub(super) const fn at_most(busy: bool) -> f64 {
    if busy { BUSY } else { PARKED }
}

impl Point {
    fn remark(&self) -> &'static str {
        match self.slower {
            _ if self.rounds == 0 => "  undecided: the machine is busy, try again",
            Some(true) if self.ratio > PARKED => "  slower than the socket",
            Some(true) => "  not faster than the socket",
            _ if !self.complete => "  few rounds: the machine is busy, try again",
            _ => "",
        }
    }
}

pub(super) fn print_heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<10}{:<8}{:>9}{:>13}{:>7}{:>13}{:>7}  {:<14}{:>6}  {:<9}{:>3}{:>4}  time per message; single: there and back; cpu of both sides",
        "manner",
        "wait",
        "bytes",
        "Ringway ns",
        "cpu %",
        "socket ns",
        "cpu %",
        "the better",
        "ratio",
        "target",
        "n",
        "bad"
    )
}

pub(super) fn print(point: &Point, json: bool, output: &mut impl Write) -> io::Result<()> {
    if json {
        return writeln!(output, "{}", serde_json::to_string(point)?);
    }
    writeln!(
        output,
        "{:<10}{:<8}{:>9}{:>13.1}{:>7.0}{:>13.1}{:>7.0}  {:<14}{:>6.2}  {:<9}{:>3}{:>4}{}",
        point.manner,
        point.wait,
        point.size,
        point.ringway_ns,
        point.ringway_cpu_percent,
        point.socket_ns,
        point.socket_cpu_percent,
        point.socket,
        point.ratio,
        format!("<= {:.2}x", point.at_most),
        point.rounds,
        point.discarded,
        point.remark(),
    )
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
pub(super) fn charts(points: &[Point]) -> Vec<Chart> {
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

    fn point(manner: &'static str, wait: &'static str, ratio: f64, rounds: usize) -> Point {
        let at_most = at_most(wait == "busy");
        Point {
            manner,
            wait,
            size: 64,
            ringway_ns: 100.0 * ratio,
            socket_ns: 100.0,
            ringway_cpu_percent: 200.0,
            socket_cpu_percent: 55.0,
            socket: "stream",
            ratio,
            at_most,
            slower: (rounds > 0).then_some(ratio > at_most),
            rounds,
            discarded: 0,
            complete: rounds > 1,
        }
    }

    #[test]
    fn each_point_is_on_one_chart_and_slower_ones_are_told() {
        let points = [
            point("single", "busy", 0.1, 2),
            point("streamed", "parked", 1.2, 2),
            point("single", "busy", 1.02, 2),
            point("single", "parked", 1.02, 2),
            point("single", "parked", 1.02, 0),
        ];
        let charts = charts(&points);
        let drawn =
            |chart: &Chart| -> usize { chart.series.iter().map(|line| line.points.len()).sum() };
        assert_eq!((drawn(&charts[0]), drawn(&charts[1])), (8, 2));
        let mut text = Vec::new();
        for point in &points {
            print(point, false, &mut text).unwrap();
        }
        let text = String::from_utf8(text).unwrap();
        let told = ["", "slower than", "not faster", "", "undecided"];
        for (line, told) in text.lines().zip(told) {
            let quiet = !["slower", "faster", "undecided"]
                .iter()
                .any(|word| line.contains(word));
            assert!(
                if told.is_empty() {
                    quiet
                } else {
                    line.contains(told)
                },
                "{line}"
            );
            assert!(line.contains("200") && line.contains("55"), "{line}");
        }
    }
}
