//! The half that sends, in a task.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use bytes::Bytes;

use super::attended::Attended;
use super::halves::Room;
use crate::connection::{self, Peer, Reservation, SendError};
use crate::error::Error;

/// The half that sends, in a task. It is `Send`: one task at a time uses it, on whichever thread.
///
/// As a [`Sink`](futures_sink::Sink) it takes [`Bytes`]. What was fed is published when the sink is flushed, when the peer waits for it, or when 64 frames or 16 KiB have come together, whichever is first. One
/// item that does not fit is kept until there is room: so with a reader that has stopped there is the ring, and one item.
///
/// Dropping it publishes what was fed and says goodbye, as that of a [`ringway::Sender`](crate::Sender) does; an item that there is no room for is lost then, so flush before.
#[derive(Debug)]
pub struct Sender {
    pub(super) lane: Attended<connection::Sender>,
    /// Fed, without room for it yet.
    pub(super) kept: Option<Bytes>,
    /// Fed and not published yet.
    pub(super) frames: u32,
    pub(super) bytes: usize,
}

impl Sender {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: connection::Sender) -> Result<Self, Error> {
        let mut lane = Attended::new(half)?;
        lane.half.publish_when_dropped(true);
        Ok(Self {
            lane,
            kept: None,
            frames: 0,
            bytes: 0,
        })
    }

    /// Sends a copy of `payload`, waiting for space. What `Ok` means is said at [`ringway::Sender::send`](crate::Sender::send).
    ///
    /// Cancel-safe: the frame is committed by the poll that returns `Ok`, so that of a call that was dropped nothing was sent.
    ///
    /// # Errors
    /// [`SendError::TooLarge`], [`SendError::Runtime`], or how the connection ended. Nothing was sent then.
    #[inline]
    pub async fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_kind(0, payload).await
    }

    /// As [`Sender::send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind). Cancel-safe, as that is.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.settle().await?;
        let send = |half: &mut connection::Sender| half.try_send_kind(kind, payload);
        self.lane.until(Room::of(payload.len()), send).await?;
        self.lane.passed(payload.len());
        Ok(())
    }

    /// Space in the ring for `len` bytes, to be filled in place; waits for it. Cancel-safe: the space is reserved by the poll that returns it.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_aligned(len, 8).await
    }

    /// As [`Sender::reserve`], with the payload's address a multiple of `align` on both sides.
    ///
    /// # Errors
    /// Also [`SendError::Alignment`].
    #[inline]
    pub async fn reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        self.settle().await?;
        let find = |half: &mut connection::Sender| half.find_room(len, align);
        let slot = self.lane.until(Room { len, align }, find).await?;
        self.lane.passed(len);
        Ok(self.lane.half.hand_out(slot))
    }

    /// Waits until there is space for `len` bytes: the next [`Sender::try_send`] of so many goes through. Cancel-safe.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub async fn ready(&mut self, len: usize) -> Result<(), SendError> {
        self.reserve(len).await.map(drop)
    }

    /// Publishes what the sink was fed, waiting for room for an item that there was none for. A plain send needs no flush. Cancel-safe.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub async fn settle(&mut self) -> Result<(), SendError> {
        Settled(self).await
    }

    /// Sends a copy of `payload` if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.try_send_kind(0, payload)
    }

    /// As [`Sender::send_kind`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        self.try_settle()?;
        self.lane.at_once().try_send_kind(kind, payload)
    }

    /// Space in the ring for `len` bytes if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.try_settle()?;
        self.lane.at_once().try_reserve(len)
    }

    /// Looks whether the peer's receiver is still there: see [`ringway::Sender::check`](crate::Sender::check).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.lane.half.check()
    }

    /// The longest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.lane.half.max_payload()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.lane.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &connection::Sender {
        &self.lane.half
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task. What was fed is published, but for an item that there is no room for: that is given back.
    pub fn into_inner(mut self) -> (connection::Sender, Option<Bytes>) {
        let _ = self.try_settle();
        self.lane.half.publish_when_dropped(false);
        (self.lane.into_inner(), self.kept)
    }

    /// Sends what the sink keeps for want of room, and publishes what it was fed.
    #[inline]
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.publish_fed();
        if self.kept.is_none() {
            // It was sent by a call that did not wait.
            self.lane.leave();
            return Poll::Ready(Ok(()));
        }
        self.poll_kept(cx)
    }

    #[cold]
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(item) = &self.kept else {
            return Poll::Ready(Ok(()));
        };
        let mut send = |half: &mut connection::Sender| half.try_send(item);
        let outcome = ready!(self.lane.poll(cx, Room::of(item.len()), &mut send));
        if outcome != Err(SendError::Runtime) {
            self.kept = None;
        }
        Poll::Ready(outcome)
    }

    /// The same, without waiting.
    #[inline]
    pub(super) fn try_settle(&mut self) -> Result<(), SendError> {
        self.publish_fed();
        let Some(item) = &self.kept else {
            return Ok(());
        };
        let outcome = self.lane.at_once().try_send(item);
        if outcome != Err(SendError::Full) {
            self.kept = None;
        }
        outcome
    }

    /// Publishes what was fed, if there is anything.
    #[inline(always)]
    pub(super) fn publish_fed(&mut self) {
        if self.frames > 0 {
            self.publish();
        }
    }

    #[inline(never)]
    pub(super) fn publish(&mut self) {
        (self.frames, self.bytes) = (0, 0);
        let half = &mut self.lane.half;
        if !half.is_forked() {
            // Before it is published: what the receiver says behind that is that it has read it.
            half.remember();
            half.publish_group();
        }
    }
}

/// Settles. When it is dropped, what is kept stays kept.
struct Settled<'a>(&'a mut Sender);

impl Future for Settled<'_> {
    type Output = Result<(), SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_settled(cx)
    }
}

impl Drop for Settled<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.lane.leave();
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lane.half.as_fd()
    }
}
