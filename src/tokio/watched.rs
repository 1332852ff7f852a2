//! A descriptor of ours that the runtime watches, for edges.

use core::task::{Context, Poll, Waker};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::pin::pin;

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::task::unconstrained;

use super::alarm::forked;
use super::ours::Ours;
use super::runtime::{Lack, within};

/// A watch of a descriptor that somebody else owns: a copy would cost each half one more.
#[derive(Debug)]
pub(super) struct Watched(Ours<AsyncFd<Number>>);

/// The number of a descriptor.
#[derive(Debug)]
struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Watched {
    /// Has the runtime that we are in watch it, for readability.
    ///
    /// # Safety
    /// The descriptor stays open, and is the same, until the watch is dropped.
    pub(super) unsafe fn new(fd: BorrowedFd<'_>) -> Result<Self, Lack> {
        let number = Number(fd.as_raw_fd());
        // SAFETY: the promise is the caller's, and a number stays the same.
        let watch = || unsafe { AsyncFd::register_with_interest(number, Interest::READABLE) };
        within(|| Ours::new(watch()?)).map(Self)
    }

    /// `Pending`: the task is left with the runtime, and is woken by what comes from now on. `Ready`: something may have come before; that is forgotten, and the task is not left there.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_forked() {
            return Poll::Ready(Err(forked()));
        }
        let edge = self.0.poll_read_ready(cx);
        edge.map_ok(|mut edge| edge.clear_ready())
    }

    /// Leaves no task of ours with the runtime.
    pub(super) fn forget(&self) {
        if self.is_forked() {
            return;
        }
        // In place of the one that may be there, and whatever is left of the budget of whoever drops it.
        let replace = poll_fn(|cx| self.0.poll_read_ready(cx).map(drop));
        let _ = pin!(unconstrained(replace)).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Whether we are in a forked child of whoever made it: the runtime that watches is not ours.
    pub(super) fn is_forked(&self) -> bool {
        self.0.is_forked()
    }

    /// Tells watches apart.
    pub(super) fn number(&self) -> RawFd {
        (*self.0).get_ref().0
    }
}
