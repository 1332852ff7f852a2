//! `ringway send NAME`: standard input, through a named connection, to the `ringway recv` that waits there; with `--json`, messages to any listener.

mod json;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use ringway::{Connection, ErrorKind};

use crate::copy::{self, END, PIECE};
use crate::exit::{self, Code, Failure};
use crate::options::{ConnectionArgs, deadline_after, parse_bytes, parse_seconds, patience};
use crate::progress::Progress;
use crate::standard::{self, remark};

/// How often a name that is not there yet is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// How often an idle input is left alone to see whether the receiver is still there, in milliseconds.
const GLANCE: u16 = 250;
/// How long the look at the receiver takes.
const NAP: Duration = Duration::from_millis(1);

/// Sends standard input to the `ringway recv` that listens under NAME, and ends once all of it was written there; or messages, with `--json`.
#[derive(Debug, Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Size of the ring that the stream goes through, in bytes: a power of two from 4096, or with a suffix (64K, 4M, 1G). With
    /// `--huge-pages` it is 2M unless given.
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = parse_bytes)]
    #[arg(default_value_if("huge_pages", "true", "2M"))]
    capacity: usize,
    /// Put that ring on huge pages of 2 MiB; `ringway doctor` says how many are free.
    #[arg(long)]
    huge_pages: bool,
    /// How long to try until somebody listens under NAME and answers; 0 tries once, and gives a second for the answer.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    wait: f64,
    /// Send messages to a listener that takes typed ones, made of standard input by its schema: one object of JSON a line, whose keys are the
    /// names of the fields. Of a listener that takes several messages a line is an object with one key, the message's name: {"Quote": {...}}.
    #[arg(long)]
    json: bool,
    /// With --json: every line has the fields of this message, which is given by its name or its number.
    #[arg(long, value_name = "NAME_OR_NUMBER", requires = "json")]
    kind: Option<String>,
    /// With --json: send at this priority, 0 to 3, of which 0 is served first. The listener must have so many (`Config::lanes`).
    #[arg(long, value_name = "NUMBER", requires = "json", default_value_t = 0, value_parser = parse_priority)]
    priority: usize,
    /// With --json: each message expires so long after its line was read. A receiver may drop what has expired; what would expire before it is read is not sent, and counted.
    #[arg(long, value_name = "SECONDS", requires = "json", value_parser = parse_seconds)]
    expires_in: Option<f64>,
}

fn parse_priority(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(priority) if priority < 4 => Ok(priority),
        _ => Err("give a number from 0 to 3".into()),
    }
}

/// Runs the command.
pub(crate) fn run(args: &SendArgs) -> ExitCode {
    exit::report("send", send(args))
}

fn send(args: &SendArgs) -> Result<(), Failure> {
    standard::input()?;
    // A duplicate, so that bytes go from the kernel into the ring without the buffer of `std::io::stdin`.
    let input = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| exit::no_descriptor("cannot use standard input", &error))?;
    if args.json {
        return json::send(args, &input);
    }
    let cure = format!("start `ringway recv {}`", args.connection.name());
    let mut connection = patiently(args, &cure, |patience| {
        let config = args.connection.sending(args.capacity);
        let config = config.huge_pages(args.huge_pages);
        config
            .handshake_timeout(patience)
            .connect(args.connection.address())
    })?;
    let granted = connection.sender().capacity();
    if granted < args.capacity && !args.connection.quiet {
        // Not `ringway recv`, which takes any size.
        let asked = args.capacity;
        remark(
            "send",
            &format_args!(
                "the receiver granted a ring of {granted} bytes instead of {asked}; its `max_capacity` is the limit"
            ),
        );
    }
    let total = input
        .metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)
        .map(|status| status.len());
    if io::stdin().is_terminal() && !args.connection.quiet {
        remark("send", &"sending what you type; Ctrl-D ends it");
    }
    let progress = Progress::new(args.connection.quiet, total);
    let outcome = stream(&mut connection, &input, &progress);
    progress.finish();
    outcome
}

/// Asks or connects, again and again until somebody listens or the patience ends, which each attempt is told; `cure` says who should.
fn patiently<T>(
    args: &SendArgs,
    cure: &str,
    attempt: impl Fn(Duration) -> Result<T, ringway::Error>,
) -> Result<T, Failure> {
    let deadline = deadline_after(args.wait);
    loop {
        let error = match attempt(patience(deadline)) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        // A receiver that has its sender closes the door on whoever came second, or tells it so; another may follow.
        if !matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PeerGone | ErrorKind::Busy
        ) {
            let silent = error.kind() == ErrorKind::TimedOut;
            let code = if silent {
                Code::NobodyThere
            } else {
                Code::Failed
            };
            return Err(Failure::new(code, error));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let (name, seconds) = (args.connection.name(), args.wait);
            let words = if error.kind() == ErrorKind::Busy {
                format!(
                    "whoever listens under {name:?} takes no more clients, and did not for {seconds} s"
                )
            } else {
                format!("nobody listened under {name:?} for {seconds} s ({error}); {cure}")
            };
            return Err(Failure::new(Code::NobodyThere, words));
        }
        std::thread::sleep(RETRY);
    }
}

/// Moves the whole input, says where it ends, and waits for the receiver to say that all of it was written.
///
/// Returning early drops the connection without the mark of the end, which tells the receiver that its copy is incomplete.
fn stream(
    connection: &mut Connection,
    mut input: &File,
    progress: &Progress,
) -> Result<(), Failure> {
    let piece = connection.sender().max_payload().min(PIECE);
    let mut sent = 0;
    loop {
        wait_for_input(connection, input.as_fd(), sent)?;
        let mut reservation = connection
            .sender()
            .reserve(piece)
            .map_err(|error| copy::sending_failed(error, sent))?;
        let count = read_retried(&mut input, &mut reservation).map_err(|error| {
            Failure::new(
                Code::Failed,
                format!("cannot read standard input: {error}; {sent} bytes had been sent"),
            )
        })?;
        if count == 0 {
            // Dropping the reservation takes it back.
            break;
        }
        reservation.commit_len(count);
        sent += count as u64;
        progress.add(count as u64);
    }
    let mark = copy::end_mark(sent);
    let mut reservation = connection
        .sender()
        .reserve(mark.len())
        .map_err(|error| copy::sending_failed(error, sent))?;
    reservation.copy_from_slice(&mark);
    reservation.kind(END).commit();
    confirm(connection, sent)
}

/// Waits until the receiver says that its output took everything.
fn confirm(connection: &mut Connection, sent: u64) -> Result<(), Failure> {
    let fate = format!("all {sent} bytes had been sent, but it never said that it wrote them");
    let frame = connection
        .receiver()
        .recv()
        .map_err(|error| copy::receiving_failed(error, "receiver", &fate))?;
    if frame.kind() != END {
        return Err(copy::unknown_kind(frame.kind()));
    }
    copy::check_end_mark(&frame.to_vec(), sent)
}

/// Waits for input and watches the receiver meanwhile, so that a sender whose input is silent learns of its death.
fn wait_for_input(
    connection: &mut Connection,
    input: BorrowedFd<'_>,
    sent: u64,
) -> Result<(), Failure> {
    loop {
        let mut entry = [PollFd::new(input, PollFlags::POLLIN)];
        match nix::poll::poll(&mut entry, PollTimeout::from(GLANCE)) {
            Ok(0) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            // What cannot be polled is readable at once, or fails in `read` with a better error.
            Ok(_) | Err(_) => return Ok(()),
        }
        // Only a receive that really sleeps, if briefly, hears from the kernel that the receiver is gone. Before the end the
        // receiver has nothing to say.
        match connection.receiver().recv_deadline(Instant::now() + NAP) {
            Ok(frame) => return Err(copy::unknown_kind(frame.kind())),
            Err(ringway::RecvError::Empty | ringway::RecvError::TimedOut) => {}
            Err(error) => {
                let fate = format!(
                    "{sent} bytes had been sent, and how many of them were written is not known"
                );
                return Err(copy::receiving_failed(error, "receiver", &fate));
            }
        }
    }
}

fn read_retried(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
