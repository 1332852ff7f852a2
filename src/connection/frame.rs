//! A received frame, still in the peer's memory.

use std::time::Instant;

use super::outcome::RecvError;
use super::receiver::Receiver;
use crate::layout::header::HEADER;
use crate::layout::redelivery::Redelivery;
use crate::ring::Entry;
use crate::segment::Ring;
use crate::sys::clock;

/// A received frame. Its bytes are in memory that the peer can change at any time, so they are copied out; two copies may differ. Dropping
/// it releases the frame.
#[derive(Debug)]
#[must_use = "a frame that is dropped unread is released"]
pub struct Frame<'a> {
    receiver: &'a mut Receiver,
    entry: Entry,
    /// Whether the drop finishes with it.
    end: End,
}

/// What its drop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Finishes with it.
    Finish,
    /// Nothing: it is one of several, which are released together.
    Batched,
    /// Finishes with the copy of it that its caller goes on with, as far as that is known.
    Copied,
}

impl<'a> Frame<'a> {
    #[inline(always)]
    pub(crate) fn new(receiver: &'a mut Receiver, entry: Entry) -> Self {
        Self {
            receiver,
            entry,
            end: End::Finish,
        }
    }

    /// One that its batch releases.
    #[inline(always)]
    pub(crate) fn of_batch(receiver: &'a mut Receiver, entry: Entry) -> Self {
        Self {
            receiver,
            entry,
            end: End::Batched,
        }
    }

    /// The same, of which a copy will be handed on.
    #[inline(always)]
    pub(crate) fn copied(mut self) -> Self {
        self.end = End::Copied;
        self
    }

    /// Lets go of the frame without being finished with it: for a handler that fails in other ways than by a panic, which does this by itself. Where the connection can be resumed
    /// ([`Config::resumable`](crate::Config::resumable)) the next server gets it, in doubt, if this one ends before it asks for another frame; when it asks, it is finished with this one. Where the connection
    /// cannot, and while frames are held, it is as if the frame were dropped. One of a batch stays with its batch: [`Frames::leave`](crate::Frames::leave).
    pub fn leave(self) {
        match self.end {
            End::Batched => {}
            End::Finish | End::Copied => drop(self.copied()),
        }
    }

    /// The same, which is looked at where it lies.
    pub(crate) fn viewed(mut self) -> Self {
        self.end = End::Finish;
        self
    }

    /// Payload bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.entry.payload()
    }

    /// Whether the payload is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number that the sender gave the frame: 0 unless it chose one.
    #[inline]
    pub fn kind(&self) -> u16 {
        self.entry.kind()
    }

    /// The lane that it came by: 0 is served first, and there is no other unless both sides asked for some ([`Config::lanes`](crate::Config::lanes)).
    #[inline]
    pub fn priority(&self) -> usize {
        self.receiver.at_hand()
    }

    /// The frame's identity in its lane: positions grow, and no two frames of one direction and [priority](Frame::priority) share one.
    #[inline]
    pub fn position(&self) -> u64 {
        self.receiver.lane.position(&self.entry)
    }

    /// When the frame expires, on this process's clock, if its sender has said so ([`Sender::send_expiring`](crate::Sender::send_expiring)). It may be past, and as absurd as a peer
    /// likes: from the host's boot to hundreds of years from now. Also `None` where this process cannot tell the host's clock ([`Receiver::drop_expired`]).
    pub fn expires(&self) -> Option<Instant> {
        self.receiver
            .lane
            .expires(&self.entry)
            .and_then(clock::instant)
    }

    /// Whether the frame was sent to an earlier incarnation of this side too, and what is known of what that one did with it: a client that outlived its server has resumed the connection
    /// ([`Config::resume`](crate::Config::resume)). `First`, unless both sides have asked for that ([`Config::resumable`](crate::Config::resumable)).
    #[inline]
    pub fn redelivery(&self) -> Redelivery {
        self.entry.redelivery()
    }

    /// Copies the payload into `target`, as much as fits. Returns the bytes copied; none in a forked child.
    #[inline]
    pub fn copy_to(&self, target: &mut [u8]) -> usize {
        self.copy_at(0, target)
    }

    /// Copies from byte `offset` of the payload on, as much as fits. Returns the bytes copied; 0 behind the end.
    #[inline]
    pub fn copy_at(&self, offset: usize, target: &mut [u8]) -> usize {
        if self.receiver.is_forked() {
            return 0;
        }
        self.receiver.lane.copy(&self.entry, offset, target)
    }

    /// While frames are held ([`Receiver::hold`]): waits until there is one behind this, which is finished with then; `None` waits for ever.
    ///
    /// Whoever looks for a frame is done with those before it, so where frames are not held a wait would release this one while it is open: it is
    /// refused, and nothing is waited for.
    ///
    /// # Errors
    /// As for [`Receiver::recv_deadline`], and [`RecvError::Unheld`] where frames are not held; and this frame again, which is unreleased.
    pub fn wait_for_next(self, deadline: Option<Instant>) -> Result<(), (RecvError, Self)> {
        // A forked child is told that it is one: it has nothing to release.
        if !self.receiver.lane.holds() && !self.receiver.is_forked() {
            return Err((RecvError::Unheld, self));
        }
        let expires = self.receiver.lane.expires(&self.entry);
        // Where there are several lanes, that of the one that was found is at hand behind it, and no longer this one's.
        let Err(error) = self.receiver.wait_for_frame(deadline) else {
            return Ok(());
        };
        if let Some(expires) = expires {
            self.receiver.lane.still_expires(&self.entry, expires);
        }
        Err((error, self))
    }

    /// A copy of the payload.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut copy = vec![0; self.len()];
        self.copy_to(&mut copy);
        copy
    }

    /// The payload in place, without a copy: the trusted mode.
    ///
    /// # Safety
    /// The peer must not change these bytes while the slice lives: a peer that does causes a data race, and code that checks the
    /// bytes and then uses them may act on others than it checked. Only a peer that you would run in your own process qualifies.
    /// A forked child has no mapping and must not call this.
    #[inline]
    pub unsafe fn as_trusted_slice(&self) -> &[u8] {
        let ring = self.receiver.lane.ring();
        let payload = ring.place(self.entry.position + HEADER);
        // SAFETY: the consumer found the frame in bounds, so its payload is contiguous in the double mapping, which the receiver keeps; that
        // the bytes do not change is the caller's promise.
        unsafe { core::slice::from_raw_parts(payload, self.len()) }
    }
}

impl Drop for Frame<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.end {
            End::Finish => self.receiver.finish(),
            End::Batched => {}
            End::Copied => self.receiver.finish_copied(),
        }
    }
}
