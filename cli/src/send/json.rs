//! `ringway send NAME --json`: messages that are made of lines of JSON, by the schema of whoever listens.
//!
//! There is no mark of the end here, which belongs to the copy of bytes: the connection is closed behind the last message. What the listener
//! answers is read, so that it never waits for us, and discarded.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use ringway::schema::{Record, Schema};
use ringway::{Connection, Observed, RecvError, SendError};

use super::{GLANCE, NAP, SendArgs, patiently, read_retried};
use crate::copy;
use crate::exit::{Code, Failure};
use crate::json::{self, Tree};
use crate::standard::remark;
use crate::text::harmless;

/// What is read at once.
const CHUNK: usize = 64 << 10;
/// How long a full ring is waited for before the listener's answers are looked at again.
const TURN: Duration = Duration::from_millis(50);

pub(super) fn send(args: &SendArgs, input: &File) -> Result<(), Failure> {
    let cure = "start the program that takes the messages";
    let config = args.connection.messages(args.capacity);
    let config = config.lanes(args.priority + 1);
    let observed = patiently(args, cure, |patience| {
        let config = config.clone().handshake_timeout(patience);
        config.observe(args.connection.address())
    })?;
    let schema = expected(args.connection.name(), &observed)?;
    let chosen = match &args.kind {
        Some(kind) => Some(named(schema, kind)?),
        None => match &*schema.records {
            [record] => Some(record),
            _ => None,
        },
    };
    let config = config.sends(schema.clone()).huge_pages(args.huge_pages);
    let mut connection = patiently(args, cure, |patience| {
        let config = config.clone().handshake_timeout(patience);
        config.connect(args.connection.address())
    })?;
    let priority = args.priority;
    connection
        .sender()
        .at(priority)
        .map(drop)
        .map_err(|error| Failure::new(Code::Failed, error))?;
    let life = args
        .expires_in
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    lines(&mut connection, input, schema, chosen, (priority, life))
}

/// What the listener takes, if that can be made of JSON.
fn expected<'a>(name: &str, observed: &'a Observed) -> Result<&'a Schema, Failure> {
    let wrong = |words: String| Err(Failure::new(Code::Failed, words));
    let codec = observed.codec();
    if codec != 0 {
        return wrong(format!(
            "whoever listens under {name:?} takes messages that are encoded by codec {codec}; `--json` makes messages as they lie in memory (codec 0)"
        ));
    }
    match observed.expects() {
        None => wrong(format!(
            "whoever listens under {name:?} takes bytes without a schema, so nothing says what to make of JSON; `ringway send {name}` without `--json` sends bytes"
        )),
        Some(schema) if schema.records.is_empty() => {
            wrong(format!("whoever listens under {name:?} takes no messages"))
        }
        Some(schema) => Ok(schema),
    }
}

/// The record with that name or number.
fn named<'a>(schema: &'a Schema, kind: &str) -> Result<&'a Record, Failure> {
    let number = kind.parse().ok();
    let mut records = schema.records.iter();
    let found = records.find(|record| &*record.name == kind || Some(record.kind) == number);
    found.ok_or_else(|| {
        let words = format!("the listener takes no message {kind:?}: {}", names(schema));
        Failure::new(Code::Usage, words)
    })
}

fn names(schema: &Schema) -> String {
    let records = schema.records.iter();
    let names = records.map(|record| format!("{} ({})", &*record.name, record.kind));
    format!("it takes {}", names.collect::<Vec<_>>().join(", "))
}

/// Sends each line as one frame.
fn lines(
    connection: &mut Connection,
    input: &File,
    schema: &Schema,
    chosen: Option<&Record>,
    (priority, life): (usize, Option<Duration>),
) -> Result<(), Failure> {
    let mut lines = Lines::new(input);
    let (mut number, mut sent, mut late) = (0u64, 0u64, 0u64);
    while let Some(line) = lines.next(|| wait_for_input(connection, input, sent), sent)? {
        number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let made = message(schema, chosen, line);
        let (kind, payload) = made.map_err(|what| {
            let words = format!("line {number}: {what}; {sent} messages had been sent");
            Failure::new(Code::Failed, harmless(&words))
        })?;
        // A moment that no clock can say never comes.
        let expires = life.and_then(|life| Instant::now().checked_add(life));
        if put(
            connection,
            (priority, kind),
            &payload,
            expires,
            number,
            sent,
        )? {
            sent += 1;
        } else {
            late += 1;
        }
    }
    if late > 0 {
        remark(
            "send",
            &format_args!(
                "{late} messages were not sent, since they would have expired before they are read"
            ),
        );
    }
    Ok(())
}

/// The kind and the payload of a line's frame.
fn message(
    schema: &Schema,
    chosen: Option<&Record>,
    line: &[u8],
) -> Result<(u16, Vec<u8>), String> {
    let tree: Tree = serde_json::from_slice(line).map_err(|error| {
        // The line of the input is told instead of serde's, which is always the first.
        let (text, column) = (error.to_string(), error.column());
        let what = text.split(" at line ").next().unwrap_or_default();
        format!("this is no JSON: {what} at column {column}")
    })?;
    let (record, fields) = match (chosen, &tree) {
        (Some(record), tree) => (record, tree),
        (None, Tree::Object(entries)) if entries.len() == 1 => {
            let (name, fields) = &entries[0];
            let mut records = schema.records.iter();
            let record = records.find(|record| *record.name == **name);
            let record = record
                .ok_or_else(|| format!("the listener takes no {name:?}: {}", names(schema)))?;
            (record, fields)
        }
        _ => {
            let takes = names(schema);
            return Err(format!(
                "an object with one key, the message's name, is expected, or `--kind`: {takes}"
            ));
        }
    };
    let payload = json::encode(record, fields).map_err(|wrong| wrong.to_string())?;
    Ok((record.kind, payload))
}

/// Sends a frame, and goes on reading what the listener answers meanwhile: it may wait for that before it reads on. Returns whether it was sent, or
/// would have expired.
fn put(
    connection: &mut Connection,
    (priority, kind): (usize, u16),
    payload: &[u8],
    expires: Option<Instant>,
    line: u64,
    sent: u64,
) -> Result<bool, Failure> {
    loop {
        look(connection, sent)?;
        let until = Instant::now() + TURN;
        let sender = connection.sender().at(priority);
        let outcome = sender.and_then(|mut sender| match expires {
            None => sender.send_kind_deadline(kind, payload, until),
            Some(expires) => sender.try_send_kind_expiring(kind, payload, expires),
        });
        match outcome {
            Ok(()) => return Ok(true),
            Err(SendError::TimedOut) => {}
            Err(SendError::Full) => std::thread::sleep(NAP),
            Err(SendError::Expired | SendError::QueueTooLong) => return Ok(false),
            Err(SendError::TooLarge { max: most, .. }) => {
                let bytes = payload.len();
                let words = format!(
                    "line {line}: a message of {bytes} bytes, where {most} fit into the ring; a larger `--capacity` takes more, if the listener grants it; {sent} messages had been sent"
                );
                return Err(Failure::new(Code::Failed, words));
            }
            Err(error) => return Err(copy::sending_ended(error, &fate(sent))),
        }
    }
}

fn fate(sent: u64) -> String {
    format!("{sent} messages had been sent, and how many of them were read is not known")
}

/// Discards what the listener says, and hears whether it is still there. That it sends nothing any more is no end of ours.
fn look(connection: &mut Connection, sent: u64) -> Result<(), Failure> {
    loop {
        match connection.receiver().try_recv() {
            Ok(_) => {}
            Err(RecvError::Empty | RecvError::Closed) => break,
            Err(error) => return Err(copy::receiving_failed(error, "listener", &fate(sent))),
        }
    }
    let check = connection.sender().check();
    check.map_err(|error| copy::sending_ended(error, &fate(sent)))
}

/// Waits for input and looks at the listener meanwhile.
fn wait_for_input(connection: &mut Connection, input: &File, sent: u64) -> Result<(), Failure> {
    loop {
        let mut entry = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut entry, PollTimeout::from(GLANCE)) {
            Ok(0) => look(connection, sent)?,
            Err(nix::errno::Errno::EINTR) => {}
            // What cannot be polled is readable at once, or fails in `read` with a better error.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
}

/// The lines of a file, read without waiting for more than there is.
struct Lines<'a> {
    input: &'a File,
    buffer: Vec<u8>,
    /// Where the next line begins, and how far no end of it was found.
    begin: usize,
    looked: usize,
    over: bool,
}

impl<'a> Lines<'a> {
    fn new(input: &'a File) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            begin: 0,
            looked: 0,
            over: false,
        }
    }

    /// The next line; `wait` returns when there is something to read.
    fn next(
        &mut self,
        mut wait: impl FnMut() -> Result<(), Failure>,
        sent: u64,
    ) -> Result<Option<&[u8]>, Failure> {
        loop {
            let fresh = &self.buffer[self.looked..];
            let end = fresh.iter().position(|&byte| byte == b'\n');
            let end = end.map(|end| self.looked + end + 1);
            let last = (self.over && self.begin < self.buffer.len()).then_some(self.buffer.len());
            if let Some(end) = end.or(last) {
                let begin = std::mem::replace(&mut self.begin, end);
                self.looked = end;
                return Ok(Some(&self.buffer[begin..end]));
            }
            if self.over {
                return Ok(None);
            }
            self.buffer.drain(..std::mem::take(&mut self.begin));
            self.looked = self.buffer.len();
            self.buffer.resize(self.looked + CHUNK, 0);
            let got = wait().and_then(|()| {
                read_retried(&mut self.input, &mut self.buffer[self.looked..]).map_err(|error| {
                    let words = format!(
                        "cannot read standard input: {error}; {sent} messages had been sent"
                    );
                    Failure::new(Code::Failed, words)
                })
            });
            self.buffer
                .truncate(self.looked + got.as_ref().unwrap_or(&0));
            self.over = got? == 0;
        }
    }
}
