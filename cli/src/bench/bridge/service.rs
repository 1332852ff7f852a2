//! The service's process, over TCP or over Ringway, and what a client says to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Args;
use ringway::stream::ByteListener;
use zerocopy::IntoBytes;

use super::super::pattern::{Broadcast, Pattern};
use super::super::placement::pin;
use super::super::{Failure, exit};
use super::Work;
use crate::exit::Code;

/// The hidden subcommand.
pub(super) const COMMAND: &str = "bench-bridge";
/// Before the address at which it, or a bridge, listens.
pub(super) const LISTENING: &str = "listening as ";

/// What it is told.
#[derive(Debug, Args)]
pub(crate) struct ServiceArgs {
    /// Where to listen: an address of TCP, or the path of a socket of Ringway.
    address: String,
    /// The processor to run on.
    cpu: usize,
}

/// Serves until it is killed.
pub(crate) fn run(args: &ServiceArgs) -> ExitCode {
    exit::report(
        COMMAND,
        serve(args).map_err(|error| exit::Failure::new(Code::Failed, error)),
    )
}

fn serve(args: &ServiceArgs) -> Result<(), Failure> {
    pin(args.cpu)?;
    let tell = |address: &str| writeln!(io::stderr(), "{LISTENING}{address}");
    if args.address.contains('/') {
        let mut listener = ByteListener::bind(args.address.as_str())?;
        tell(&args.address)?;
        loop {
            answer(listener.accept()?)?;
        }
    }
    let listener = TcpListener::bind(args.address.parse::<SocketAddr>()?)?;
    tell(&listener.local_addr()?.to_string())?;
    loop {
        let (client, _) = listener.accept()?;
        client.set_nodelay(true)?;
        answer(client)?;
    }
}

/// What a client says before its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) work: Work,
    pub(super) count: u64,
}

impl Order {
    pub(super) fn to_words(self) -> [u64; 2] {
        [u64::from(self.work == Work::OneWay), self.count]
    }

    fn of_words([work, count]: [u64; 2]) -> Self {
        let work = match work {
            0 => Work::RoundTrip,
            _ => Work::OneWay,
        };
        Self { work, count }
    }
}

/// Serves one client to its end.
fn answer(mut client: impl Read + Write) -> Result<(), Failure> {
    let mut order = [0_u64; 2];
    loop {
        if let Err(error) = client.read_exact(order.as_mut_bytes()) {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(()),
                _ => Err(error.into()),
            };
        }
        let Order { work, count } = Order::of_words(order);
        let mut words = vec![0_u64; work.size() / 8];
        for turn in 0..count {
            client.read_exact(words.as_mut_slice().as_mut_bytes())?;
            if !Broadcast.matches(&words, turn) {
                return Err("a message is not what was sent".into());
            }
            if work == Work::RoundTrip {
                Broadcast.fill(&mut words, !turn);
                client.write_all(words.as_slice().as_bytes())?;
            }
        }
        if work == Work::OneWay {
            client.write_all(count.as_bytes())?;
        }
    }
}
