//! Reading along: lane by lane, as often as there is something, until there is no more or enough.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use ringway::schema::Schema;

use super::csv::{self, Table};
use super::pace::{Lost, Nap, Teller};
use super::render::{Frame, Message, json_line, lost_line, messages, text_line};
use crate::exit::Failure;

/// How often the listener is asked for new connections.
const REFRESH: Duration = Duration::from_millis(200);
/// The most frames of one lane before the others have their turn.
const TURN: usize = 256;

/// The next frame of a lane, but for its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) position: u64,
    pub(crate) kind: u16,
    /// Where there are several.
    pub(crate) priority: Option<usize>,
}

/// One direction of a connection, as it is read along.
pub(crate) trait Lane {
    /// The number of the connection.
    fn connection(&self) -> u64;
    /// `from-client` or `to-client`.
    fn direction(&self) -> &'static str;
    fn schema(&self) -> Option<&Schema>;
    fn codec(&self) -> u32;
    /// The next frame, whose payload is then in `payload`. Never waits. An error ends this lane alone.
    fn try_recv(&mut self, payload: &mut Vec<u8>) -> Result<Option<Next>, String>;
    fn lost(&self) -> Lost;
    /// Its connection has ended, and what was left was read.
    fn is_over(&self) -> bool;
}

/// Where lanes come from, and the time.
pub(crate) trait Source {
    type Lane: Lane;
    /// Asks for new connections. False: the listener is gone.
    fn refresh(&mut self) -> Result<bool, Failure>;
    /// Those that are known. Whoever reads may remove some, and these do not come back.
    fn lanes(&mut self) -> &mut Vec<Self::Lane>;
    fn now(&self) -> Instant;
    fn sleep(&mut self, time: Duration);
}

/// How frames are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A line for people.
    Text,
    /// A line of JSON.
    Json,
    /// A table of one kind of message.
    Csv,
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) format: Format,
    /// At most so many messages.
    pub(crate) count: Option<u64>,
    /// This direction alone.
    pub(crate) direction: Option<&'static str>,
    /// The message with this name or number alone.
    pub(crate) kind: Option<String>,
    /// Until then at most.
    pub(crate) until: Option<Instant>,
}

impl Wanted {
    fn takes(&self, lane: &impl Lane) -> bool {
        self.direction.is_none_or(|only| only == lane.direction())
    }
}

/// Shows frames on `out`, and says on `err` what was lost.
///
/// # Errors
/// What the source answers, output that cannot be written, or two kinds of message for one table.
pub(crate) fn watch<S: Source>(
    source: &mut S,
    wanted: &Wanted,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let mut shown = Shown {
        wanted,
        table: Table::default(),
        met: BTreeSet::new(),
        frames: 0,
        messages: 0,
    };
    let (mut nap, mut teller, mut gone) = (Nap::new(), Teller::default(), Lost::default());
    let mut payload = Vec::new();
    let (mut listens, mut next) = (true, source.now() + REFRESH);
    let lost = loop {
        let mut some = false;
        let mut lost = gone;
        let mut failed = Vec::new();
        for (place, lane) in source.lanes().iter_mut().enumerate() {
            if !wanted.takes(lane) {
                continue;
            }
            shown.meet(lane, out)?;
            for _ in 0..TURN {
                match lane.try_recv(&mut payload) {
                    Ok(Some(next)) => {
                        some = true;
                        shown.frame(lane, next, &payload, out, err)?;
                    }
                    Ok(None) => break,
                    Err(why) => {
                        let (connection, direction) = (lane.connection(), lane.direction());
                        tell(err, &format!("connection {connection}, {direction}: {why}"));
                        failed.push(place);
                        break;
                    }
                }
                if shown.enough() {
                    break;
                }
            }
            lost = plus(lost, lane.lost());
        }
        if let Some(lost) = teller.tell(lost, source.now()) {
            say(wanted, lost, out, err)?;
        }
        let mut place = 0;
        source.lanes().retain(|lane| {
            let ends = lane.is_over() || failed.contains(&place);
            place += 1;
            if ends && wanted.takes(lane) {
                gone = plus(gone, lane.lost());
            }
            // One that nobody wants is not read, and so never over: it would keep the memory of both sides.
            !ends && wanted.takes(lane)
        });
        let now = source.now();
        let over = !listens && source.lanes().is_empty();
        if over || shown.enough() || wanted.until.is_some_and(|until| now >= until) {
            break lost;
        }
        if listens && now >= next {
            listens = source.refresh()?;
            next = now + REFRESH;
        }
        if some {
            nap.found();
        } else {
            out.flush()?;
            source.sleep(nap.nothing());
        }
    };
    if teller.rest(lost) && wanted.format == Format::Json {
        writeln!(out, "{}", lost_line(lost))?;
    }
    out.flush()?;
    let (frames, messages) = (shown.frames, shown.messages);
    let Lost {
        frames: missed,
        bytes,
    } = lost;
    let words = format!(
        "{messages} messages in {frames} frames shown; {missed} frames ({bytes} bytes) lost"
    );
    tell(err, &words);
    Ok(())
}

fn plus(one: Lost, other: Lost) -> Lost {
    Lost {
        frames: one.frames.saturating_add(other.frames),
        bytes: one.bytes.saturating_add(other.bytes),
    }
}

/// Standard error may be closed; that is no reason to end.
fn tell(err: &mut impl Write, words: &str) {
    let _ = writeln!(err, "ringway tap: {words}");
}

fn say(
    wanted: &Wanted,
    lost: Lost,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), Failure> {
    let Lost { frames, bytes } = lost;
    tell(err, &format!("{frames} frames ({bytes} bytes) lost so far"));
    if wanted.format == Format::Json {
        writeln!(out, "{}", lost_line(lost))?;
    }
    Ok(())
}

struct Shown<'a> {
    wanted: &'a Wanted,
    table: Table,
    met: BTreeSet<(u64, &'static str)>,
    frames: u64,
    messages: u64,
}

impl Shown<'_> {
    fn enough(&self) -> bool {
        self.wanted
            .count
            .is_some_and(|count| self.messages >= count)
    }

    /// A lane that is new may begin a table, or not belong into it.
    fn meet(&mut self, lane: &impl Lane, out: &mut impl Write) -> Result<(), Failure> {
        let new = self.met.insert((lane.connection(), lane.direction()));
        if !new || self.wanted.format != Format::Csv {
            return Ok(());
        }
        // What is encoded has no columns.
        let schema = lane.schema().filter(|_| lane.codec() == 0);
        if let Some(header) = self.table.admit(schema, self.wanted.kind.as_deref())? {
            writeln!(out, "{header}")?;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        lane: &impl Lane,
        next: Next,
        payload: &[u8],
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> Result<(), Failure> {
        if self.enough() {
            return Ok(());
        }
        let (connection, direction) = (lane.connection(), lane.direction());
        let frame = Frame {
            connection,
            direction,
            position: next.position,
            kind: next.kind,
            priority: next.priority,
            payload,
        };
        let messages = messages(lane.schema(), lane.codec(), &frame);
        if !messages
            .first()
            .is_some_and(|message| self.wants(message, next.kind))
        {
            return Ok(());
        }
        self.frames += 1;
        for message in &messages {
            if self.enough() {
                break;
            }
            let line = match self.wanted.format {
                Format::Text => text_line(&frame, message),
                Format::Json => json_line(&frame, message),
                Format::Csv => {
                    let Some(row) = self.table.row(&frame, message) else {
                        let line = text_line(&frame, message);
                        tell(err, &format!("no row of the table: {line}"));
                        continue;
                    };
                    row
                }
            };
            writeln!(out, "{line}")?;
            self.messages += 1;
        }
        Ok(())
    }

    fn wants(&self, message: &Message<'_, '_>, number: u16) -> bool {
        self.wanted
            .kind
            .as_deref()
            .is_none_or(|kind| match message.record {
                Some(record) => csv::is(record, kind),
                None => kind.parse() == Ok(number),
            })
    }
}
