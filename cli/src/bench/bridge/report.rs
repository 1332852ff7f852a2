//! Lines for each kind of work: TCP by itself, and what it is with bridges in between.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::meter::{Percentiles, median};
use super::Work;
use super::way::WAYS;

/// What one part showed. Times in microseconds; the processor time is that of all processes together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Of a message, or of a round trip.
    each: f64,
    cpu: f64,
    /// Of one processor, over the same time.
    cpu_percent: f64,
    percentiles: Option<[f64; 2]>,
}

impl Part {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a part has far less than 2^52 messages"
    )]
    pub(super) fn new(
        count: u64,
        wall: Duration,
        cpu: Duration,
        percentiles: Option<Percentiles>,
    ) -> Self {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        Self {
            each: each(wall),
            cpu: each(cpu),
            cpu_percent: 100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
            percentiles: percentiles.map(|found| [found.p50 / 1e3, found.p99 / 1e3]),
        }
    }

    /// How many messages take about `time`.
    #[expect(
        clippy::cast_sign_loss,
        reason = "both are positive, and the quotient is far below 2^52"
    )]
    pub(super) fn count_within(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * 1e6 / self.each) as u64
    }
}

/// All rounds of one kind of work: in each, a part for every way.
#[derive(Debug)]
pub(super) struct Line {
    work: Work,
    rounds: Vec<Vec<Part>>,
}

impl Line {
    pub(super) fn new(work: Work) -> Self {
        Self {
            work,
            rounds: Vec::new(),
        }
    }

    /// Takes a round.
    pub(super) fn count(&mut self, round: Vec<Part>) {
        self.rounds.push(round);
    }

    fn median(&self, figure: impl Fn(&[Part]) -> f64) -> f64 {
        median(&self.rounds.iter().map(|it| figure(it)).collect::<Vec<_>>())
    }

    /// What a way showed: medians of the rounds, and of the rounds' ratios to TCP by itself.
    fn shown(&self, way: usize) -> Shown {
        Shown {
            each: self.median(|round| round[way].each),
            cpu: self.median(|round| round[way].cpu),
            cpu_percent: self.median(|round| round[way].cpu_percent),
            percentiles: [0, 1].map(|which| {
                self.median(|round| round[way].percentiles.map_or(f64::NAN, |it| it[which]))
            }),
            times: self.median(|round| round[way].each / round[0].each),
            times_cpu: self.median(|round| round[way].cpu / round[0].cpu),
        }
    }
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
struct Shown {
    each: f64,
    cpu: f64,
    cpu_percent: f64,
    percentiles: [f64; 2],
    times: f64,
    times_cpu: f64,
}

pub(super) fn print_heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<11} {:>6}  {:<27} {:>8} {:>8} {:>8} {:>9}   {:>8} {:>6}   times TCP's time, processor time",
        "work", "bytes", "way", "us", "p50", "p99", "MB/s", "cpu us", "cpu %"
    )
}

pub(super) fn print(line: &Line, json: bool, output: &mut impl Write) -> io::Result<()> {
    let bytes = line.work.size();
    for (index, way) in WAYS.into_iter().enumerate() {
        let shown = line.shown(index);
        let per_second = megabytes(line.work, shown.each);
        if json {
            let [p50, p99] = shown.percentiles.map(number);
            let value = json!({
                "row": super::NAME,
                "work": line.work.name(),
                "bytes": bytes,
                "way": way.name(),
                "rounds": line.rounds.len(),
                "us": shown.each,
                "p50_us": p50,
                "p99_us": p99,
                "megabytes_per_second": number(per_second),
                "cpu_us": shown.cpu,
                "cpu_percent": shown.cpu_percent,
                "times": shown.times,
                "times_cpu": shown.times_cpu,
            });
            writeln!(output, "{value}")?;
            continue;
        }
        let [p50, p99] = shown.percentiles;
        writeln!(
            output,
            "{:<11} {bytes:>6}  {:<27} {:>8.1} {:>8} {:>8} {:>9}   {:>8.1} {:>6.0}   {:.2}, {:.2}",
            line.work.name(),
            way.name(),
            shown.each,
            cell(p50, 1),
            cell(p99, 1),
            cell(per_second, 0),
            shown.cpu,
            shown.cpu_percent,
            shown.times,
            shown.times_cpu,
        )?;
    }
    Ok(())
}

/// Of what goes one way.
#[expect(clippy::cast_precision_loss, reason = "sizes are small")]
fn megabytes(work: Work, each: f64) -> f64 {
    match work {
        Work::RoundTrip => f64::NAN,
        Work::OneWay => work.size() as f64 / each,
    }
}

/// What there is no figure for is `null`.
fn number(figure: f64) -> Value {
    if figure.is_nan() {
        Value::Null
    } else {
        json!(figure)
    }
}

fn cell(figure: f64, digits: usize) -> String {
    if figure.is_nan() {
        String::new()
    } else {
        format!("{figure:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_compared_round_by_round() {
        let part = |each: f64| {
            let wall = Duration::from_secs_f64(each);
            Part::new(1_000_000, wall, 2 * wall, None)
        };
        let mut line = Line::new(Work::OneWay);
        // The machine is slower in each round, for all alike.
        for slow in [1.0, 2.0, 4.0] {
            line.count(vec![part(slow), part(3.0 * slow), part(2.0 * slow)]);
        }
        let shown = [0, 1, 2].map(|way| line.shown(way));
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
        assert!(near(shown[0].times, 1.0) && near(shown[1].times, 3.0));
        assert!(near(shown[2].times_cpu, 2.0) && near(shown[2].cpu_percent, 200.0));
        assert!(near(shown[1].each, 6.0) && shown[1].percentiles[0].is_nan());
        let mut json = Vec::new();
        print(&line, true, &mut json).unwrap();
        let text = String::from_utf8(json).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.contains("\"p50_us\":null")));
    }
}
