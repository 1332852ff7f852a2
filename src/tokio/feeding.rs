//! A half that sends, with what a sink was fed: published in groups, and one item kept that there was no room for.

use core::task::{Context, Poll, ready};
use std::future::Future;
use std::pin::Pin;

use super::attended::{Attended, Half};
use crate::connection::{self, Room, SendError};
use crate::error::Error;

/// Frames that are kept back at most until the sink is flushed.
const GROUP_FRAMES: u32 = 64;
/// Bytes of them.
const GROUP_BYTES: usize = 16 << 10;

/// A half that sends items.
pub(super) trait Sends: Half<Want = Room> {
    /// What the sink keeps.
    type Item;

    /// The kind of its frame, and what is in it.
    fn frame(item: &Self::Item) -> (u16, &[u8]);
    /// The half that sends bytes.
    fn bytes(&mut self) -> &mut connection::Sender;
}

/// A half, and what it was fed.
#[derive(Debug)]
pub(super) struct Feeding<H: Sends> {
    pub(super) lane: Attended<H>,
    /// Fed, without room for it yet.
    kept: Option<H::Item>,
    /// The priority to go back to behind what is kept.
    before: Option<usize>,
    /// Fed and not published yet.
    frames: u32,
    bytes: usize,
}

impl<H: Sends> Feeding<H> {
    /// Has the runtime that we are in watch `half`.
    pub(super) fn new(half: H) -> Result<Self, Error> {
        let mut lane = Attended::new(half)?;
        lane.half.bytes().publish_when_dropped(true);
        Ok(Self {
            lane,
            kept: None,
            before: None,
            frames: 0,
            bytes: 0,
        })
    }

    /// The half, which is watched no more, and an item that there is no room for.
    pub(super) fn into_inner(mut self) -> (H, Option<H::Item>) {
        let _ = self.try_settle();
        self.go_back();
        self.lane.half.bytes().publish_when_dropped(false);
        (self.lane.into_inner(), self.kept)
    }

    /// Whether there is nothing to settle any more.
    pub(super) fn has_settled(&mut self) -> bool {
        let _ = self.try_settle();
        self.kept.is_none()
    }

    /// The half, watched on. What is kept is lost.
    pub(super) fn into_lane(mut self) -> Attended<H> {
        self.lane.half.bytes().publish_when_dropped(false);
        self.lane
    }

    /// Whether an item can be fed.
    #[inline(always)]
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.kept.is_some() {
            return self.poll_settled(cx);
        }
        self.lane.poll_pace(cx).map(Ok)
    }

    /// Takes a copy of `payload` into the open group. `false`: there is no room, and it is to be kept.
    #[inline(always)]
    pub(super) fn put(&mut self, kind: u16, payload: &[u8]) -> Result<bool, SendError> {
        assert!(self.kept.is_none(), "poll_ready comes before start_send");
        let half = self.lane.half.bytes();
        if self.frames == 0 {
            half.heed_verdict()?;
        }
        match half.append(payload, kind, None) {
            Ok(()) => {
                let waited_for = half.peer_has_waited();
                self.frames += 1;
                self.bytes += payload.len();
                self.lane.passed(payload.len());
                if waited_for || self.frames >= GROUP_FRAMES || self.bytes >= GROUP_BYTES {
                    self.publish();
                }
                Ok(true)
            }
            Err(SendError::Full) => {
                // What is kept back must be visible before anybody waits, or the peer could not make room.
                self.publish();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes an item, or keeps it.
    #[inline(always)]
    pub(super) fn feed(&mut self, item: H::Item) -> Result<(), SendError> {
        let (kind, payload) = H::frame(&item);
        if !self.put(kind, payload)? {
            self.keep(item);
        }
        Ok(())
    }

    /// Behind a [`put`](Self::put) that found no room.
    #[cold]
    #[inline(never)]
    pub(super) fn keep(&mut self, item: H::Item) {
        self.kept = Some(item);
    }

    /// Has what is sent from now on the priority `before` again. What is kept goes first, at the one that it was fed at.
    pub(super) fn back_to(&mut self, before: usize) {
        self.publish_fed();
        self.before = Some(before);
        if self.kept.is_none() {
            self.go_back();
        }
    }

    fn go_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.lane.half.bytes().go_back(before);
        }
    }

    /// What was kept is sent, or never will be.
    fn let_go(&mut self) {
        self.kept = None;
        self.go_back();
    }

    /// Publishes what was fed, waiting for room for what is kept. Cancel-safe.
    #[inline]
    pub(super) fn settle(&mut self) -> Settled<'_, H> {
        Settled(self)
    }

    /// Sends what is kept for want of room, and publishes what was fed.
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
        let (kind, payload) = H::frame(item);
        let mut send = |half: &mut H| half.bytes().try_send_kind(kind, payload);
        let outcome = ready!(self.lane.poll(cx, Room::of(payload.len()), &mut send));
        if outcome != Err(SendError::Runtime) {
            self.let_go();
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
        let (kind, payload) = H::frame(item);
        let outcome = self.lane.at_once().bytes().try_send_kind(kind, payload);
        if outcome != Err(SendError::Full) {
            self.let_go();
        }
        outcome
    }

    /// For a call that does not wait, behind what was fed.
    #[inline]
    pub(super) fn at_once(&mut self) -> Result<&mut H, SendError> {
        self.try_settle()?;
        Ok(self.lane.at_once())
    }

    /// Publishes what was fed, if there is anything.
    #[inline(always)]
    pub(super) fn publish_fed(&mut self) {
        if self.frames > 0 {
            self.publish();
        }
    }

    #[inline(never)]
    fn publish(&mut self) {
        (self.frames, self.bytes) = (0, 0);
        let half = self.lane.half.bytes();
        if !half.is_forked() {
            // Before it is published: what the receiver says behind that is that it has read it.
            half.remember();
            half.publish_group();
        }
    }
}

/// Settles. When it is dropped, what is kept stays kept.
pub(super) struct Settled<'a, H: Sends>(&'a mut Feeding<H>);

impl<H: Sends> Future for Settled<'_, H> {
    type Output = Result<(), SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_settled(cx)
    }
}

impl<H: Sends> Drop for Settled<'_, H> {
    #[inline]
    fn drop(&mut self) {
        self.0.lane.leave();
    }
}
