//! `ringway bench codecs`: what it costs to encode a message and to decode it, beside one that travels as it lies in memory.
//!
//! Encoding and decoding are timed in this process, all formats by turns in each round ([`in_place`] says what that means where nothing is encoded);
//! the round trip between two pinned processes, as any row is. The figure is the median of the rounds.

mod in_place;
mod records;
mod trip;

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use ringway::codec::{Codec, Format, MessagePack, Postcard, Protobuf};
use serde::{Deserialize, Serialize};

use super::crew::{Crew, Meeting};
use super::meter::median;
use super::placement::Placement;
use super::rounds::Effort;
use super::task::Task;
use super::work::Pass;
use super::{Failure, placement};
use crate::exit;
use in_place::{InPlace, Lanes};
use records::{Book, FlatOrder, Order, Sample};

pub(super) use trip::make;

/// The name that asks for this in place of rows.
pub(super) const NAME: &str = "codecs";

/// What it measures, for `--list`.
pub(super) const ABOUT: &str =
    "(only when named) messages encoded and decoded, by format: bytes, ns, and a round trip";

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    Flat,
    Postcard,
    MessagePack,
    Protobuf,
}

/// What the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// Ten fields.
    Order,
    /// Two fields and a list of twenty levels.
    Book,
}

/// Messages that are encoded or decoded between two readings of the clock.
const BATCH: u32 = 1000;

/// One format and one message, as they are timed in this process.
struct Trial {
    form: Form,
    shape: Shape,
    name: &'static str,
    /// Bytes of an encoded message.
    bytes: usize,
    /// Times one batch of encodings and one of decodings, ns per message.
    time: Box<dyn FnMut() -> Result<[f64; 2], Failure>>,
    encode: Vec<f64>,
    decode: Vec<f64>,
}

impl Trial {
    fn new<C, T>(form: Form, shape: Shape) -> Result<Self, Failure>
    where
        C: Format + Codec<T> + 'static,
        T: Sample + PartialEq + 'static,
    {
        let message = T::sample();
        let bytes = encoded::<C, T>(&message)?;
        let back = C::decode(&bytes).map_err(|error| error.to_string())?;
        if back != message {
            return Err("a message is not what was encoded".into());
        }
        Ok(Self {
            form,
            shape,
            name: C::NAME,
            bytes: bytes.len(),
            time: Box::new(time::<C, T>),
            encode: Vec::new(),
            decode: Vec::new(),
        })
    }

    fn in_place<T: InPlace>(shape: Shape, meeting: &mut Meeting) -> Result<Self, Failure> {
        let mut lanes = Lanes::<T>::new(&[meeting.address(), meeting.address()])?;
        Ok(Self {
            form: Form::Flat,
            shape,
            name: "zero-copy",
            bytes: lanes.size(),
            time: Box::new(move || lanes.round()),
            encode: Vec::new(),
            decode: Vec::new(),
        })
    }

    fn round(&mut self) -> Result<(), Failure> {
        let [encode, decode] = (self.time)()?;
        self.encode.push(encode);
        self.decode.push(decode);
        Ok(())
    }
}

fn encoded<C: Codec<T>, T>(message: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    C::encode(message, &mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn time<C: Codec<T>, T: Sample>() -> Result<[f64; 2], Failure> {
    let message = T::sample();
    let mut bytes = encoded::<C, T>(&message)?;
    let started = Instant::now();
    for _ in 0..BATCH {
        bytes.clear();
        C::encode(black_box(&message), &mut bytes).map_err(|error| error.to_string())?;
        black_box(&mut bytes);
    }
    let encode = started.elapsed();
    let started = Instant::now();
    for _ in 0..BATCH {
        let message = C::decode(black_box(&bytes)).map_err(|error| error.to_string())?;
        black_box(message);
    }
    let decode = started.elapsed();
    Ok([encode, decode].map(|time| time.as_secs_f64() * 1e9 / f64::from(BATCH)))
}

fn trials(meeting: &mut Meeting) -> Result<Vec<Trial>, Failure> {
    Ok(vec![
        Trial::in_place::<FlatOrder>(Shape::Order, meeting)?,
        Trial::new::<Postcard, Order>(Form::Postcard, Shape::Order)?,
        Trial::new::<Protobuf, Order>(Form::Protobuf, Shape::Order)?,
        Trial::new::<MessagePack, Order>(Form::MessagePack, Shape::Order)?,
        Trial::in_place::<Book>(Shape::Book, meeting)?,
        Trial::new::<Postcard, Book>(Form::Postcard, Shape::Book)?,
        Trial::new::<Protobuf, Book>(Form::Protobuf, Shape::Book)?,
        Trial::new::<MessagePack, Book>(Form::MessagePack, Shape::Book)?,
    ])
}

/// One line of the result.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    message: Shape,
    size: usize,
    encode: f64,
    decode: f64,
    /// Encode and decode together, in units of the zero-copy message's.
    ratio: f64,
    round_trip: Option<f64>,
    unit: &'static str,
    rounds: usize,
    cpu_seconds: f64,
    placement: String,
}

/// Runs the comparison and prints it.
pub(super) fn run(
    effort: &Effort,
    json: bool,
    meeting: &mut Meeting,
    output: &mut impl Write,
) -> Result<(), exit::Failure> {
    let failed = |error: Failure| exit::Failure::new(exit::Code::Failed, error);
    let mut trials = trials(meeting).map_err(failed)?;
    // The first round is not counted: caches, allocator and clock frequency settle.
    for round in 0..=effort.rounds {
        for trial in &mut trials {
            trial.round().map_err(failed)?;
            if round == 0 {
                trial.encode.clear();
                trial.decode.clear();
            }
        }
    }
    let pair = Placement::two_cores();
    if !json {
        placement::print_heading(output, &placement::describe())?;
        writeln!(
            output,
            "{:<8} {:<17} {:>6} {:>11} {:>11} {:>8} {:>14}",
            "message", "format", "bytes", "encode ns", "decode ns", "ratio", "round trip ns"
        )?;
    }
    let mut base = f64::NAN;
    for trial in &trials {
        let (encode, decode) = (median(&trial.encode), median(&trial.decode));
        if trial.form == Form::Flat {
            base = encode + decode;
        }
        let trip = match pair {
            Some(pair) => Some(round_trip(trial, pair, effort, meeting).map_err(failed)?),
            None => None,
        };
        let line = Line {
            name: trial.name,
            message: trial.shape,
            size: trial.bytes,
            encode,
            decode,
            ratio: (encode + decode) / base,
            round_trip: trip.map(|(nanos, _)| nanos),
            unit: "ns",
            rounds: effort.rounds,
            cpu_seconds: trip.map_or(0.0, |(_, cpu)| cpu),
            placement: pair.map_or_else(String::new, |pair| pair.to_string()),
        };
        print(&line, json, output)?;
    }
    Ok(())
}

fn print(line: &Line, json: bool, output: &mut impl Write) -> Result<(), exit::Failure> {
    if json {
        let text = serde_json::to_string(line)
            .map_err(|error| exit::Failure::new(exit::Code::Failed, error))?;
        writeln!(output, "{text}")?;
        return Ok(());
    }
    let message = match line.message {
        Shape::Order => "order",
        Shape::Book => "book",
    };
    let trip = line
        .round_trip
        .map_or_else(|| "-".to_owned(), |nanos| format!("{nanos:.0}"));
    writeln!(
        output,
        "{message:<8} {:<17} {:>6} {:>11.1} {:>11.1} {:>7.1}x {trip:>14}",
        line.name, line.size, line.encode, line.decode, line.ratio,
    )?;
    Ok(())
}

/// The median of the rounds, ns, and the processor time of both processes in all of them, seconds.
fn round_trip(
    trial: &Trial,
    pair: Placement,
    effort: &Effort,
    meeting: &mut Meeting,
) -> Result<(f64, f64), Failure> {
    let task = Task::Codec(trial.form, trial.shape);
    let mut crew = Crew::start(task, pair, &meeting.address())?;
    crew.run(Pass::Check, 100)?;
    crew.size_batches(effort.batch, Pass::Batch)?;
    let (mut times, mut cpu) = (Vec::new(), 0.0);
    for _ in 0..effort.rounds {
        let batch = crew.batch(Pass::Batch, 1)?;
        times.push(batch.nanos());
        cpu += batch.cpu_nanos / 1e9;
    }
    Ok((median(&times), cpu))
}
