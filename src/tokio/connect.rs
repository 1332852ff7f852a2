//! Connecting in a task.

use std::future::{Future, poll_fn};
use std::os::fd::BorrowedFd;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::Connection;
use super::alarm::Alarm;
use super::runtime::Lack;
use super::watched::Watched;
use crate::connection::{self, Address, Config, Dial, Dialled};
use crate::error::{Error, ErrorKind};

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
/// As for [`Config::connect`]. [`ErrorKind::Runtime`]: outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
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
    let mut deadline = Alarm::at(dial.deadline).map_err(|lack| lack.error(DOING))?;
    let made = {
        let mut dialled = pin!(dialled(&mut dial));
        poll_fn(|cx| {
            if deadline.is_forked() {
                return Poll::Ready(Some(Err(forked())));
            }
            match dialled.as_mut().poll(cx) {
                Poll::Ready(made) => Poll::Ready(Some(made)),
                Poll::Pending => Pin::new(&mut deadline)
                    .poll(cx)
                    .map(|told| told.err().map(|_| Err(Lack::Runtime.error(DOING)))),
            }
        })
        .await
    };
    made.unwrap_or_else(|| Err(dial.late()))
}

/// What is done here, for errors.
pub(super) const DOING: &str = "waiting for the server";

fn forked() -> Error {
    Error::new(
        ErrorKind::Forked,
        "the handshake belongs to the process that forked this one; connect anew here",
    )
}

async fn dialled(dial: &mut Dial) -> Result<connection::Connection, Error> {
    loop {
        match dial.step()? {
            Dialled::Done(connection) => return Ok(connection),
            Dialled::Later => later().await?,
            Dialled::Waits => {
                if let Some(line) = dial.line() {
                    readable(line).await?;
                }
            }
        }
    }
}

/// Lets a millisecond pass.
pub(super) async fn later() -> Result<(), Error> {
    let later = Alarm::behind(Duration::from_millis(1));
    let told = later.map_err(|lack| lack.error(DOING))?.await;
    told.map_err(|_| Lack::Runtime.error(DOING))
}

/// Waits until `line` may be readable.
pub(super) async fn readable(line: BorrowedFd<'_>) -> Result<(), Error> {
    // SAFETY: the line is borrowed for as long.
    let watched = unsafe { Watched::new(line) }.map_err(|lack| lack.error(DOING))?;
    // The watch tells of what was there before it, too. An error: its runtime is shut down, and the next watch is of the one that we are in.
    let _ = poll_fn(|cx| watched.poll(cx)).await;
    Ok(())
}
