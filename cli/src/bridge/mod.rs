//! `ringway bridge`: a way to Ringway for a program that cannot be changed, and that speaks TCP.
//!
//! Each connection is carried by two threads, one for each direction, by copies: what a bridge costs is TCP's own time and a copy more.
//! It is a stop-gap, for as long as one side speaks TCP.

mod doors;
mod passage;
mod tcp;
mod unended;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use nix::libc;
use nix::poll::PollTimeout;
use ringway::stream::ByteStream;
use ringway::{Config, ErrorKind};

use self::doors::{Door, Found};
use self::tcp::Tcp;
use self::unended::Unended;
use crate::exit::{self, Code, Failure};
use crate::interruption::Interruption;
use crate::options::{LARGEST_RING, allowing, parse_bytes, parse_uid};
use crate::standard::remark;

/// So many connections are carried at a time: each takes two threads. More than that wait to be accepted.
const MOST: usize = 500;
/// Where nobody can be let in, it is looked again behind so many milliseconds: a place is free soon, and descriptors mostly later.
const FULL: u8 = 20;
const LACK: u8 = 100;
/// A client that was let in with the first descriptors that are free waits for so long for those that its other side takes.
const MORE: Duration = Duration::from_secs(5);

/// Carry byte streams between TCP and Ringway, for a program that cannot be changed, until interrupted.
#[derive(Debug, Args)]
#[command(after_help = exit::BRIDGE_TABLE)]
pub(crate) struct BridgeArgs {
    #[command(subcommand)]
    way: Way,
}

#[derive(Debug, Subcommand)]
enum Way {
    /// Listen for TCP at ADDRESS, and connect each client to the byte stream NAME: a TCP client reaches a service of Ringway.
    Tcp {
        /// Where to listen, as 127.0.0.1:8080. Port 0 takes a free one, which is printed.
        #[arg(value_name = "ADDRESS")]
        address: SocketAddr,
        /// The service: a name, or the path of a socket if it contains a slash.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        options: Options,
    },
    /// Listen under NAME, and connect each client by TCP to ADDRESS: a client of Ringway reaches a TCP service.
    Ring {
        /// Where to listen: a name, or the path of a socket if it contains a slash.
        #[arg(value_name = "NAME")]
        name: String,
        /// The service, as 127.0.0.1:8080.
        #[arg(value_name = "ADDRESS")]
        address: SocketAddr,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Size of each ring in bytes, a power of two; K, M and G are understood.
    #[arg(long, value_name = "BYTES", default_value = "256K", value_parser = parse_bytes)]
    capacity: usize,
    /// Also meet processes of this user id, which must allow ours too (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
    /// Say nothing when it listens and when somebody cannot be connected.
    #[arg(long, short)]
    quiet: bool,
}

impl Options {
    fn config(&self) -> Config {
        let config = Config::new()
            .byte_stream()
            .capacity(self.capacity)
            .peer_capacity(self.capacity)
            .max_capacity(LARGEST_RING)
            .raise_descriptor_limit(true);
        allowing(config, &self.allow_uid)
    }
}

/// Runs the command.
pub(crate) fn run(args: &BridgeArgs) -> ExitCode {
    exit::report("bridge", carry(&args.way))
}

fn carry(way: &Way) -> Result<(), Failure> {
    let interruption = Interruption::watch()?;
    let failed = |error: &dyn std::fmt::Display| Failure::new(Code::Failed, error);
    let carried = match way {
        Way::Tcp {
            address,
            name,
            options,
        } => {
            let config = options.config();
            // The bridge can be started before its service: who cannot be connected is told.
            let listener = TcpListener::bind(address)
                .map_err(|error| failed(&format!("cannot listen at {address}: {error}")))?;
            listener.set_nonblocking(true)?;
            let name = name.clone();
            let here = listener.local_addr()?;
            let connect = move || {
                let connection = config.connect(name.as_str());
                let stream = connection.and_then(ByteStream::over);
                stream.map(Unended::new).map_err(|error| Refused {
                    // A listener with too many handshakes of ours lacks something too, for a moment.
                    lacks: matches!(error.kind(), ErrorKind::Resources | ErrorKind::Busy)
                        && doors::system_error(&error).is_none_or(is_lack),
                    told: error.to_string(),
                })
            };
            accept(listener, &here.to_string(), &interruption, options, connect)
        }
        Way::Ring {
            name,
            address,
            options,
        } => {
            let listener = options.config().bind(name.as_str());
            let listener = listener.map_err(|error| failed(&error))?;
            let address = *address;
            accept(listener, name, &interruption, options, move || {
                let socket = TcpStream::connect(address);
                socket.map(Tcp::new).map_err(|error| Refused {
                    lacks: error.raw_os_error().is_some_and(is_lack),
                    told: format!("cannot connect to {address}: {error}"),
                })
            })
        }
    };
    // A name is gone by now; a signal that arrived ends us here.
    interruption.deliver()?;
    carried
}

/// Accepts at `door`, and joins each client with what `connect` connects to, until interrupted.
fn accept<D: Door>(
    mut door: D,
    name: &str,
    interruption: &Interruption,
    options: &Options,
    connect: impl Fn() -> Result<D::Other, Refused> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let quiet = options.quiet;
    tell(quiet, &format_args!("listening as {name}"));
    let connect = Arc::new(connect);
    // Each connection holds one more.
    let carried = Arc::new(());
    let mut lacks = false;
    loop {
        let full = Arc::strong_count(&carried) > MOST;
        let patience = match (lacks, full) {
            (true, _) => PollTimeout::from(LACK),
            (false, true) => PollTimeout::from(FULL),
            (false, false) => PollTimeout::NONE,
        };
        // Who cannot be let in keeps the door readable.
        let door_itself = (!full && !lacks).then(|| door.as_fd());
        if interruption.comes(door_itself, patience)? {
            return Ok(());
        }
        while Arc::strong_count(&carried) <= MOST {
            let client = match door.accept()? {
                Found::Client(client) => client,
                Found::Nobody => {
                    lacks = false;
                    break;
                }
                // Without a descriptor the kernel does not say whether anybody comes: so until nobody does, it is one lack.
                Found::Lack(why) => {
                    if !lacks {
                        tell(quiet, &format!("{why}; clients wait until that has passed"));
                    }
                    lacks = true;
                    break;
                }
            };
            let (connect, carried) = (Arc::clone(&connect), Arc::clone(&carried));
            // Whatever is not carried is broken off where it is dropped, the client too where there is no thread for it.
            let join = move || {
                let passage = connected(&*connect).map(|other| D::passage(client, other));
                let done = passage.and_then(|it| it.carry().map_err(|error| error.to_string()));
                if let Err(error) = done {
                    tell(quiet, &error);
                }
                drop(carried);
            };
            if let Err(error) = thread::Builder::new().spawn(join) {
                tell(quiet, &format!("no thread for a client: {error}"));
            }
        }
    }
}

/// Why a client's other side is not there.
struct Refused {
    /// For want of descriptors.
    lacks: bool,
    told: String,
}

fn is_lack(number: i32) -> bool {
    matches!(number, libc::EMFILE | libc::ENFILE)
}

/// Connects, and waits for descriptors if it is those that are lacking.
fn connected<C>(connect: &impl Fn() -> Result<C, Refused>) -> Result<C, String> {
    let deadline = Instant::now() + MORE;
    loop {
        match connect() {
            Err(Refused { lacks: true, .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(LACK.into()));
            }
            connected => return connected.map_err(|refused| refused.told),
        }
    }
}

fn tell(quiet: bool, what: &dyn std::fmt::Display) {
    if !quiet {
        remark("bridge", what);
    }
}
