//! A moment that the runtime tells of.

use core::task::{Context, Poll};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::{Duration, Instant};

use ::tokio::runtime::{Handle, Id};
use ::tokio::time::{Sleep, sleep_until};

use super::ours::Ours;
use super::runtime::{Lack, within};

/// Once, at some moment. It belongs to the runtime in which it is polled.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Ours<Pin<Box<Sleep>>>,
    moment: Instant,
    /// The runtime in which `sleep` was made.
    home: Id,
}

impl Alarm {
    /// At `moment`.
    pub(super) fn at(moment: Instant) -> Result<Self, Lack> {
        let sleep = within(|| Ours::new(Box::pin(sleep_until(moment.into()))))?;
        let home = here().ok_or(Lack::Runtime)?;
        Ok(Self {
            sleep,
            moment,
            home,
        })
    }

    /// In `time`.
    pub(super) fn behind(time: Duration) -> Result<Self, Lack> {
        Self::at(Instant::now() + time)
    }

    /// Whether we are in a forked child of whoever made it: there it tells nothing.
    pub(super) fn is_forked(&self) -> bool {
        self.sleep.is_forked()
    }
}

/// The runtime that we are in.
fn here() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

impl Future for Alarm {
    /// An error: there is no runtime, or none with time, that could tell.
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_forked() {
            return Poll::Ready(Err(forked()));
        }
        // The one before may be shut down, or nobody drives it.
        if here().is_some_and(|here| here != self.home) {
            match Self::at(self.moment) {
                Ok(alarm) => *self = alarm,
                Err(_) => return Poll::Ready(Err(untold())),
            }
        }
        // Of a runtime that is shut down tokio tells by a panic.
        let sleep = self.sleep.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| sleep.poll(cx)));
        polled.map_or_else(|_| Poll::Ready(Err(untold())), |polled| polled.map(Ok))
    }
}

fn untold() -> io::Error {
    io::Error::other("there is no runtime that could tell of a moment")
}

/// What is answered in a forked child.
pub(super) fn forked() -> io::Error {
    io::Error::other("the runtime belongs to the process that forked this one")
}
