//! Connecting in a task.

use std::future::poll_fn;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use ::tokio::time::{sleep, timeout_at};

use super::Connection;
use super::watched::Watched;
use crate::connection::{self, Address, Config, Dial, Dialled};
use crate::error::Error;

/// Connects with the default [`Config`].
///
/// # Errors
/// As for [`connect_with`].
pub async fn connect(address: impl Into<Address>) -> Result<Connection, Error> {
    connect_with(&Config::new(), address).await
}

/// Connects, waiting for the server as long as [`Config::handshake_timeout`] says. The thread waits for nobody; making our segment and mapping the server's takes it as long as it takes
/// [`Config::connect`], which is longest with large rings and [`Config::prefault`].
///
/// Cancel-safe: a call that is dropped gives the handshake up, and the server finds its line closed.
///
/// # Errors
/// As for [`Config::connect`].
///
/// # Panics
/// Outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
pub async fn connect_with(
    config: &Config,
    address: impl Into<Address>,
) -> Result<Connection, Error> {
    Connection::new(dial(config, address.into()).await?)
}

/// The same, without the runtime's watch of what was made.
pub(super) async fn dial(
    config: &Config,
    address: Address,
) -> Result<connection::Connection, Error> {
    config.prepare()?;
    let mut dial = Dial::new(config, &address)?;
    let deadline = dial.deadline.into();
    match timeout_at(deadline, dialled(&mut dial)).await {
        Ok(made) => made,
        Err(_) => Err(dial.late()),
    }
}

async fn dialled(dial: &mut Dial) -> Result<connection::Connection, Error> {
    loop {
        match dial.step()? {
            Dialled::Done(connection) => return Ok(connection),
            Dialled::Later => sleep(Duration::from_millis(1)).await,
            Dialled::Waits => {
                if let Some(line) = dial.line() {
                    readable(line).await?;
                }
            }
        }
    }
}

/// Waits until `line` may be readable.
async fn readable(line: BorrowedFd<'_>) -> Result<(), Error> {
    let failed = |error| Error::io("waiting for the server", error);
    // SAFETY: the line is borrowed for as long.
    let watched = unsafe { Watched::new(line) }.map_err(failed)?;
    // The watch tells of what was there before it, too.
    poll_fn(|cx| watched.poll(cx)).await.map_err(failed)
}
