//! `ringway list` and `ringway inspect`: what those who listen let others see of them.
//!
//! Both ask as observers: they get counters and schemas, and not a byte of payload. A listener answers while it accepts, so one that does
//! something else for long does not.

mod json;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;

use clap::Args;
use ringway::codec::{Format, MessagePack, Postcard, Protobuf};
use ringway::schema::Schema;
use ringway::{Address, ConnectionCounters, ErrorKind, LaneCounters, Observed};

use crate::exit::{self, Failure};
use crate::observer::{ObserverArgs, asking, failed, process, seconds};
use crate::schema;

/// List those who listen under a name of this user, with their peers, messages and counters.
#[derive(Debug, Args)]
#[command(after_help = exit::LIST_TABLE)]
pub(crate) struct ListArgs {
    /// How long to wait for the answer of each, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, value_parser = crate::options::parse_seconds)]
    wait: f64,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Show the messages and the counters of one who listens.
#[derive(Debug, Args)]
#[command(after_help = exit::INSPECT_TABLE)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    observer: ObserverArgs,
    /// Show the counters again every so many seconds, until interrupted or until the process has ended.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", value_parser = crate::options::parse_seconds)]
    watch: Option<f64>,
    /// Print one JSON object per line: one for each look.
    #[arg(long)]
    json: bool,
}

pub(crate) fn list(args: &ListArgs) -> ExitCode {
    exit::report("list", list_all(args, &mut io::stdout()))
}

pub(crate) fn inspect(args: &InspectArgs) -> ExitCode {
    exit::report("inspect", show(args, &mut io::stdout()))
}

fn list_all(args: &ListArgs, output: &mut impl Write) -> Result<(), Failure> {
    crate::standard::output()?;
    let config = asking(args.wait);
    let names = Address::names().map_err(|error| failed(&error))?;
    if !args.json {
        writeln!(
            output,
            "{:<24} {:>8} {:>5} {:>5} {:>14} {:>14}  messages",
            "name", "process", "peers", "lanes", "frames in", "frames out"
        )?;
    }
    for name in names {
        match config.observe(name.as_str()) {
            Ok(observed) if args.json => {
                json::listed(&name, &observed, &connections(&observed)?, output)?;
            }
            Ok(observed) => line(&name, &observed, output)?,
            // Left behind by a process that was killed: nobody is there.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if args.json => json::silent(&name, &error, output)?,
            Err(error) => writeln!(output, "{name:<24} {:>8}        {error}", "?")?,
        }
    }
    Ok(())
}

fn line(name: &str, observed: &Observed, output: &mut impl Write) -> Result<(), Failure> {
    let connections = connections(observed)?;
    let sum = |count: fn(&ConnectionCounters) -> u64| sum(connections.iter().map(count));
    writeln!(
        output,
        "{name:<24} {:>8} {:>5} {:>5} {:>14} {:>14}  {} / {}",
        process(observed),
        connections.len(),
        range(lanes(&connections)),
        sum(|connection| connection.receives.frames),
        sum(|connection| connection.sends.frames),
        messages(observed.expects()),
        messages(observed.sends()),
    )?;
    Ok(())
}

fn connections(observed: &Observed) -> Result<Vec<ConnectionCounters>, Failure> {
    observed.connections().map_err(|error| failed(&error))
}

/// How many lanes a direction has: the least and the most of all connections.
fn lanes(connections: &[ConnectionCounters]) -> Option<(usize, usize)> {
    let counts = || connections.iter().map(|connection| connection.lanes);
    counts().min().zip(counts().max())
}

fn range(lanes: Option<(usize, usize)>) -> String {
    match lanes {
        Some((least, most)) if least < most => format!("{least}-{most}"),
        Some((_, most)) => most.to_string(),
        None => "-".to_owned(),
    }
}

/// How messages become bytes.
fn codec(number: u32) -> String {
    let known = [
        (Postcard::ID, Postcard::NAME),
        (MessagePack::ID, MessagePack::NAME),
        (Protobuf::ID, Protobuf::NAME),
    ];
    match known.iter().find(|(id, _)| *id == number) {
        _ if number == 0 => "0, as messages lie in memory".to_owned(),
        Some((id, name)) => format!("{id}, {name}"),
        None => format!("{number}, which is not known here"),
    }
}

/// Whoever is observed may have written any numbers.
fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

fn messages(schema: Option<&Schema>) -> String {
    let Some(schema) = schema else {
        return "bytes".to_owned();
    };
    if schema.records.is_empty() {
        return "nothing".to_owned();
    }
    let names: Vec<&str> = schema.records.iter().map(|record| &*record.name).collect();
    names.join(", ")
}

fn show(args: &InspectArgs, output: &mut impl Write) -> Result<(), Failure> {
    crate::standard::output()?;
    let observed = args.observer.observe().map_err(|error| failed(&error))?;
    if !args.json {
        fields(&observed, output)?;
    }
    for schema in [observed.expects(), observed.sends()].into_iter().flatten() {
        schema::warn("inspect", schema);
    }
    loop {
        let all = connections(&observed)?;
        if args.json {
            let uncounted = observed.counters().uncounted();
            let uncounted = uncounted.map_err(|error| failed(&error))?;
            json::shown(&observed, &all, uncounted, output)?;
        } else {
            counters(&all, output)?;
        }
        let Some(every) = args.watch else {
            return Ok(());
        };
        thread::sleep(seconds(every, 0.01));
        if ended(&observed) {
            if !args.json {
                writeln!(output, "\nthe process has ended")?;
            }
            return Ok(());
        }
    }
}

/// What it receives and sends.
fn fields(observed: &Observed, output: &mut impl Write) -> Result<(), Failure> {
    writeln!(output, "codec {}", codec(observed.codec()))?;
    for (what, schema) in [
        ("receives", observed.expects()),
        ("sends", observed.sends()),
    ] {
        writeln!(output, "{what} {}", messages(schema))?;
        for record in schema.iter().flat_map(|schema| schema.records.iter()) {
            write!(output, "{}", schema::described(record))?;
        }
    }
    Ok(())
}

/// A process that has ended leaves its counters standing. Where the kernel does not tell of its end, its number does, as far as it has one here.
fn ended(observed: &Observed) -> bool {
    observed.has_ended().unwrap_or_else(|| {
        observed.peer().pid.is_some_and(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            // Behind the name in parentheses, which may hold anything, comes the state.
            stat.map_or(true, |stat| {
                stat.rsplit(')')
                    .next()
                    .is_some_and(|rest| rest.starts_with(" Z"))
            })
        })
    })
}

fn counters(all: &[ConnectionCounters], output: &mut impl Write) -> Result<(), Failure> {
    writeln!(output, "\n{} connections", all.len())?;
    if !all.is_empty() {
        writeln!(
            output,
            "{:>8} {:>9} {:>12} {:>14} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            "peer",
            "",
            "frames",
            "bytes",
            "high water",
            "waits",
            "sleeps",
            "wakes",
            "refused",
            "expired",
            "codec ns"
        )?;
    }
    for connection in all {
        let peer = connection
            .peer_pid
            .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
        half(
            &peer,
            "receives",
            &connection.receives,
            connection.lanes,
            output,
        )?;
        half("", "sends", &connection.sends, connection.lanes, output)?;
    }
    output.flush()?;
    Ok(())
}

fn half(
    peer: &str,
    what: &str,
    lane: &LaneCounters,
    lanes: usize,
    output: &mut impl Write,
) -> Result<(), Failure> {
    writeln!(
        output,
        "{peer:>8} {what:<9} {:>12} {:>14} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
        lane.frames,
        lane.bytes,
        lane.high_water,
        lane.waits,
        lane.sleeps,
        lane.wakes,
        sum([lane.refused, lane.dropped]),
        lane.expired,
        mean(lane)
    )?;
    if lanes > 1 {
        // Of the sums above it, what each priority has.
        for (priority, one) in lane.by_priority.iter().take(lanes).enumerate() {
            writeln!(
                output,
                "{:>18} {:>12} {:>14}",
                format!("priority {priority}"),
                one.frames,
                one.bytes
            )?;
        }
    }
    Ok(())
}

/// What it takes to encode a message (of the half that sends) or to decode one, on the average of those that were timed.
fn mean(lane: &LaneCounters) -> String {
    match lane.codec_nanos.checked_div(lane.codec_samples) {
        Some(nanos) => nanos.to_string(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ringway::LaneCounters;

    #[test]
    fn what_was_not_timed_has_no_mean() {
        let mut lane = LaneCounters::default();
        assert_eq!(super::mean(&lane), "-");
        (lane.codec_samples, lane.codec_nanos) = (4, 403);
        assert_eq!(super::mean(&lane), "100");
    }

    #[test]
    fn lanes_are_one_number_where_all_have_as_many() {
        assert_eq!(super::range(super::lanes(&[])), "-");
        assert_eq!(super::range(Some((2, 2))), "2");
        assert_eq!(super::range(Some((1, 4))), "1-4");
    }

    #[test]
    fn a_sum_of_any_numbers_is_one() {
        assert_eq!(super::sum([1, 2, 3]), 6);
        assert_eq!(super::sum([u64::MAX, 1]), u64::MAX);
    }
}
