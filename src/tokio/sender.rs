//! The half that sends, in a task.

use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;

use super::feeding::Feeding;
use crate::connection::{self, Peer, Reservation, Room, SendError};
use crate::error::Error;

/// The half that sends, in a task. It is `Send`: one task at a time uses it, on whichever thread.
///
/// As a [`Sink`](futures_sink::Sink) it takes [`Bytes`]. What was fed is published when the sink is flushed, when the peer waits for it, or when 64 frames or 16 KiB have come together, whichever is first. One
/// item that does not fit is kept until there is room: so with a reader that has stopped there is the ring, and one item.
///
/// Dropping it publishes what was fed and says goodbye, as that of a [`ringway::Sender`](crate::Sender) does; an item that there is no room for is lost then, so flush before.
#[derive(Debug)]
pub struct Sender {
    pub(super) fed: Feeding<connection::Sender>,
}

impl Sender {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(half: connection::Sender) -> Result<Self, Error> {
        Feeding::new(half).map(|fed| Self { fed })
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
        self.fed.settle().await?;
        let send = |half: &mut connection::Sender| half.try_send_kind(kind, payload);
        self.fed.lane.until(Room::of(payload.len()), send).await?;
        self.fed.lane.passed(payload.len());
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
        self.fed.settle().await?;
        let find = |half: &mut connection::Sender| half.find_room(len, align);
        let slot = self
            .fed
            .lane
            .until(Room::of(len).aligned(align), find)
            .await?;
        self.fed.lane.passed(len);
        Ok(self.fed.lane.half.hand_out(slot))
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
        self.fed.settle().await
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
        self.fed.at_once()?.try_send_kind(kind, payload)
    }

    /// Space in the ring for `len` bytes if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.fed.at_once()?.try_reserve(len)
    }

    /// Looks whether the peer's receiver is still there: see [`ringway::Sender::check`](crate::Sender::check).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.fed.lane.half.check()
    }

    /// The longest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.fed.lane.half.max_payload()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.fed.lane.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &connection::Sender {
        &self.fed.lane.half
    }

    /// The half, which the runtime watches no more: for whatever is not done in a task. What was fed is published, but for an item that there is no room for: that is given back.
    pub fn into_inner(self) -> (connection::Sender, Option<Bytes>) {
        self.fed.into_inner()
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fed.lane.half.as_fd()
    }
}
