//! `ringway echo NAME`: a service that answers every frame with itself, for `ringway load` and for trying a client.
//!
//! A thread for each client: simple, and a client that stops reading holds up nobody else.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::eventfd::EventFd;
use ringway::{Config, Connection, Listener};

use crate::exit::{self, Code, Failure};
use crate::interruption::Interruption;
use crate::options::{LARGEST_RING, WaitMode, parse_uid};

/// Listen under NAME and answer every frame with itself, until interrupted.
#[derive(Debug, Args)]
#[command(after_help = exit::ECHO_TABLE)]
pub(crate) struct EchoArgs {
    /// Where to meet: a name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    address: String,
    /// How the threads wait, one for each client.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = WaitMode::Adaptive)]
    wait_mode: WaitMode,
    /// End when so many clients have come and gone.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    clients: Option<u64>,
    /// Also serve processes of this user id (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
    /// Say nothing when it listens and when somebody is refused.
    #[arg(long, short)]
    quiet: bool,
}

/// Runs the command.
pub(crate) fn run(args: &EchoArgs) -> ExitCode {
    exit::report("echo", serve(args))
}

fn serve(args: &EchoArgs) -> Result<(), Failure> {
    let interruption = Interruption::watch()?;
    let config = Config::new()
        .wait(args.wait_mode.wait())
        .max_capacity(LARGEST_RING)
        // A thread for each client, and none waits by `select`.
        .raise_descriptor_limit(true);
    let uids = args.allow_uid.iter();
    let config = uids.fold(config, |config, &uid| config.allow_uid(uid));
    let listened = config
        .bind(args.address.as_str())
        .map_err(|error| Failure::new(Code::Failed, error))
        .and_then(|listener| listen(listener, &interruption, args));
    // The name is gone by now; a signal that arrived ends us here.
    interruption.deliver()?;
    listened
}

fn listen(
    mut listener: Listener,
    interruption: &Interruption,
    args: &EchoArgs,
) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Failed, error);
    // Counts the clients that have gone, for the poll below.
    let gone = EventFd::new().map_err(|error| exit::no_descriptor("echo", &error.into()))?;
    let gone = Arc::new(gone);
    let (mut refusals, mut left) = (0, args.clients);
    if !args.quiet {
        writeln!(io::stderr(), "ringway echo: listening as {}", args.address)?;
    }
    loop {
        while let Some(connection) = accept(&mut listener)? {
            let gone = Arc::clone(&gone);
            let served = thread::Builder::new().stack_size(256 << 10).spawn(move || {
                answer(connection);
                let _ = gone.write(1);
            });
            served.map_err(|error| failed(&format!("no thread for a client: {error}")))?;
        }
        if listener.refusals() > refusals {
            refusals = listener.refusals();
            if let (Some(why), false) = (listener.last_refusal(), args.quiet) {
                writeln!(io::stderr(), "ringway echo: refused somebody: {why}")?;
            }
        }
        let mut entries = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(interruption.as_fd(), PollFlags::POLLIN),
            PollFd::new(gone.as_fd(), PollFlags::POLLIN),
        ];
        match nix::poll::poll(&mut entries, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(failed(&format!("cannot wait for clients: {error}"))),
        }
        if entries[1].any() == Some(true) {
            return Ok(());
        }
        if entries[2].any() == Some(true) {
            let went = gone.read().map_err(|error| failed(&error))?;
            left = left.map(|left| left.saturating_sub(went));
            if left == Some(0) {
                return Ok(());
            }
        }
    }
}

/// A client, if one is there. Where descriptors are used up it is left waiting until somebody goes.
fn accept(listener: &mut Listener) -> Result<Option<Connection>, Failure> {
    match listener.try_accept() {
        Err(error) if error.kind() == ringway::ErrorKind::Resources => {
            writeln!(io::stderr(), "ringway echo: {error}")?;
            thread::sleep(Duration::from_millis(100));
            Ok(None)
        }
        accepted => accepted.map_err(|error| Failure::new(Code::Failed, error)),
    }
}

/// Serves one client until it goes; how it went is its own affair.
fn answer(connection: Connection) {
    let (mut sender, mut receiver) = connection.split();
    let mut buffer = Vec::new();
    while let Ok(frame) = receiver.recv() {
        let kind = frame.kind();
        buffer.resize(frame.len(), 0);
        frame.copy_to(&mut buffer);
        drop(frame);
        if sender.send_kind(kind, &buffer).is_err() {
            return;
        }
    }
}
