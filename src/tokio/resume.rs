//! Resuming in a task.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use super::Connection;
use super::alarm::Alarm;
use super::connect::{DOING, later, readable};
use super::runtime::Lack;
use crate::connection::{self, Reached, Redial, Resumed};
use crate::error::Error;

/// Resumes a connection in a task: [`Config::resume`](crate::Config::resume), which holds no thread up.
///
/// Cancel-safe: `redial` goes on where it was when it is given again, and [`Redial::into_connection`] gives the lost connection back.
///
/// ```
/// # use ringway::{Config, Connection, RecvError};
/// # use std::time::{Duration, Instant};
/// # #[::tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("ringway-doc-tokio-resume-{}", std::process::id()));
/// let config = Config::new().resumable(true);
/// let mut listener = ringway::tokio::Listener::new(config.bind(path.as_path())?)?;
/// # let (client, server) = ::tokio::join!(ringway::tokio::connect_with(&config, path.as_path()), listener.accept());
/// # let (client, server) = (client?, server?);
/// let (mut sender, mut receiver) = client.split();
/// sender.send(b"not received").await?;
/// drop(server);
/// assert_eq!(receiver.recv().await.err(), Some(RecvError::Closed));
///
/// // What the sender had in hand, as a sink, is ours to send again.
/// let (sender, _in_hand) = sender.into_inner();
/// let lost = Connection::reunite(sender, receiver.into_inner())?;
/// let mut redial = config.redial(path, lost, Instant::now() + Duration::from_secs(30))?;
/// // The next server: here it is the same program.
/// let (resumed, server) = ::tokio::join!(ringway::tokio::resume(&mut redial), listener.accept());
/// let resumed = resumed?;
/// assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 0));
/// assert_eq!(server?.receiver().recv().await?.to_vec(), b"not received");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As for [`Redial::step`]. [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
pub async fn resume(redial: &mut Redial) -> Result<Resumed<Connection>, Error> {
    resume_as(redial, Connection::new, |connection| {
        &mut connection.sender().fed.lane.half
    })
    .await
}

/// Resumes, in a connection that `watched` makes of ours: `sender` is in it.
pub(super) async fn resume_as<C>(
    redial: &mut Redial,
    watched: impl Fn(connection::Connection) -> Result<C, Error>,
    sender: impl FnOnce(&mut C) -> &mut connection::Sender,
) -> Result<Resumed<C>, Error> {
    loop {
        match redial.reach()? {
            Reached::Met(connection) => {
                // While that may fail nothing is taken over: the lost connection is as it was, and meets another one.
                let mut connection = watched(connection)?;
                let redelivered = redial.take_over(sender(&mut connection));
                return Ok(Resumed {
                    connection,
                    redelivered,
                });
            }
            Reached::Later => later().await?,
            Reached::Waits => turn(redial).await?,
        }
    }
}

/// Waits until the next step has something to do.
async fn turn(redial: &Redial) -> Result<(), Error> {
    let Some(line) = redial.line() else {
        return Ok(());
    };
    let mut late = Alarm::at(redial.deadline()).map_err(|lack| lack.error(DOING))?;
    let mut told = pin!(readable(line));
    poll_fn(|cx| match told.as_mut().poll(cx) {
        Poll::Ready(told) => Poll::Ready(told),
        Poll::Pending => match Pin::new(&mut late).poll(cx) {
            // In a forked child the next step says so.
            Poll::Ready(Err(_)) if late.is_forked() => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(Lack::Runtime.error(DOING))),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        },
    })
    .await
}
