//! A line for each way to wait: Ringway beside the same by hand.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::Seen;

/// What all kills of one way showed.
#[derive(Debug)]
pub(super) struct Line {
    name: &'static str,
    way: &'static str,
    /// The most that the 99th percentile may be; `None`: it is shown, and nothing is promised.
    most: Option<Duration>,
    ours: Column,
    by_hand: Column,
}

#[derive(Debug, Default)]
struct Column {
    times: Vec<Duration>,
    cpu: Duration,
    wall: Duration,
}

impl Column {
    fn count(&mut self, seen: Seen) {
        self.times.push(seen.time);
        self.times.sort_unstable();
        self.cpu += seen.cpu;
        self.wall += seen.wall;
    }

    /// In microseconds; the highest one, rather than one below, where the percentile falls between two.
    fn at(&self, percent: usize) -> f64 {
        let rank = (self.times.len() * percent).div_ceil(100);
        let time = rank.checked_sub(1).and_then(|rank| self.times.get(rank));
        time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }

    fn cpu_percent(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}

impl Line {
    pub(super) fn new(name: &'static str, way: &'static str, most: Option<Duration>) -> Self {
        Self {
            name,
            way,
            most,
            ours: Column::default(),
            by_hand: Column::default(),
        }
    }

    pub(super) fn count(&mut self, ours: Seen, by_hand: Seen) {
        self.ours.count(ours);
        self.by_hand.count(by_hand);
    }

    pub(super) fn has_target(&self) -> bool {
        self.most.is_some()
    }

    /// Nothing that was not measured is met.
    pub(super) fn met(&self) -> bool {
        self.most
            .is_none_or(|most| self.ours.at(99) <= most.as_secs_f64() * 1e6)
    }
}

pub(super) fn print_heading(output: &mut impl Write) -> io::Result<()> {
    writeln!(
        output,
        "{:<22}{:>9}{:>9}{:>9}{:>7}   {:>9}{:>9}{:>9}{:>7}  {:>6}  {:<12}us from the kill; cpu of who waits",
        "Ringway; by hand",
        "p50",
        "p99",
        "max",
        "cpu %",
        "p50",
        "p99",
        "max",
        "cpu %",
        "p50 x",
        "target",
    )
}

pub(super) fn print(line: &Line, json: bool, output: &mut impl Write) -> io::Result<()> {
    let (ours, by_hand) = (&line.ours, &line.by_hand);
    let ratio = ours.at(50) / by_hand.at(50);
    if json {
        let column = |column: &Column| json!({"p50_us": column.at(50), "p99_us": column.at(99), "max_us": column.at(100), "cpu_percent": column.cpu_percent()});
        let object = json!({
            "name": line.name,
            "way": line.way,
            "kills": ours.times.len(),
            "ringway": column(ours),
            "by_hand": column(by_hand),
            "ratio": ratio,
            "target_p99_us": line.most.map(|most| most.as_secs_f64() * 1e6),
            "met": line.has_target().then_some(line.met()),
        });
        writeln!(output, "{object}")?;
    } else {
        write!(output, "{:<22}", line.way)?;
        for column in [ours, by_hand] {
            write!(
                output,
                "{:>9.0}{:>9.0}{:>9.0}{:>7.1}   ",
                column.at(50),
                column.at(99),
                column.at(100),
                column.cpu_percent()
            )?;
        }
        let target = line.most.map_or("none".to_owned(), |most| {
            let verdict = if line.met() { "met" } else { "MISS" };
            format!("p99 <= {} ms {verdict}", most.as_millis())
        });
        writeln!(output, "{ratio:>5.2}  {target}")?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(micros: u64) -> Seen {
        Seen {
            time: Duration::from_micros(micros),
            cpu: Duration::from_micros(10),
            wall: Duration::from_micros(40),
        }
    }

    #[test]
    fn what_is_not_promised_is_no_miss_and_not_met_either() {
        let mut line = Line::new("death", "as a test", None);
        line.count(seen(60_000), seen(50));
        assert!(line.met() && !line.has_target());
        let mut text = Vec::new();
        print(&line, false, &mut text).unwrap();
        print(&line, true, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("  none\n"), "{text}");
        assert!(text.contains("\"met\":null"), "{text}");
        assert!(text.contains("\"target_p99_us\":null"), "{text}");
    }

    #[test]
    fn one_late_answer_of_a_hundred_is_the_maximum_and_two_are_the_percentile() {
        let mut line = Line::new("death", "as a test", Some(Duration::from_millis(10)));
        assert!(!line.met(), "nothing was measured");
        for _ in 0..99 {
            line.count(seen(100), seen(50));
        }
        line.count(seen(20_000), seen(50));
        assert!(line.met());
        let near = |found: f64, wanted: f64| (found - wanted).abs() < 1e-6;
        assert!(near(line.ours.at(99), 100.0) && near(line.ours.at(100), 20_000.0));
        assert!(near(line.ours.cpu_percent(), 25.0));
        line.count(seen(20_000), seen(50));
        assert!(!line.met());
        let mut text = Vec::new();
        print(&line, false, &mut text).unwrap();
        print(&line, true, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(" 2.00  p99 <= 10 ms MISS"), "{text}");
        assert!(
            text.contains("\"kills\":101") && text.contains("\"met\":false"),
            "{text}"
        );
    }
}
