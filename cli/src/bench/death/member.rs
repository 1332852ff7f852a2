//! The processes that are killed, and the servers that lose their clients.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::pause;
use ringway::{Config, Connection, Event, Limits, Listener, Poller, Wait};
use serde::{Deserialize, Serialize};

use super::super::placement::pin;
use super::super::{Failure, fail};
use super::confine;

/// Arguments of the hidden subcommand.
#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    /// A `Role` in JSON.
    role: String,
}

/// By what two processes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum By {
    Ringway,
    Socket,
}

/// How a server has several clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Serving {
    /// One after the other, each until it has left; the others wait.
    Accept,
    /// With a poller that lets in one at a time; the others are refused, and try again.
    Poller,
}

/// What a process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) part: Part,
    pub(super) by: By,
    pub(super) address: PathBuf,
    pub(super) cpu: usize,
}

/// By what a process rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// As Ringway does by default: by `io_uring` where it is permitted.
    Default,
    /// By AIO: `io_uring` is not permitted, as in most containers.
    Aio,
    /// By a byte on the socket: `Config::few_descriptors`.
    Byte,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// Connects, and waits for its end.
    Silent,
    /// Says one thing first, to somebody who sleeps: it rings.
    Rings(Way),
    /// Connects, is answered once, says so, and waits for its end.
    Served,
    /// Serves until its end.
    Server(Serving),
}

/// Runs one process.
pub(crate) fn run(args: &RoleArgs) -> ExitCode {
    match play(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn play(args: &RoleArgs) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    let role: Role = serde_json::from_str(&args.role)?;
    pin(role.cpu)?;
    match (role.part, role.by) {
        (Part::Server(serving), By::Ringway) => serve(&role.address, serving),
        (Part::Server(_), By::Socket) => serve_by_hand(&role.address),
        (part, by) => {
            if part == Part::Rings(Way::Aio) {
                confine::forbid_io_uring()?;
            }
            let lean = part == Part::Rings(Way::Byte);
            let mut client = Client::connect(&config().few_descriptors(lean), by, &role.address)?;
            match part {
                Part::Served => {
                    client.ask()?;
                    ready()?;
                }
                Part::Rings(_) => {
                    std::thread::sleep(FALL_ASLEEP);
                    client.say()?;
                }
                Part::Silent | Part::Server(_) => {}
            }
            loop {
                pause();
            }
        }
    }
}

fn ready() -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    output.write_all(b"!")?;
    Ok(output.flush()?)
}

/// Both sides sleep while they wait.
pub(super) fn config() -> Config {
    Config::new().wait(Wait::Park)
}

/// A client in either way.
#[derive(Debug)]
pub(super) enum Client {
    Ringway(Box<Connection>),
    Socket(UnixStream),
}

impl Client {
    pub(super) fn connect(config: &Config, by: By, address: &Path) -> Result<Self, Failure> {
        Ok(match by {
            By::Ringway => Self::Ringway(Box::new(config.connect(address)?)),
            By::Socket => Self::Socket(UnixStream::connect(address)?),
        })
    }

    fn say(&mut self) -> Result<(), Failure> {
        match self {
            Self::Ringway(connection) => connection.sender().send(QUESTION)?,
            Self::Socket(stream) => stream.write_all(QUESTION)?,
        }
        Ok(())
    }

    /// One request, one answer.
    pub(super) fn ask(&mut self) -> Result<(), Failure> {
        let mut answer = [0; 8];
        match self {
            Self::Ringway(connection) => {
                let (sender, receiver) = connection.halves();
                sender.send(QUESTION)?;
                receiver.recv_into(&mut answer)?;
            }
            Self::Socket(stream) => {
                stream.write_all(QUESTION)?;
                stream.read_exact(&mut answer)?;
            }
        }
        if answer == *QUESTION {
            Ok(())
        } else {
            Err("the answer is not what was asked".into())
        }
    }
}

pub(super) const QUESTION: &[u8; 8] = b"question";

/// Time for who waits to fall asleep.
const FALL_ASLEEP: std::time::Duration = std::time::Duration::from_millis(1);

fn serve(address: &Path, serving: Serving) -> Result<(), Failure> {
    match serving {
        Serving::Accept => {
            let mut listener = config().bind(address)?;
            ready()?;
            loop {
                serve_one(&mut listener)?;
            }
        }
        Serving::Poller => {
            let alone = config().limits(Limits::new().connections(1));
            let mut poller: Poller = Poller::new()?;
            poller.listen(alone.bind(address)?, |connection| connection)?;
            ready()?;
            loop {
                if let Some(Event::Ready(mut turn)) = poller.event()? {
                    let mut question = [0; 8];
                    // An error is the end, which the poller tells next.
                    if turn.receiver().try_recv_into(&mut question).is_ok() {
                        let _ = turn.sender().send(&question);
                    }
                }
            }
        }
    }
}

/// Until it has left; that it was killed is what happens here.
fn serve_one(listener: &mut Listener) -> Result<(), Failure> {
    let mut connection = listener.accept()?;
    let (sender, receiver) = connection.halves();
    let mut question = [0; 8];
    while receiver.recv_into(&mut question).is_ok() {
        if sender.send(&question).is_err() {
            break;
        }
    }
    Ok(())
}

fn serve_by_hand(address: &Path) -> Result<(), Failure> {
    let listener = UnixListener::bind(address)?;
    ready()?;
    loop {
        let (mut stream, _) = listener.accept()?;
        let mut question = [0; 8];
        while stream.read_exact(&mut question).is_ok() && stream.write_all(&question).is_ok() {}
    }
}
