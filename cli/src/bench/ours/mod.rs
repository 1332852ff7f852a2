//! Ringway's side of each row, through its public interface only.

mod batched;
pub(crate) mod batches;
mod bytes;
mod connecting;
pub(crate) mod crowd;
pub(crate) mod duplex;
pub(crate) mod idlers;
mod in_place;
mod records;
mod tapping;
mod thinking;
pub(crate) mod ticks;

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::typed::{self, Messages};
use ringway::{Attendant, Config, Connection, Error, ErrorKind, Listener, Receiver};

use super::kit::Side;
use super::{Failure, fail};

pub(crate) use self::batched::Batched;
pub(crate) use self::batches::Batches;
pub(crate) use self::bytes::Bytes;
pub(crate) use self::connecting::Connecting;
pub(crate) use self::duplex::Duplex;
pub(crate) use self::idlers::Idlers;
pub(crate) use self::in_place::InPlace;
pub(crate) use self::records::Records;
pub(crate) use self::tapping::Tapping;
pub(crate) use self::thinking::Thinking;

/// How long the two processes wait for each other: on a busy machine, or where instructions are counted, either may take seconds.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// The same, with somebody who answers those who want to read along.
pub(crate) fn meet_attended(
    config: &Config,
    address: &Path,
    side: Side,
) -> Result<(Connection, Option<Attendant>), Failure> {
    match side {
        Side::Follow => {
            let mut listener = listen(config, address)?;
            let connection = listener.accept_deadline(Instant::now() + PATIENCE)?;
            Ok((connection, Some(listener.attend()?)))
        }
        Side::Lead => Ok((meet(config, address, side)?, None)),
    }
}

/// The same for messages, of one type in both directions.
pub(crate) fn meet_typed<M: Messages + ?Sized>(
    config: &Config,
    address: &Path,
    side: Side,
) -> Result<typed::Connection<M, M>, Failure> {
    match side {
        Side::Follow => {
            let mut listener = typed::Listener::<M, M>::bind_with(&patient(config), address)?;
            Ok(listener.accept_deadline(Instant::now() + PATIENCE)?)
        }
        Side::Lead => {
            wait_for(address);
            let config = patient(config);
            insist(|| typed::connect_with::<M, M>(&config, address))
        }
    }
}

/// Waits for a frame of just the length of `payload`, and copies it out.
#[inline(always)]
fn receive(receiver: &mut Receiver, payload: &mut [u8]) {
    match receiver.recv_into(payload) {
        Ok(length) if length == payload.len() => {}
        Ok(length) => fail(&format!("a frame of {length} bytes")),
        Err(error) => fail(&error),
    }
}

/// Connects to a socket that is there.
fn dial(config: &Config, address: &Path) -> Result<Connection, Failure> {
    let config = patient(config);
    insist(|| config.connect(address))
}

/// Tries until somebody listens: at a socket that is there somebody does a moment later.
fn insist<T>(mut connect: impl FnMut() -> Result<T, Error>) -> Result<T, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect() {
            Err(error) if error.kind() == ErrorKind::NotFound && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            outcome => return Ok(outcome?),
        }
    }
}

fn listen(config: &Config, address: &Path) -> Result<Listener, Failure> {
    Ok(patient(config).bind(address)?)
}

/// The same, for a handshake that takes as long as the two may wait.
fn patient(config: &Config) -> Config {
    config.clone().handshake_timeout(PATIENCE)
}

/// Waits until the other side listens at `address`; connecting says what is wrong if it never does.
fn wait_for(address: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while !address.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}
