//! A moment that the runtime tells of.

use core::task::{Context, Poll};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use ::tokio::time::{Sleep, sleep_until};

use super::ours::Ours;
use super::runtime::{Lack, within};

/// Once, at some moment. It belongs to the runtime in which it was made.
#[derive(Debug)]
pub(super) struct Alarm(Ours<Pin<Box<Sleep>>>);

impl Alarm {
    /// At `moment`.
    pub(super) fn at(moment: Instant) -> Result<Self, Lack> {
        within(|| Ours::new(Box::pin(sleep_until(moment.into())))).map(Self)
    }

    /// In `time`.
    pub(super) fn behind(time: Duration) -> Result<Self, Lack> {
        Self::at(Instant::now() + time)
    }

    /// Whether we are in a forked child of whoever made it: there it tells nothing.
    pub(super) fn is_forked(&self) -> bool {
        self.0.is_forked()
    }
}

impl Future for Alarm {
    /// An error: its runtime is shut down.
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_forked() {
            return Poll::Ready(Err(forked()));
        }
        self.0.as_mut().poll(cx).map(Ok)
    }
}

/// What is answered in a forked child.
pub(super) fn forked() -> io::Error {
    io::Error::other("the runtime belongs to the process that forked this one")
}
