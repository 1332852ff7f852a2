//! `ringway echo NAME`: a service that answers every frame with itself, for `ringway load` and for trying a client.
//!
//! One thread serves all clients, with a poller: a client that stops reading is not read from either, and holds up nobody else.

use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use nix::poll::PollTimeout;
use ringway::{Accept, Arm, Config, Connection, ErrorKind, Event, Listener};
use ringway::{Polled, Poller, Receiver, SendError, Sender, Turn};

use crate::exit::{self, Code, Failure};
use crate::interruption::Interruption;
use crate::options::{LARGEST_RING, WaitMode, allowing, parse_uid};
use crate::standard::remark;

/// So long it looks for frames before it sleeps where an interruption is heard too.
const LOOK: Duration = Duration::from_millis(1);
/// While frames keep coming, an interruption is asked for once in so many events.
const EVENTS: u32 = 256;

/// Listen under NAME and answer every frame with itself, until interrupted.
#[derive(Debug, Args)]
#[command(after_help = exit::ECHO_TABLE)]
pub(crate) struct EchoArgs {
    /// Where to meet: a name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    address: String,
    /// How it waits for the clients, all of them on one thread.
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
        // Of a crowd, each has a share of what processors there are.
        .handshake_timeout(Duration::from_secs(10))
        // Four for each client, and nothing here waits by `select`.
        .raise_descriptor_limit(true);
    let config = allowing(config, &args.allow_uid);
    let listened = config
        .bind(args.address.as_str())
        .map_err(|error| Failure::new(Code::Failed, error))
        .and_then(|listener| listen(listener, &interruption, args));
    // The name is gone by now; a signal that arrived ends us here.
    interruption.deliver()?;
    listened
}

/// A listener that says whom it refuses.
struct Door {
    listener: Listener,
    told: u64,
    quiet: bool,
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Accept for Door {
    type Connection = Connection;

    fn try_accept(&mut self) -> Result<Option<Connection>, ringway::Error> {
        let accepted = self.listener.try_accept();
        if self.listener.refusals() > self.told {
            self.told = self.listener.refusals();
            if let (Some(why), false) = (self.listener.last_refusal(), self.quiet) {
                remark("echo", &format_args!("refused somebody: {why}"));
            }
        }
        accepted
    }
}

/// A client, and the answer for which its ring had no room.
struct Client {
    connection: Connection,
    owed: Option<(u16, Vec<u8>)>,
}

impl Polled for Client {
    fn lanes(&mut self) -> (&mut Sender, &mut Receiver) {
        self.connection.lanes()
    }
}

fn listen(listener: Listener, interruption: &Interruption, args: &EchoArgs) -> Result<(), Failure> {
    let failed = |error: ringway::Error| Failure::new(Code::Failed, error);
    let mut poller = Poller::new().map_err(failed)?;
    let door = Door {
        listener,
        told: 0,
        quiet: args.quiet,
    };
    let client = |connection| Client {
        connection,
        owed: None,
    };
    poller.listen(door, client).map_err(failed)?;
    if !args.quiet {
        remark("echo", &format_args!("listening as {}", args.address));
    }
    let (mut buffer, mut left, mut events) = (Vec::new(), args.clients, 0);
    loop {
        let went = match poller.event_deadline(Instant::now() + LOOK) {
            Err(error) => return Err(failed(error)),
            Ok(Some(Event::Ready(turn))) => !answer(turn, &mut buffer),
            Ok(Some(Event::Ended(_))) => true,
            Ok(Some(Event::Stalled { error, .. })) => {
                if error.kind() != ErrorKind::Resources {
                    return Err(failed(error));
                }
                // Whoever waits is let in when somebody has gone.
                remark("echo", &error);
                false
            }
            Ok(Some(_)) => false,
            Ok(None) => {
                if is_interrupted(&mut poller, interruption)? {
                    return Ok(());
                }
                continue;
            }
        };
        if went {
            left = left.map(|left| left - 1);
            if left == Some(0) {
                return Ok(());
            }
        }
        events += 1;
        if events % EVENTS == 0 && interruption.comes(None, PollTimeout::ZERO)? {
            return Ok(());
        }
    }
}

/// Sleeps until there is something to do. Returns whether that is to end.
fn is_interrupted(
    poller: &mut Poller<Client>,
    interruption: &Interruption,
) -> Result<bool, Failure> {
    let armed = poller
        .arm()
        .map_err(|error| Failure::new(Code::Failed, error))?;
    if armed == Arm::Armed {
        interruption.comes(Some(poller.as_fd()), PollTimeout::NONE)
    } else {
        interruption.comes(None, PollTimeout::ZERO)
    }
}

/// Answers a client's frames. Returns whether it stays: one that cannot be answered is let go, and how a connection ended is its client's own affair.
fn answer(mut turn: Turn<'_, Client>, buffer: &mut Vec<u8>) -> bool {
    let owed = turn.owed.take();
    if owed.is_some_and(|(kind, mut owed)| turn.send(kind, &mut owed).is_err()) {
        turn.remove();
        return false;
    }
    while turn.owed.is_none() && turn.more() {
        let Ok(frame) = turn.connection.receiver().recv() else {
            // A frame is there, so it was a broken one, which the poller tells as the end.
            break;
        };
        let kind = frame.kind();
        buffer.resize(frame.len(), 0);
        frame.copy_to(buffer);
        drop(frame);
        if turn.send(kind, buffer).is_err() {
            turn.remove();
            return false;
        }
    }
    if let Some(length) = turn.owed.as_ref().map(|(_, owed)| owed.len()) {
        turn.until_room(length);
    }
    true
}

impl Client {
    /// Sends an answer, or keeps it until there is room.
    fn send(&mut self, kind: u16, answer: &mut Vec<u8>) -> Result<(), SendError> {
        match self.connection.sender().try_send_kind(kind, answer) {
            Err(SendError::Full) => {
                self.owed = Some((kind, std::mem::take(answer)));
                Ok(())
            }
            other => other,
        }
    }
}
