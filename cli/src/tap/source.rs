//! The library's tap, as the source of lanes.

use std::fmt::Display;
use std::io::{self, BufWriter};
use std::mem;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;
use ringway::schema::Schema;
use ringway::{Direction, Error, ErrorKind, Tap, TapLane};

use super::args::TapArgs;
use super::idle::yield_to_all;
use super::pace::Lost;
use super::watch::{Lane, Next, Source, watch};
use crate::exit::{self, Code, Failure};
use crate::observer::failed;
use crate::standard::remark;

/// Runs the command.
pub(crate) fn run(args: &TapArgs) -> ExitCode {
    exit::report("tap", tap(args))
}

fn tap(args: &TapArgs) -> Result<(), Failure> {
    crate::standard::output()?;
    if args.is_idle() {
        if let Some(words) = yield_to_all() {
            remark("tap", &words);
        }
    }
    let tap = args.observer.tap().map_err(|error| failed(&error))?;
    let who = identity(&tap)?;
    if let Some(words) = unknown(&tap, args.kind()) {
        remark("tap", &words);
    }
    let mut live = Live::new(tap, who)?;
    let mut out = BufWriter::new(io::stdout());
    watch(&mut live, &args.wanted(), &mut out, &mut io::stderr())
}

/// The counters of the process that answers: a file of its own, whatever its number is here.
fn identity(tap: &Tap) -> io::Result<(u64, u64)> {
    let status = fstat(tap.observed().counters())?;
    Ok((status.st_dev, status.st_ino))
}

/// What is to be said of a message that the listener does not know, if it says what it knows. A client that comes may know it.
fn unknown(tap: &Tap, kind: Option<&str>) -> Option<String> {
    let (kind, observed) = (kind?, tap.observed());
    let known = [observed.sends()?, observed.expects()?].map(|schema| schema.records.iter());
    let mut names = Vec::new();
    for record in known.into_iter().flatten() {
        if super::csv::is(record, kind) {
            return None;
        }
        names.push(format!("{} ({})", &*record.name, record.kind));
    }
    let words = format!(
        "the listener knows no message {kind:?}: it knows {}",
        names.join(", ")
    );
    Some(crate::text::harmless(&words))
}

/// The lanes that are read, and a thread that asks for more of them: an answer may take long to come, and what is not read meanwhile is lost.
struct Live {
    lanes: Vec<TapLane>,
    questions: Sender<()>,
    answers: Receiver<Answer>,
    /// Whether an answer is to come.
    asked: bool,
    /// Whether it was told that new connections are not seen.
    told: bool,
}

/// What a question finds.
enum Answer {
    /// New ones, and why there may be more.
    Lanes(Vec<TapLane>, Option<Error>),
    /// Another process listens there now.
    Another,
}

const SILENT: &str = "the listener does not answer now, so new connections are not seen: it answers while it accepts, or by Listener::attend";

/// What is missing where a question about new connections has no answer. Those that are known go on, and so do their lanes.
#[derive(Debug, PartialEq, Eq)]
enum Lack {
    /// It is about something else, as one is that does not accept just now.
    Answer,
    /// It has no room for an observer, which may be over by the next question.
    Room,
    /// It ended just now, which the next question tells, or had no time to answer.
    Word,
    /// It is gone: connections outlive the listener that made them. Or another is there, since the one before let us read along.
    Listener,
    /// What is there now is no listener, or cannot be asked.
    Sense,
}

impl Lack {
    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::TimedOut => Self::Answer,
            ErrorKind::Resources | ErrorKind::Busy => Self::Room,
            ErrorKind::PeerGone => Self::Word,
            ErrorKind::NotFound | ErrorKind::Feature | ErrorKind::UidRefused => Self::Listener,
            _ => Self::Sense,
        }
    }
}

impl Live {
    /// `who`: the process that is read along.
    fn new(mut tap: Tap, who: (u64, u64)) -> io::Result<Self> {
        let lanes = mem::take(tap.lanes());
        let (questions, asked) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        thread::Builder::new()
            .name("ringway-tap".to_owned())
            .spawn(move || {
                for () in asked {
                    let refreshed = tap.refresh();
                    let lanes = mem::take(tap.lanes());
                    let told = match identity(&tap) {
                        Ok(now) if now != who => answer.send(Answer::Another),
                        // It tells of a few at a time: those before an error are told of no more.
                        _ => answer.send(Answer::Lanes(lanes, refreshed.err())),
                    };
                    if told.is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            lanes,
            questions,
            answers,
            asked: false,
            told: false,
        })
    }

    /// Once, and not of each question.
    fn tell(&mut self, words: &dyn Display) {
        if !mem::replace(&mut self.told, true) {
            remark("tap", words);
        }
    }
}

impl Source for Live {
    type Lane = TapLane;

    fn refresh(&mut self) -> Result<bool, Failure> {
        let gone = || Failure::new(Code::Failed, "the thread that asks has ended");
        if !self.asked {
            self.questions.send(()).map_err(|_| gone())?;
            self.asked = true;
        }
        let answer = match self.answers.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return Ok(true),
            Err(TryRecvError::Disconnected) => return Err(gone()),
        };
        self.asked = false;
        let error = match answer {
            Answer::Another => return Ok(false),
            Answer::Lanes(lanes, error) => {
                self.lanes.extend(lanes);
                error
            }
        };
        let Some(error) = error else { return Ok(true) };
        match Lack::of(error.kind()) {
            Lack::Answer => self.tell(&SILENT),
            Lack::Room => self.tell(&format!("new connections are not seen now: {error}")),
            Lack::Word => {}
            Lack::Listener => return Ok(false),
            Lack::Sense => {
                remark(
                    "tap",
                    &format!("no new connections are seen from now on: {error}"),
                );
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn lanes(&mut self) -> &mut Vec<TapLane> {
        &mut self.lanes
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&mut self, time: Duration) {
        thread::sleep(time);
    }
}

impl Lane for TapLane {
    fn connection(&self) -> u64 {
        TapLane::connection(self)
    }
    fn direction(&self) -> &'static str {
        match TapLane::direction(self) {
            Direction::FromClient => "from-client",
            Direction::ToClient => "to-client",
        }
    }
    fn schema(&self) -> Option<&Schema> {
        TapLane::schema(self)
    }
    fn codec(&self) -> u32 {
        TapLane::codec(self)
    }
    fn try_recv(&mut self, payload: &mut Vec<u8>) -> Result<Option<Next>, String> {
        let frame = TapLane::try_recv(self, payload).map_err(|error| error.to_string())?;
        let several = self.priorities() > 1;
        Ok(frame.map(|frame| Next {
            position: frame.position,
            kind: frame.kind,
            priority: several.then_some(frame.priority),
        }))
    }
    fn lost(&self) -> Lost {
        let lost = TapLane::lost(self);
        Lost {
            frames: lost.frames,
            bytes: lost.bytes,
        }
    }
    fn is_over(&self) -> bool {
        TapLane::is_over(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_by_its_kind() {
        for (kind, lack) in [
            (ErrorKind::TimedOut, Lack::Answer),
            (ErrorKind::Resources, Lack::Room),
            (ErrorKind::Busy, Lack::Room),
            (ErrorKind::PeerGone, Lack::Word),
            (ErrorKind::NotFound, Lack::Listener),
            (ErrorKind::Feature, Lack::Listener),
            (ErrorKind::UidRefused, Lack::Listener),
            (ErrorKind::Malformed, Lack::Sense),
            (ErrorKind::Io, Lack::Sense),
        ] {
            assert_eq!(Lack::of(kind), lack, "{kind:?}");
        }
    }
}
