//! The jitter that was found: a table, a histogram as text, the same as a chart.

use std::io::{self, Write};

use hdrhistogram::Histogram;
use serde_json::json;

use super::Variant;
use crate::bench::chart::{Axis, Chart, Series, label};

/// Gaps from this length on are interruptions, in nanoseconds.
const GAP: u64 = 10_000;

const QUANTILES: [(&str, f64); 4] = [
    ("p50", 0.5),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
];

/// One object for each variant.
pub(super) fn print_json(variants: &[Variant], output: &mut impl Write) -> io::Result<()> {
    for variant in variants {
        let spread = |histogram: &Histogram<u64>| {
            let at = |quantile| histogram.value_at_quantile(quantile);
            json!({
                "count": histogram.len(), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999),
                "p9999": at(0.9999), "max": histogram.max(),
                "buckets": octaves(histogram),
            })
        };
        let object = json!({
            "options": variant.name,
            "round_trip_ns": spread(&variant.trips),
            "poll_ns": spread(&variant.polls),
            "poll_gaps_over_10_us": variant.polls.count_between(GAP, u64::MAX),
            "minor_faults": variant.thread.minor_faults,
            "major_faults": variant.thread.major_faults,
            "sleeps": variant.thread.sleeps,
            "preemptions": variant.thread.preemptions,
            "interrupts": variant.host.interrupts,
            "stolen_ticks": variant.host.stolen,
            "cpu_percent": Some(variant.cpu_percent()).filter(|percent| percent.is_finite()),
            "rounds": variant.rounds,
            "remark": variant.remark,
            "note": variant.note,
        });
        writeln!(output, "{object}")?;
    }
    Ok(())
}

/// The table and the histograms.
pub(super) fn print(variants: &[Variant], output: &mut impl Write) -> io::Result<()> {
    for (title, pick) in LOOPS {
        writeln!(output, "\n{title}")?;
        write!(output, "{:<10}{:>12}", "options", "count")?;
        for (name, _) in QUANTILES {
            write!(output, "{name:>10}")?;
        }
        writeln!(
            output,
            "{:>10}{:>10}{:>14}",
            "max", "> 10 us", "p99.9 to none"
        )?;
        for variant in variants {
            let histogram = pick(variant);
            write!(output, "{:<10}{:>12}", variant.name, histogram.len())?;
            for (_, quantile) in QUANTILES {
                write!(
                    output,
                    "{:>10}",
                    time(histogram.value_at_quantile(quantile))
                )?;
            }
            let gaps = histogram.count_between(GAP, u64::MAX);
            let effect = effect(histogram, variants.first().map(pick));
            writeln!(
                output,
                "{:>10}{gaps:>10}{effect:>14}",
                time(histogram.max())
            )?;
        }
        print_octaves(variants, pick, output)?;
    }
    writeln!(
        output,
        "\nWhat interrupted us (both threads; interrupts and stolen time of all processors)\n{:<10}{:>7}{:>8}{:>8}{:>8}{:>9}{:>12}{:>12}  most of them",
        "options", "cpu %", "minor", "major", "sleeps", "preempt", "interrupts", "stolen ms"
    )?;
    for variant in variants {
        let thread = variant.thread;
        let or_dash =
            |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        writeln!(
            output,
            "{:<10}{:>7}{:>8}{:>8}{:>8}{:>9}{:>12}{:>12}  {}",
            variant.name,
            Some(variant.cpu_percent())
                .filter(|percent| percent.is_finite())
                .map_or_else(|| "-".to_owned(), |percent| format!("{percent:.0}")),
            thread.minor_faults,
            thread.major_faults,
            thread.sleeps,
            thread.preemptions,
            or_dash(variant.host.total()),
            // A tick is a hundredth of a second for every program, whatever the kernel's own is.
            or_dash(variant.host.stolen.map(|ticks| ticks * 10)),
            causes(variant),
        )?;
        for words in [&variant.note, &variant.remark].into_iter().flatten() {
            writeln!(output, "{:10}{words}", "")?;
        }
    }
    Ok(())
}

/// How many times what is seen without any option it is.
#[expect(clippy::cast_precision_loss, reason = "for people")]
fn effect(histogram: &Histogram<u64>, none: Option<&Histogram<u64>>) -> String {
    let at = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.999) as f64;
    match none.map(at) {
        Some(none) if none > 0.0 && !histogram.is_empty() => {
            format!("{:.2}x", at(histogram) / none)
        }
        _ => "-".to_owned(),
    }
}

type Pick = fn(&Variant) -> &Histogram<u64>;

const LOOPS: [(&str, Pick); 2] = [
    ("Round trips of 64 bytes, both sides spinning", |variant| {
        &variant.trips
    }),
    (
        "From one look at an empty ring to the next, both sides (one in a millisecond makes two system calls of our own)",
        |variant| &variant.polls,
    ),
];

/// The two most frequent interrupts.
fn causes(variant: &Variant) -> String {
    let mut all: Vec<_> = variant.host.interrupts.iter().flatten().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let named = all
        .iter()
        .take(2)
        .map(|(what, count)| format!("{what} {count}"));
    named.collect::<Vec<_>>().join(", ")
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn time(nanos: u64) -> String {
    label(Axis::Nanoseconds, nanos as f64)
}

/// From which power of two on there are how many.
fn octaves(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut counts = [0u64; 64];
    for step in histogram.iter_recorded() {
        let value = step.value_iterated_to().max(1);
        counts[value.ilog2() as usize] += step.count_at_value();
    }
    let from = |(power, count): (usize, u64)| (count > 0).then_some((1u64 << power, count));
    counts.into_iter().enumerate().filter_map(from).collect()
}

/// A row for each power of two, a column for each variant: the count, and a mark for each of its digits.
fn print_octaves(variants: &[Variant], pick: Pick, output: &mut impl Write) -> io::Result<()> {
    let columns: Vec<Vec<(u64, u64)>> = variants
        .iter()
        .map(|variant| octaves(pick(variant)))
        .collect();
    let mut rows: Vec<u64> = columns.iter().flatten().map(|(from, _)| *from).collect();
    rows.sort_unstable();
    rows.dedup();
    write!(output, "{:>9}", "from")?;
    for variant in variants {
        write!(output, "{:>19}", variant.name)?;
    }
    writeln!(output)?;
    for row in rows {
        write!(output, "{:>9}", time(row))?;
        for column in &columns {
            let count = column
                .iter()
                .find(|(from, _)| *from == row)
                .map_or(0, |(_, count)| *count);
            let digits = count
                .checked_ilog10()
                .map_or(0, |digits| digits as usize + 1);
            write!(
                output,
                "{:>9} {:<9}",
                if count > 0 {
                    count.to_string()
                } else {
                    ".".to_owned()
                },
                "#".repeat(digits)
            )?;
        }
        writeln!(output)?;
    }
    Ok(())
}

/// Bars of a chart in an octave.
const STEPS: f64 = 4.0;

/// The same as charts, in finer steps.
pub(super) fn charts(variants: &[Variant]) -> Vec<Chart> {
    LOOPS
        .iter()
        .map(|(title, pick)| Chart {
            title: (*title).to_owned(),
            x: (Axis::Nanoseconds, "time"),
            y: (Axis::Count, "count"),
            series: variants
                .iter()
                .enumerate()
                .map(|(colour, variant)| Series {
                    name: variant.name.to_owned(),
                    points: steps(pick(variant)),
                    dashed: false,
                    colour,
                })
                .collect(),
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn steps(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut first = None;
    for step in histogram.iter_recorded() {
        let value = step.value_iterated_to().max(1) as f64;
        let number = (value.log2() * STEPS).floor();
        let first = *first.get_or_insert(number);
        // Steps without a value are there too: as gaps in the line.
        #[expect(clippy::cast_sign_loss, reason = "values come in order")]
        let index = (number - first) as usize;
        while points.len() <= index {
            let number = first + points.len() as f64;
            points.push(((number / STEPS).exp2(), 0.0));
        }
        points[index].1 += step.count_at_value() as f64;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::jitter::kernel::{Host, Thread};

    fn variant() -> Variant {
        let mut variant =
            Variant::new("none", crate::bench::jitter::member::Options::default()).unwrap();
        for value in [100, 100, 130, 5_000_000] {
            variant.trips.saturating_record(value);
        }
        variant.polls.saturating_record(20);
        variant.thread = Thread {
            minor_faults: 77,
            cpu_micros: 1_500,
            ..Thread::default()
        };
        variant.wall_micros = 2_000;
        variant.remark = Some("as a test".to_owned());
        variant.host = Host {
            interrupts: Some([("timer".to_owned(), 12)].into()),
            stolen: Some(3),
        };
        variant
    }

    #[test]
    fn every_value_is_in_one_octave() {
        let found = octaves(&variant().trips);
        assert_eq!(&found[..2], &[(64, 2), (128, 1)]);
        assert_eq!(found.iter().map(|(_, count)| count).sum::<u64>(), 4);
        let points = steps(&variant().trips);
        assert!((points.iter().map(|point| point.1).sum::<f64>() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_later_failure_does_not_deny_what_was_measured() {
        let mut variant = variant();
        variant.failed(&"forbidden");
        assert_eq!(variant.note.as_deref(), Some("not measured: forbidden"));
        variant.rounds = 2;
        variant.failed(&"forbidden");
        let note = variant.note.unwrap();
        assert!(note.contains("2 rounds only") && !note.contains("not measured"));
    }

    #[test]
    fn the_report_has_what_was_found() {
        let mut text = Vec::new();
        print(&[variant()], &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for word in [
            "p99.99",
            "77",
            "timer 12",
            "30",
            "none",
            "150",
            "1.00x",
            "as a test",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let mut text = Vec::new();
        print_json(&[variant()], &mut text).unwrap();
        let object: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(object["minor_faults"], 77);
        assert_eq!(object["round_trip_ns"]["count"], 4);
        assert_eq!(charts(&[variant()]).len(), 2);
    }
}
