//! Typed connections that are resumed step by step.

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::Connection;
use super::message::Messages;
use crate::connection::{self, RedialStep};
use crate::error::Error;

/// A typed connection that is being resumed: [`ringway::Redial`](crate::Redial) of messages, which [`Connection::redial`] begins. Dropping it gives up the resuming and the lost connection too:
/// [`Redial::into_connection`] keeps that.
///
/// ```
/// use ringway::{Config, RedialStep, typed};
/// # use std::time::{Duration, Instant};
/// # use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
/// # #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, ringway::typed::Message)]
/// # #[zerocopy(crate = "ringway::zerocopy")]
/// # #[repr(C)]
/// # struct Order { number: u64 }
/// # let path = std::env::temp_dir().join(format!("ringway-doc-typed-redial-{}", std::process::id()));
/// let config = Config::new().resumable(true);
/// let mut listener = typed::Listener::<typed::Nothing, Order>::bind_with(&config, path.as_path())?;
/// # let client = std::thread::spawn({ let (config, path) = (config.clone(), path.clone()); move || typed::connect_with::<Order, typed::Nothing>(&config, path) });
/// let server = listener.accept()?;
/// # let mut lost = client.join().unwrap()?;
/// lost.sender().send(&Order { number: 7 })?;
/// drop(server);
/// assert!(lost.receiver().recv().is_err());
///
/// # let mut next = None;
/// let mut redial = typed::Connection::redial(&config, path, lost, Instant::now() + Duration::from_secs(5))?;
/// let resumed = loop {
///     match redial.step()? {
///         RedialStep::Done(resumed) => break resumed,
///         RedialStep::Waits | RedialStep::Later => {}
///     }
/// #   next = listener.try_accept()?.or(next);
/// };
/// assert_eq!(resumed.unseen(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing happens until it is stepped"]
pub struct Redial<S: ?Sized, R: ?Sized> {
    pub(crate) inner: connection::Redial,
    sends: PhantomData<fn(&S)>,
    expects: PhantomData<fn(&R)>,
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Redial<S, R> {
    pub(super) fn new(inner: connection::Redial) -> Self {
        Self {
            inner,
            sends: PhantomData,
            expects: PhantomData,
        }
    }

    /// Goes as far as it can now: see [`ringway::Redial::step`](crate::Redial::step).
    ///
    /// # Errors
    /// As for that.
    pub fn step(&mut self) -> Result<RedialStep<Connection<S, R>>, Error> {
        Ok(match self.inner.step()? {
            RedialStep::Later => RedialStep::Later,
            RedialStep::Waits => RedialStep::Waits,
            RedialStep::Done(resumed) => RedialStep::Done(resumed.map(Connection::new)),
        })
    }

    /// What becomes readable when the server has said something: see [`ringway::Redial::line`](crate::Redial::line).
    pub fn line(&self) -> Option<BorrowedFd<'_>> {
        self.inner.line()
    }

    /// By when to step at the latest: see [`ringway::Redial::deadline`](crate::Redial::deadline).
    pub fn deadline(&self) -> Instant {
        self.inner.deadline()
    }

    /// How long there is nothing to do behind a step that came to [`RedialStep::Later`]: 10 ms at most.
    pub fn pause(&self) -> Duration {
        self.inner.pause()
    }

    /// Gives it up. The lost connection, as it was; `None` if it was resumed.
    pub fn into_connection(self) -> Option<Connection<S, R>> {
        self.inner.into_connection().map(Connection::new)
    }
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Redial<S, R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Redial").field(&self.inner).finish()
    }
}
