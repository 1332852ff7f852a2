//! A line for each load: the ring beside the Unix socket.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::super::crew::DISTURBED;
use super::super::meter::median;
use super::super::rounds::AGREEMENT;

/// What one part showed: microseconds, calls per second, and microseconds of processor time for a call, both processes together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) per_second: f64,
    pub(super) cpu: f64,
    /// The share of the time in which a process was ready to run and did not: others had the processors.
    pub(super) waited: f64,
}

impl Part {
    /// Of two turns.
    fn mean(one: &Self, other: &Self) -> Self {
        let mean = |figure: fn(&Self) -> f64| f64::midpoint(figure(one), figure(other));
        Self {
            p50: mean(|part| part.p50),
            p99: mean(|part| part.p99),
            per_second: mean(|part| part.per_second),
            cpu: mean(|part| part.cpu),
            waited: mean(|part| part.waited),
        }
    }

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

/// Two turns of each transport, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    ring: Part,
    unix: Part,
    counts: bool,
}

impl Round {
    /// Each turn has a part of the ring, and one of the socket.
    pub(super) fn new(first: [Part; 2], second: [Part; 2]) -> Self {
        let steady = |one: &Part, other: &Part| {
            let (one, other) = (one.per_second, other.per_second);
            one.max(other) <= AGREEMENT * one.min(other)
        };
        let alone = |part: &Part| part.waited <= DISTURBED;
        let counts = (0..2).all(|way| steady(&first[way], &second[way]))
            && first.iter().chain(&second).all(alone);
        let mean = |way: usize| Part::mean(&first[way], &second[way]);
        Self {
            ring: mean(0),
            unix: mean(1),
            counts,
        }
    }
}

/// All rounds of a load.
#[derive(Debug)]
pub(super) struct Line {
    size: usize,
    at_once: usize,
    wanted: usize,
    counted: Vec<Round>,
    /// In which something moved, or others had the processors.
    discarded: Vec<Round>,
}

impl Line {
    /// So many rounds have to count.
    pub(super) fn new(size: usize, at_once: usize, wanted: usize) -> Self {
        Self {
            size,
            at_once,
            wanted,
            counted: Vec::new(),
            discarded: Vec::new(),
        }
    }

    /// Whether there is to be one more, where so many times as many are tried.
    pub(super) fn wants_more(&self, tries: usize) -> bool {
        let tried = self.counted.len() + self.discarded.len();
        !self.complete() && tried < tries * self.wanted
    }

    pub(super) fn tried(&mut self, round: Round) {
        let rounds = if round.counts {
            &mut self.counted
        } else {
            &mut self.discarded
        };
        rounds.push(round);
    }

    /// Whether enough of them counted.
    pub(super) fn complete(&self) -> bool {
        self.counted.len() >= self.wanted
    }

    /// Where none counted, the others say what was seen, and decide nothing.
    fn shown(&self) -> &[Round] {
        if self.counted.is_empty() {
            &self.discarded
        } else {
            &self.counted
        }
    }

    fn parts(&self, of: fn(&Round) -> Part) -> Vec<Part> {
        self.shown().iter().map(of).collect()
    }

    /// How many times as good the ring is, by each figure: the median of the rounds' ratios.
    fn ratios(&self) -> [f64; 4] {
        FIGURES.map(|(figure, more)| {
            let ratios = self.shown().iter().map(|round| {
                let ratio = figure(&round.ring) / figure(&round.unix);
                if more { ratio } else { 1.0 / ratio }
            });
            median(&ratios.collect::<Vec<_>>())
        })
    }

    /// Figures by which it is not better, as far as that is known.
    pub(super) fn missed(&self) -> usize {
        if self.counted.is_empty() {
            return 0;
        }
        // What is no number is not better.
        let better = self.ratios().into_iter().filter(|ratio| *ratio > 1.0);
        FIGURES.len() - better.count()
    }

    fn verdict(&self) -> String {
        let met = match self.missed() {
            0 => "met".to_owned(),
            missed => format!("{missed} MISS"),
        };
        let (counted, moved) = (self.counted.len(), self.discarded.len());
        match counted {
            0 => format!(
                "undecided: in all {moved} rounds something moved, or others had the processors: the machine is busy, try again"
            ),
            _ if self.complete() => met,
            _ => format!(
                "{met}; {counted} of {} rounds counted: the machine is busy, try again",
                self.wanted
            ),
        }
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
    let ring = medians(&line.parts(|round| round.ring));
    let unix = medians(&line.parts(|round| round.unix));
    let ratios = line.ratios();
    if json {
        let side = |[p50, p99, per_second, cpu]: [f64; 4]| json!({"p50_us": p50, "p99_us": p99, "calls_per_second": per_second, "cpu_us_per_call": cpu});
        let value = json!({
            "row": super::NAME,
            "bytes": line.size,
            "at_once": line.at_once,
            "rounds": line.counted.len(),
            "discarded": line.discarded.len(),
            "complete": line.complete(),
            "ring": side(ring),
            "unix": side(unix),
            "times_as_good": ratios,
            "missed": (!line.counted.is_empty()).then(|| line.missed()),
        });
        return writeln!(output, "{value}");
    }
    let side = |[p50, p99, per_second, cpu]: [f64; 4]| {
        format!("{p50:>8.1} {p99:>8.1} {per_second:>8.0} {cpu:>8.1}")
    };
    let [p50, p99, per_second, cpu] = ratios;
    let verdict = line.verdict();
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
    use super::{Line, Part, Round};

    fn part(p50: f64, per_second: f64) -> Part {
        Part {
            p50,
            p99: 10.0,
            per_second,
            cpu: 3.0,
            waited: 0.0,
        }
    }

    #[test]
    fn it_is_better_only_by_what_it_is_better_by() {
        let mut line = Line::new(64, 1, 3);
        while line.wants_more(3) {
            let turn = [part(1.0, 200.0), part(2.0, 100.0)];
            line.tried(Round::new(turn, turn));
        }
        let ratios = line.ratios();
        assert!(ratios[0] > 1.9 && ratios[2] > 1.9);
        assert_eq!(line.missed(), 2, "p99 and processor time are the same");
        assert_eq!(line.verdict(), "2 MISS");
    }

    #[test]
    fn a_busy_machine_decides_nothing() {
        let turn = [part(1.0, 200.0), part(2.0, 100.0)];
        let mut moved = turn;
        moved[1].per_second = 120.0;
        let mut waited = turn;
        waited[0].waited = 0.2;
        let mut line = Line::new(64, 1, 2);
        while line.wants_more(3) {
            line.tried(Round::new(turn, moved));
            line.tried(Round::new(waited, turn));
        }
        assert_eq!((line.missed(), line.complete()), (0, false));
        assert!(line.verdict().contains("undecided"), "{}", line.verdict());
        assert!(line.ratios()[0] > 1.9, "what was seen is shown");
        let mut line = Line::new(64, 1, 2);
        line.tried(Round::new(turn, turn));
        assert!(
            line.verdict().starts_with("2 MISS; 1 of 2"),
            "{}",
            line.verdict()
        );
    }
}
