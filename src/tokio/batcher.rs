//! A batcher whose time is kept by the runtime.

use core::fmt;
use std::future::{Future, pending, poll_fn};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Sender;
use super::alarm::Alarm;
use super::attended::Attended;
use crate::batch::{self, Bounds};
use crate::connection::{Peer, Room, SendError};

/// The runtime's timer counts milliseconds, and is up to one late.
const GRAIN: Duration = Duration::from_millis(1);

/// A [`Sender`] that publishes frames in groups while that delays nobody: [`ringway::batch::Batcher`](crate::batch::Batcher), in a task.
///
/// Whoever sends and then awaits something else has what is kept back published in time by [`Batcher::during`] or [`Batcher::due`]; nobody does it in the background. A frame that the
/// runtime's timer would be late for, which is any that is due within a millisecond, is published when the task begins to wait, and so none is kept back for longer than the budget.
#[derive(Debug)]
pub struct Batcher {
    lane: Attended<batch::Batcher>,
}

impl Batcher {
    /// Sends through `sender` from now on, which has nothing to settle ([`Sender::settle`]).
    ///
    /// # Errors
    /// An item that the sink was fed has no room yet: the sender is given back with it.
    pub fn new(mut sender: Sender, bounds: Bounds) -> Result<Self, Unsettled<Sender>> {
        if !sender.fed.has_settled() {
            return Err(Unsettled::new(sender));
        }
        let lane = sender.fed.into_lane();
        // SAFETY: a batcher owns its half, and this one is handed out to nobody.
        let lane = unsafe { lane.map(|half| batch::Batcher::new(half, bounds)) };
        Ok(Self { lane })
    }

    /// Accepts a copy of `payload`, waiting for space. It is published at once or later.
    ///
    /// Cancel-safe: it is accepted by the poll that returns `Ok`.
    ///
    /// # Errors
    /// As for [`Sender::send`]. Nothing of `payload` was sent then; what was accepted before it stays so.
    #[inline]
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_kind(0, payload).await
    }

    /// As [`Batcher::send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind). Cancel-safe, as that is.
    ///
    /// # Errors
    /// As for [`Batcher::send`].
    #[inline]
    pub async fn send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        let send = |half: &mut batch::Batcher| half.try_send_kind(kind, payload);
        self.lane.until(Room::of(payload.len()), send).await?;
        self.lane.passed(payload.len());
        Ok(())
    }

    /// As [`Batcher::send`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`], and everything that was accepted before is published then.
    #[inline]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.lane.at_once().try_send(payload)
    }

    /// Publishes everything that was accepted.
    pub fn flush(&mut self) {
        self.lane.half.flush();
    }

    /// Whether frames were accepted that are not published yet.
    pub fn keeps_back(&self) -> bool {
        self.lane.half.keeps_back()
    }

    /// Waits until what is kept back is due, and publishes it; for ever, while nothing is. For `select!`, beside what the task awaits. Cancel-safe.
    pub async fn due(&mut self) {
        due(self.lane.at_once()).await;
    }

    /// Awaits `future`, and publishes in time what is kept back meanwhile. As cancel-safe as `future` is.
    pub async fn during<F: Future>(&mut self, future: F) -> F::Output {
        during(self.lane.at_once(), future).await
    }

    /// Publishes everything, and looks whether the peer's receiver is still there.
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.lane.half.check()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.half.peer()
    }

    /// Publishes everything, and gives the sender back, which the runtime watches no more ([`Sender::new`]).
    pub fn into_inner(self) -> crate::connection::Sender {
        self.lane.into_inner().into_sender()
    }
}

/// A sender of which no batcher was made, since an item that its sink was fed has no room yet. Nothing of it was lost.
#[derive(Debug)]
pub struct Unsettled<S = Sender> {
    sender: Box<S>,
}

impl<S> Unsettled<S> {
    pub(super) fn new(sender: S) -> Self {
        Self {
            sender: Box::new(sender),
        }
    }

    /// The sender as it was: settle it, and try again.
    pub fn into_sender(self) -> S {
        *self.sender
    }
}

impl<S> fmt::Display for Unsettled<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "an item that the sink was fed has no room yet: settle the sender before a batcher is made of it",
        )
    }
}

impl<S: fmt::Debug> std::error::Error for Unsettled<S> {}

impl AsFd for Batcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}

/// Waits until what is kept back is due, and publishes it; for ever, while nothing is.
pub(super) async fn due(batcher: &mut batch::Batcher) {
    while let Some(deadline) = batcher.deadline() {
        let left = deadline.saturating_duration_since(Instant::now());
        match left.checked_sub(GRAIN) {
            // Where there is no timer nobody would tell.
            Some(left) if !left.is_zero() => {
                let Ok(alarm) = Alarm::behind(left) else {
                    return batcher.flush();
                };
                if alarm.await.is_err() {
                    return batcher.flush();
                }
            }
            _ => return batcher.flush(),
        }
    }
    pending::<()>().await;
}

/// Awaits `future`, and publishes in time what is kept back meanwhile.
pub(super) async fn during<F: Future>(batcher: &mut batch::Batcher, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut due = pin!(due(batcher));
    let mut published = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        if !published {
            published = due.as_mut().poll(cx).is_ready();
        }
        Poll::Pending
    })
    .await
}
