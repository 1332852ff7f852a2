//! A line for each load: the ring beside the Unix socket.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::super::meter::median;

/// What one part showed: microseconds, calls per second, and microseconds of processor time for a call, both processes together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) per_second: f64,
    pub(super) cpu: f64,
}

impl Part {
    /// How many calls take about `time`.
    #[expect(
        clippy::cast_sign_loss,
        reason = "both factors are positive, and the product is far below 2^52"
    )]
    pub(super) fn calls_within(&self, time: Duration) -> usize {
        (self.per_second * time.as_secs_f64()) as usize
    }
}

/// A figure of a part, and whether more of it is better.
type Figure = (fn(&Part) -> f64, bool);

const FIGURES: [Figure; 4] = [
    (|part| part.p50, false),
    (|part| part.p99, false),
    (|part| part.per_second, true),
    (|part| part.cpu, false),
];

/// All rounds of a load.
#[derive(Debug)]
pub(super) struct Line {
    size: usize,
    at_once: usize,
    ring: Vec<Part>,
    unix: Vec<Part>,
}

impl Line {
    pub(super) fn new(size: usize, at_once: usize) -> Self {
        Self {
            size,
            at_once,
            ring: Vec::new(),
            unix: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, ring: Part, unix: Part) {
        self.ring.push(ring);
        self.unix.push(unix);
    }

    /// How many times as good the ring is, by each figure: the median of the rounds' ratios.
    fn ratios(&self) -> [f64; 4] {
        FIGURES.map(|(figure, more)| {
            let rounds = self.ring.iter().zip(&self.unix);
            let ratios = rounds.map(|(ring, unix)| {
                let ratio = figure(ring) / figure(unix);
                if more { ratio } else { 1.0 / ratio }
            });
            median(&ratios.collect::<Vec<_>>())
        })
    }

    /// Figures by which it is not better.
    pub(super) fn missed(&self) -> usize {
        // What is no number is not better.
        let better = self.ratios().into_iter().filter(|ratio| *ratio > 1.0);
        FIGURES.len() - better.count()
    }
}

fn medians(parts: &[Part]) -> [f64; 4] {
    FIGURES.map(|(figure, _)| median(&parts.iter().map(figure).collect::<Vec<_>>()))
}

pub(super) fn print_heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:>7} {:>7}   {:>8} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>8} {:>8}   times as good: p50, p99, calls/s, cpu",
        "bytes",
        "at once",
        "ring p50",
        "p99",
        "calls/s",
        "cpu",
        "unix p50",
        "p99",
        "calls/s",
        "cpu"
    )
}

pub(super) fn print(line: &Line, json: bool, output: &mut impl Write) -> io::Result<()> {
    let (ring, unix, ratios) = (medians(&line.ring), medians(&line.unix), line.ratios());
    if json {
        let side = |[p50, p99, per_second, cpu]: [f64; 4]| json!({"p50_us": p50, "p99_us": p99, "calls_per_second": per_second, "cpu_us_per_call": cpu});
        let value = json!({
            "row": super::NAME,
            "bytes": line.size,
            "at_once": line.at_once,
            "rounds": line.ring.len(),
            "ring": side(ring),
            "unix": side(unix),
            "times_as_good": ratios,
            "missed": line.missed(),
        });
        return writeln!(output, "{value}");
    }
    let side = |[p50, p99, per_second, cpu]: [f64; 4]| {
        format!("{p50:>8.1} {p99:>8.1} {per_second:>8.0} {cpu:>8.1}")
    };
    let [p50, p99, per_second, cpu] = ratios;
    let verdict = match line.missed() {
        0 => "met".to_owned(),
        missed => format!("{missed} MISS"),
    };
    writeln!(
        output,
        "{:>7} {:>7}   {}   {}   {p50:.2}, {p99:.2}, {per_second:.2}, {cpu:.2}  {verdict}",
        line.size,
        line.at_once,
        side(ring),
        side(unix)
    )
}

#[cfg(test)]
mod tests {
    use super::{Line, Part};

    #[test]
    fn it_is_better_only_by_what_it_is_better_by() {
        let part = |p50, per_second| Part {
            p50,
            p99: 10.0,
            per_second,
            cpu: 3.0,
        };
        let mut line = Line::new(64, 1);
        assert_eq!(line.missed(), 4, "nothing was measured");
        for _ in 0..3 {
            line.count(part(1.0, 200.0), part(2.0, 100.0));
        }
        let ratios = line.ratios();
        assert!(ratios[0] > 1.9 && ratios[2] > 1.9);
        assert_eq!(line.missed(), 2, "p99 and processor time are the same");
    }
}
