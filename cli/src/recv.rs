//! `ringway recv NAME`: waits under a name for one `ringway send` and writes what it sends to standard output.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use ringway::{Connection, Listener};

use crate::answering::Answering;
use crate::copy::{self, BYTES, END, PIECE};
use crate::exit::{self, Code, Failure};
use crate::interruption::Interruption;
use crate::options::{ConnectionArgs, deadline_after, parse_seconds};
use crate::progress::Progress;
use crate::standard::{self, remark};

/// Waits under NAME for one `ringway send` and writes what it sends to standard output.
#[derive(Debug, Args)]
#[command(after_help = exit::TABLE)]
pub(crate) struct RecvArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// How long to wait for a sender; without it, for ever.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    wait: Option<f64>,
    /// Let `ringway tap` read along, for processes of this user.
    #[arg(long)]
    allow_tap: bool,
    /// Known only to say where it belongs.
    #[arg(long, hide = true, value_name = "BYTES", value_parser = sender_chooses)]
    capacity: Option<std::convert::Infallible>,
}

fn sender_chooses(_: &str) -> Result<std::convert::Infallible, String> {
    Err("the sender chooses the size of the ring: `ringway send NAME --capacity BYTES`".into())
}

/// Runs the command.
pub(crate) fn run(args: &RecvArgs) -> ExitCode {
    exit::report("recv", receive(args))
}

fn receive(args: &RecvArgs) -> Result<(), Failure> {
    standard::output()?;
    // A duplicate, to write whole pieces past the line buffer of `std::io::stdout`.
    let output = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .map_err(|error| exit::no_descriptor("cannot use standard output", &error))?;
    let (mut connection, answering) = accept(args)?;
    // A bar would be drawn across what a terminal shows.
    let progress = Progress::new(args.connection.quiet || output.is_terminal(), None);
    let outcome = stream(&mut connection, &output, &progress);
    progress.finish();
    drop(answering);
    outcome
}

/// Listens until one sender is there. The name is free again when this returns, whatever it returns; or, where a tap is allowed, when what
/// answers is dropped or the process is interrupted.
fn accept(args: &RecvArgs) -> Result<(Connection, Option<Answering>), Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(Code::Failed, error);
    // While the name exists an interruption must remove it. Afterwards a signal does what it always does, and the sender
    // learns that we died.
    let interruption = Interruption::watch()?;
    let deadline = args.wait.and_then(deadline_after);
    let accepted = args
        .connection
        .receiving()
        .allow_tap(args.allow_tap)
        .bind(args.connection.address())
        .map_err(|error| wrong(&error))
        .and_then(|mut listener| {
            let connection = wait_for_sender(&mut listener, &interruption, deadline, args)?;
            Ok((connection, args.allow_tap.then_some(listener)))
        });
    match accepted {
        Ok((connection, Some(listener))) => {
            let answering = Answering::start(listener, interruption)?;
            Ok((connection, Some(answering)))
        }
        other => {
            // A signal that arrived is still pending and is delivered here, after the name was removed.
            interruption.deliver()?;
            other.map(|(connection, _)| (connection, None))
        }
    }
}

fn wait_for_sender(
    listener: &mut Listener,
    interrupted: &Interruption,
    deadline: Option<Instant>,
    args: &RecvArgs,
) -> Result<Connection, Failure> {
    let mut refusals = 0;
    loop {
        let accepted = listener
            .try_accept()
            .map_err(|error| Failure::new(Code::Failed, error))?;
        if let Some(connection) = accepted {
            return Ok(connection);
        }
        if listener.refusals() > refusals {
            refusals = listener.refusals();
            if let Some(why) = listener.last_refusal() {
                remark(
                    "recv",
                    &format_args!("refused somebody and still waiting: {why}"),
                );
            }
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            let (name, seconds) = (args.connection.name(), args.wait.unwrap_or_default());
            return Err(Failure::new(
                Code::NobodyThere,
                format!(
                    "nobody connected to {name:?} within {seconds} s; start `ringway send {name}`"
                ),
            ));
        }
        // Rounded up, so that the last wait does not end just before the deadline again and again.
        let patience = left.map_or(PollTimeout::NONE, |left| {
            i32::try_from(left.as_millis() + 1)
                .ok()
                .and_then(|left| left.try_into().ok())
                .unwrap_or(PollTimeout::MAX)
        });
        let mut entries = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(interrupted.as_fd(), PollFlags::POLLIN),
        ];
        match nix::poll::poll(&mut entries, patience) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => {
                return Err(Failure::new(
                    Code::Failed,
                    format!("cannot wait for a sender: {error}"),
                ));
            }
        }
        if entries[1].any() == Some(true) {
            return Err(Failure::new(
                Code::Failed,
                "interrupted before anybody connected",
            ));
        }
    }
}

/// Writes the stream until its end is marked, then tells the sender that everything was written.
fn stream(connection: &mut Connection, output: &File, progress: &Progress) -> Result<(), Failure> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut written: u64 = 0;
    loop {
        let counted =
            || format!("{written} bytes arrived and were written; the copy is incomplete");
        let frame = connection
            .receiver()
            .recv()
            .map_err(|error| copy::receiving_failed(error, "sender", &counted()))?;
        let kind = frame.kind();
        piece.resize(frame.len(), 0);
        frame.copy_to(&mut piece);
        drop(frame);
        match kind {
            BYTES => write(output, &piece, written)?,
            END => break,
            other => return Err(copy::unknown_kind(other)),
        }
        written += piece.len() as u64;
        progress.add(piece.len() as u64);
    }
    copy::check_end_mark(&piece, written)?;
    let mark = copy::end_mark(written);
    // The copy is complete whether or not the sender is still there to hear it.
    if let Ok(mut reservation) = connection.sender().reserve(mark.len()) {
        reservation.copy_from_slice(&mark);
        reservation.kind(END).commit();
    }
    Ok(())
}

fn write(mut output: &File, piece: &[u8], written: u64) -> Result<(), Failure> {
    output.write_all(piece).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::broken_pipe(),
        _ => Failure::new(
            Code::Failed,
            format!(
                "cannot write to standard output: {error}; at least {written} bytes were written"
            ),
        ),
    })
}
