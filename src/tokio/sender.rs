//! The half that sends, in a task.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;

use bytes::Bytes;
use futures_sink::Sink;

use super::pace::Pace;
use super::vigil::{Vigil, Waits};
use crate::connection::{self, Peer, Reservation, Rest, Rested, SendError};
use crate::error::Error;
use crate::ring::Slot;

/// Frames that a sink keeps back at most until it is flushed.
const GROUP_FRAMES: u32 = 64;
/// Bytes of them.
const GROUP_BYTES: usize = 16 << 10;

/// The half that sends, in a task. It is `Send`: one task at a time uses it, on whichever thread.
///
/// As a [`Sink`] it takes [`Bytes`]. What was fed is published when the sink is flushed, when the peer waits for it, or when 64 frames or 16 KiB have come together, whichever is first. One
/// item that does not fit is kept until there is room: so with a reader that has stopped there is the ring, and one item.
///
/// Dropping it publishes what was fed and says goodbye, as that of a [`ringway::Sender`](crate::Sender) does.
#[derive(Debug)]
pub struct Sender {
    // Before the half, whose descriptor is watched.
    vigil: Vigil,
    pace: Pace,
    /// Fed, without room for it yet.
    kept: Option<Bytes>,
    /// Fed and not published yet.
    frames: u32,
    bytes: usize,
    half: connection::Sender,
}

/// A sender that waits for room for a frame.
struct ForRoom<'a> {
    half: &'a mut connection::Sender,
    len: usize,
    align: usize,
}

impl Waits for ForRoom<'_> {
    fn rest(&mut self) -> &mut Rest {
        self.half.resting()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.half.as_fd()
    }

    fn look(&mut self) -> bool {
        self.half.looks_roomy(self.len, self.align)
    }

    fn arm(&mut self) -> Rested {
        let rested = self.half.arm_until(self.len, self.align);
        rested.unwrap_or(Rested::Ready)
    }
}

impl Sender {
    /// Has the runtime watch `half` from now on.
    ///
    /// # Errors
    /// What the system answers where the runtime cannot watch one more descriptor.
    ///
    /// # Panics
    /// Outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn new(mut half: connection::Sender) -> Result<Self, Error> {
        half.resting().settle_down()?;
        // SAFETY: nobody is given the half to exchange it, and it is dropped behind the vigil, by its place here and in `into_inner`.
        let vigil = unsafe { Vigil::new(half.as_fd()) }?;
        half.publish_when_dropped(true);
        Ok(Self {
            vigil,
            pace: Pace::default(),
            kept: None,
            frames: 0,
            bytes: 0,
            half,
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
        self.within(payload.len(), 8, |half| half.try_send_kind(kind, payload))
            .await
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
        let find = |half: &mut connection::Sender| half.find_room(len, align);
        let slot: Slot = self.within(len, align, find).await?;
        Ok(self.half.hand_out(slot))
    }

    /// Waits until there is space for `len` bytes: the next [`Sender::try_send`] of so many goes through. Cancel-safe.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    pub async fn ready(&mut self, len: usize) -> Result<(), SendError> {
        let find = |half: &mut connection::Sender| half.find_room(len, 8);
        self.within(len, 8, find).await.map(drop)
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
        self.half.try_send_kind(kind, payload)
    }

    /// Looks whether the peer's receiver is still there: see [`ringway::Sender::check`](crate::Sender::check).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        self.half.check()
    }

    /// The longest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.half.max_payload()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.half.peer()
    }

    /// The half itself, to be asked.
    pub fn get_ref(&self) -> &connection::Sender {
        &self.half
    }

    /// The half, which the runtime watches no more. What was fed is published, but for an item that there is no room for: that is given back.
    pub fn into_inner(mut self) -> (connection::Sender, Option<Bytes>) {
        let _ = self.try_settle();
        self.half.publish_when_dropped(false);
        let Self {
            vigil, half, kept, ..
        } = self;
        drop(vigil);
        (half, kept)
    }

    /// Awaits what `attempt` does without waiting.
    #[inline]
    fn within<T, F>(&mut self, len: usize, align: usize, attempt: F) -> Within<'_, F>
    where
        F: FnMut(&mut connection::Sender) -> Result<T, SendError>,
    {
        Within {
            sender: self,
            len,
            align,
            attempt,
        }
    }

    /// Tries `attempt` until there is room for a frame of `len` bytes.
    #[inline]
    pub(super) fn poll_within<T>(
        &mut self,
        cx: &mut Context<'_>,
        (len, align): (usize, usize),
        attempt: &mut impl FnMut(&mut connection::Sender) -> Result<T, SendError>,
    ) -> Poll<Result<T, SendError>> {
        ready!(self.pace.poll(cx));
        loop {
            let outcome = attempt(&mut self.half);
            if !matches!(outcome, Err(SendError::Full)) {
                if self.vigil.waits() {
                    self.vigil.over(self.half.resting(), true);
                }
                self.pace.passed(len);
                return Poll::Ready(outcome);
            }
            let half = &mut self.half;
            let mut half = ForRoom { half, len, align };
            if ready!(self.vigil.poll(cx, &mut half)).is_err() {
                return Poll::Ready(Err(SendError::Runtime));
            }
        }
    }

    /// Sends what the sink keeps for want of room, and publishes what it was fed.
    #[inline]
    pub(super) fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.frames > 0 {
            self.publish();
        }
        if self.kept.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_kept(cx)
    }

    #[cold]
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(item) = self.kept.take() else {
            return Poll::Ready(Ok(()));
        };
        let outcome = self.poll_within(cx, (item.len(), 8), &mut |half| half.try_send(&item));
        if matches!(
            outcome,
            Poll::Pending | Poll::Ready(Err(SendError::Runtime))
        ) {
            self.kept = Some(item);
        }
        outcome
    }

    /// The same, without waiting.
    #[inline]
    fn try_settle(&mut self) -> Result<(), SendError> {
        if self.frames > 0 {
            self.publish();
        }
        if let Some(item) = &self.kept {
            let outcome = self.half.try_send(item);
            if outcome != Err(SendError::Full) {
                self.kept = None;
            }
            return outcome;
        }
        Ok(())
    }

    #[inline(never)]
    fn publish(&mut self) {
        (self.frames, self.bytes) = (0, 0);
        if !self.half.is_forked() {
            // Before: see the batcher.
            self.half.remember();
            self.half.publish_group();
        }
    }
}

/// A call that waits for room. What it does is done by the poll that returns it.
struct Within<'a, F> {
    sender: &'a mut Sender,
    len: usize,
    align: usize,
    attempt: F,
}

impl<F: Unpin, T> Future for Within<'_, F>
where
    F: FnMut(&mut connection::Sender) -> Result<T, SendError>,
{
    type Output = Result<T, SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            sender,
            len,
            align,
            attempt,
        } = &mut *self;
        if let Err(error) = ready!(sender.poll_settled(cx)) {
            return Poll::Ready(Err(error));
        }
        sender.poll_within(cx, (*len, *align), attempt)
    }
}

impl<F> Drop for Within<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if self.sender.vigil.waits() {
            self.sender.vigil.over(self.sender.half.resting(), false);
        }
    }
}

impl Sink<Bytes> for Sender {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        if this.kept.is_some() {
            return this.poll_settled(cx);
        }
        this.pace.poll(cx).map(Ok)
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, item: Bytes) -> Result<(), SendError> {
        let this = self.get_mut();
        debug_assert!(this.kept.is_none(), "poll_ready comes before start_send");
        if this.frames == 0 {
            this.half.heed_verdict()?;
        }
        match this.half.append(&item, 0, None) {
            Ok(()) => {
                this.frames += 1;
                this.bytes += item.len();
                this.pace.passed(item.len());
                let much = this.frames >= GROUP_FRAMES || this.bytes >= GROUP_BYTES;
                if much || this.half.peer_has_waited() {
                    this.publish();
                }
                Ok(())
            }
            Err(SendError::Full) => {
                // What is kept back must be visible before anybody waits, or the peer could not make room.
                this.publish();
                this.kept = Some(item);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_settled(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_settled(cx)
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.half.as_fd()
    }
}
