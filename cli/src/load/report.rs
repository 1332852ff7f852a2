//! What a load came to, for people and for programs.

use std::io::{self, Write};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::faults::Happened;
use super::tally::{Outcome, Tally};

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) tally: &'a Tally,
    /// From the start to when nothing more was waited for.
    pub(crate) seconds: f64,
    /// From the start to the last reply.
    pub(crate) reply_seconds: f64,
    pub(crate) clients: u64,
    /// Processor time of the clients, in seconds.
    pub(crate) cpu: f64,
    /// The same of the service, where the kernel tells.
    pub(crate) service_cpu: Option<f64>,
    pub(crate) happened: Option<Happened>,
}

/// Percentiles in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    p9999: u64,
    max: u64,
    mean: f64,
}

impl Spread {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: histogram.max(),
            mean: histogram.mean(),
        })
    }
}

#[derive(Serialize)]
struct Json {
    due: u64,
    answered: u64,
    failed: u64,
    errors: serde_json::Map<String, serde_json::Value>,
    trouble: Option<String>,
    clients: u64,
    kills: Option<u64>,
    stops: Option<u64>,
    seconds: f64,
    reply_seconds: f64,
    per_second: f64,
    bytes_per_second: f64,
    latency_ns: Option<Spread>,
    service_ns: Option<Spread>,
    late_ns: Option<Spread>,
    all_due_latency_ns: Option<Spread>,
    cpu_seconds: f64,
    service_cpu_seconds: Option<f64>,
}

impl Report<'_> {
    fn answered(&self) -> u64 {
        self.tally.count(Outcome::Answered)
    }

    /// Over the time in which there were replies: what was waited for in vain behind the last one makes no service slower.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.reply_seconds.max(1e-9)
    }

    fn errors(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        let all = Outcome::ALL.into_iter().skip(1);
        all.map(|outcome| (outcome, self.tally.count(outcome)))
    }

    /// One object on a line.
    pub(crate) fn print_json(&self, output: &mut impl Write) -> io::Result<()> {
        let json = Json {
            due: self.tally.total(),
            answered: self.answered(),
            failed: self.tally.total() - self.answered(),
            errors: self
                .errors()
                .map(|(outcome, count)| (outcome.name().to_owned(), count.into()))
                .collect(),
            trouble: self.tally.trouble.clone(),
            clients: self.clients,
            kills: self.happened.map(|happened| happened.kills),
            stops: self.happened.map(|happened| happened.stops),
            seconds: self.seconds,
            reply_seconds: self.reply_seconds,
            per_second: self.per_second(self.answered()),
            bytes_per_second: self.per_second(self.tally.bytes),
            latency_ns: Spread::of(&self.tally.latency),
            service_ns: Spread::of(&self.tally.service),
            late_ns: Spread::of(&self.tally.late),
            all_due_latency_ns: Spread::of(&self.tally.all),
            cpu_seconds: self.cpu,
            service_cpu_seconds: self.service_cpu,
        };
        writeln!(output, "{}", serde_json::to_string(&json)?)
    }

    /// A few lines.
    pub(crate) fn print(&self, output: &mut impl Write) -> io::Result<()> {
        let total = self.tally.total();
        writeln!(
            output,
            "{total} requests were due to {} clients; {} answered, {} not",
            self.clients,
            self.answered(),
            total - self.answered()
        )?;
        for (outcome, count) in self.errors().filter(|(_, count)| *count > 0) {
            writeln!(output, "{count:>12}  {}", outcome.meaning())?;
        }
        if let Some(why) = &self.tally.trouble {
            writeln!(output, "a client could not connect for a while: {why}")?;
        }
        if let Some(happened) = self.happened {
            let Happened { kills, stops } = happened;
            writeln!(
                output,
                "{kills} clients killed and replaced, {stops} stopped for a while"
            )?;
        }
        writeln!(
            output,
            "{:.0} replies/s and {:.2} MB/s, over the {:.2} s to the last reply; {:.2} s in all",
            self.per_second(self.answered()),
            self.per_second(self.tally.bytes) / 1e6,
            self.reply_seconds,
            self.seconds
        )?;
        writeln!(
            output,
            "{:<34}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "us, of the answered", "p50", "p90", "p99", "p99.9", "p99.99", "max"
        )?;
        for (name, histogram) in [
            ("latency, from when it was due", &self.tally.latency),
            ("service, from when it was sent", &self.tally.service),
            ("sent late by", &self.tally.late),
            ("latency of all due, at least", &self.tally.all),
        ] {
            if let Some(spread) = Spread::of(histogram) {
                write!(output, "{name:<34}")?;
                let values = [
                    spread.p50,
                    spread.p90,
                    spread.p99,
                    spread.p999,
                    spread.p9999,
                    spread.max,
                ];
                for value in values {
                    #[expect(clippy::cast_precision_loss, reason = "for people")]
                    let micros = value as f64 / 1000.0;
                    write!(output, "{micros:>10.1}")?;
                }
                writeln!(output)?;
            }
        }
        let service = self.service_cpu.map_or_else(
            || "not to be had".to_owned(),
            |seconds| format!("{seconds:.2} s"),
        );
        writeln!(
            output,
            "processor time: clients {:.2} s, service {service}",
            self.cpu
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tally::Record;

    #[test]
    fn both_forms_tell_the_unanswered_and_the_time_to_the_last_reply() {
        let mut tally = Tally::new();
        for number in 0..3 {
            tally.add(&Record::answered(1_000_000, number, number, number + 1000));
        }
        tally.add(&Record::failed(Outcome::NoReply, 0, 5_000_000_000));
        let report = Report {
            tally: &tally,
            seconds: 10.0,
            reply_seconds: 0.5,
            clients: 1,
            cpu: 0.0,
            service_cpu: None,
            happened: None,
        };
        let mut text = Vec::new();
        report.print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("6 replies/s and 6.00 MB/s, over the 0.50 s to the last reply"),
            "{text}"
        );
        let row = |name| text.lines().find(|line: &&str| line.starts_with(name));
        assert!(row("latency of all due").is_some_and(|row| row.contains("500")));
        assert!(row("us, of the answered").is_some());
        let mut json = Vec::new();
        report.print_json(&mut json).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["per_second"], 6.0);
        assert_eq!(
            (&json["seconds"], &json["reply_seconds"]),
            (&10.0.into(), &0.5.into())
        );
        assert!(json["latency_ns"]["max"].as_u64().unwrap() < 2000);
        assert!(json["all_due_latency_ns"]["max"].as_u64().unwrap() >= 4_990_000_000);
        assert!(json["all_due_latency_ns"]["p50"].as_u64().unwrap() < 2000);
    }
}
