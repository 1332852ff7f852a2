//! Ringway's side of each row, through its public interface only.

mod batched;
mod connecting;
pub(crate) mod duplex;
mod in_place;
pub(crate) mod ticks;

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Listener};

use super::Failure;
use super::kit::Side;

pub(crate) use self::batched::Batched;
pub(crate) use self::connecting::Connecting;
pub(crate) use self::duplex::Duplex;
pub(crate) use self::in_place::InPlace;

/// How long the two processes wait for each other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects the two sides of a pair: the follower listens.
pub(crate) fn meet(config: &Config, address: &Path, side: Side) -> Result<Connection, Failure> {
    match side {
        Side::Follow => Ok(listen(config, address)?.accept_deadline(Instant::now() + PATIENCE)?),
        Side::Lead => {
            wait_for(address);
            dial(config, address)
        }
    }
}

/// Connects to a socket that is there. Somebody listens at it a moment later.
fn dial(config: &Config, address: &Path) -> Result<Connection, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match config.connect(address) {
            Err(error) if error.kind() == ErrorKind::NotFound && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn listen(config: &Config, address: &Path) -> Result<Listener, Failure> {
    Ok(config.bind(address)?)
}

/// Waits until the other side listens at `address`; connecting says what is wrong if it never does.
fn wait_for(address: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !address.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}
