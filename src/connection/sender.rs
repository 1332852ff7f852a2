//! The half that sends.

mod backlog;
mod expiring;
mod polled;
#[cfg(feature = "tokio")]
mod polls;
mod priority;
mod recovery;
mod room;

pub use priority::AtPriority;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::book::Count;
use super::group::Group;
use super::link::Peer;
use super::outcome::{Arm, SendError};
use super::reservation::Reservation;
use super::rest::{Rest, Rested};
use super::room::Room;
use super::schemas::PeerSchemas;
use super::shared::SharedSender;
use super::timing::Timing;
use crate::layout::counters;
use crate::ring::{Beside, Producer, Published, Slot};
use crate::segment::{MappedForeignWord, MappedOwnRing, MappedOwnWord};
use crate::sys::fork::Birth;
use crate::wake::drain::Drain;
use crate::wake::park::Signal;

/// One lane that it sends into.
pub(crate) type Lane = Producer<MappedOwnRing, MappedForeignWord, MappedOwnWord>;

/// The half that sends. One thread at a time uses it; [`Sender::shared`] makes one for several.
///
/// A frame is committed when `send` returns: the peer will see it even if this process is killed in the next instruction. That it
/// was *handled* only an answer can tell, and that the peer still lives is not said by `Ok` either: see [`Sender::send`].
///
/// Dropping it says goodbye: the peer reads what was committed, and then hears [`RecvError::Closed`](crate::RecvError::Closed). Two ends
/// say none:
///
/// - A process that ends and drops nothing (a signal, `std::process::exit`, `panic = "abort"`): the peer hears `PeerDied`.
/// - A drop by a panic, while the thread unwinds. It ends the connection as if its socket had been closed, the other half too: the peer
///   hears `PeerDied` if the process ends as well, else `PeerClosed`. A connection that was made while the thread was unwinding
///   already, in somebody's destructor, ends in order.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Sender {
    /// That of the priority at hand.
    pub(crate) lane: Lane,
    // What a send looks at comes first in it.
    rest: Rest,
    birth: Birth,
    /// The others, where there are several.
    beside: Option<Box<Beside<Lane>>>,
    refused: Count,
    dropped: Count,
    broken: Option<SendError>,
    /// An open group is published by the drop.
    flushes: bool,
    /// A thread looks again for what it waits for: that it is refused counts no more.
    looks_again: bool,
    /// What is known of how fast the peer reads each lane, for frames that expire.
    drains: Vec<Drain>,
    late: Count,
}

impl Sender {
    pub(crate) fn new(mut lane: Lane, rest: Rest) -> Self {
        let slot = rest.link.kept.slot.as_ref();
        if let Some(slot) = slot {
            lane.count_into(slot.lane(counters::SENDS));
        }
        Self {
            drains: vec![Drain::new(lane.step(), lane.published())],
            late: Count::new(slot, counters::SENDS, 11),
            lane,
            beside: None,
            birth: rest.link.birth,
            refused: Count::new(slot, counters::SENDS, 7),
            dropped: Count::new(slot, counters::SENDS, 8),
            broken: None,
            flushes: false,
            looks_again: false,
            rest,
        }
    }

    /// For whoever encodes what this half carries, if that is to be timed.
    pub(crate) fn timing(&self) -> Option<Timing> {
        Timing::new(
            self.rest.link.kept.slot.as_ref(),
            counters::SENDS,
            self.birth,
        )
    }

    /// Sends a copy of `payload`, waiting for space.
    ///
    /// `Ok` means that the frame is committed to memory that the peer can read: not that the peer will read it, nor that it lives. While
    /// there is room, sending makes no system call, and so nothing tells a plain send that the peer was killed. This half hears of it
    /// when the ring is full, or has been gone through once more; and, as soon as either half of the connection has heard, on whatever thread, when it
    /// reserves, opens a group or arms. [`Sender::check`] asks. A receiver that the peer has dropped says so in shared memory: the next send looks
    /// there, still with `Ok`, and the one after it is refused (later if the peer declared [`Wait::Spin`](crate::Wait::Spin), whose sleep nobody looks for).
    ///
    /// # Errors
    /// [`SendError::TooLarge`], or how the connection ended. Nothing was sent then.
    #[inline(always)]
    pub fn send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.send_kind(0, payload)
    }

    /// As [`Sender::send`], with a number that the receiver sees as [`Frame::kind`](crate::Frame::kind). Other sends have kind 0;
    /// a reservation takes one too ([`Reservation::kind`]).
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline(always)]
    pub fn send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        match self.try_send_kind(kind, payload) {
            Err(SendError::Full) => self.send_slowly(payload, kind, None),
            other => other,
        }
    }

    /// As [`Sender::send`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn send_deadline(&mut self, payload: &[u8], deadline: Instant) -> Result<(), SendError> {
        self.send_kind_deadline(0, payload, deadline)
    }

    /// As [`Sender::send_kind`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn send_kind_deadline(
        &mut self,
        kind: u16,
        payload: &[u8],
        deadline: Instant,
    ) -> Result<(), SendError> {
        match self.try_send_kind(kind, payload) {
            Err(SendError::Full) => self.send_slowly(payload, kind, Some(deadline)),
            other => other,
        }
    }

    /// Sends a copy of `payload` if there is space now. Never waits. Space comes back in steps of an eighth of the ring.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline(always)]
    pub fn try_send(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.try_send_kind(0, payload)
    }

    /// As [`Sender::send_kind`] if there is space now. Never waits.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline(always)]
    pub fn try_send_kind(&mut self, kind: u16, payload: &[u8]) -> Result<(), SendError> {
        match self.lane.send_through(payload, kind) {
            Some(published) => {
                self.published(published);
                Ok(())
            }
            None => self.try_send_slowly(payload, kind),
        }
    }

    /// Sends, or drops the payload and counts it when the ring is full. Returns whether it was sent.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub fn send_or_drop(&mut self, payload: &[u8]) -> Result<bool, SendError> {
        match self.try_send(payload) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => {
                self.dropped.add();
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Payloads that [`Sender::send_or_drop`] has dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.value()
    }

    /// Space in the ring for `len` bytes, to be filled in place; waits for it.
    ///
    /// # Errors
    /// As for [`Sender::send`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_aligned(len, 8)
    }

    /// As [`Sender::reserve`], with the payload's address a multiple of `align` on both sides.
    ///
    /// # Errors
    /// Also [`SendError::Alignment`].
    #[inline(always)]
    pub fn reserve_aligned(
        &mut self,
        len: usize,
        align: usize,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, align, Some(None))?;
        Ok(Reservation::new(self, slot, false))
    }

    /// As [`Sender::reserve`], until `deadline`.
    ///
    /// # Errors
    /// Also [`SendError::TimedOut`].
    #[inline]
    pub fn reserve_deadline(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, 8, Some(Some(deadline)))?;
        Ok(Reservation::new(self, slot, false))
    }

    /// As [`Sender::reserve`], without waiting.
    ///
    /// # Errors
    /// Also [`SendError::Full`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, 8, None)?;
        Ok(Reservation::new(self, slot, false))
    }

    /// As [`Sender::reserve_aligned`]. `wait`: `None` does not, `Some(None)` waits for ever.
    #[inline(always)]
    pub(crate) fn reserve_within(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Reservation<'_>, SendError> {
        let slot = self.lone_slot(len, align, wait)?;
        Ok(Reservation::new(self, slot, false))
    }

    /// Opens a group: frames that become visible together, with one store.
    #[inline]
    pub fn group(&mut self) -> Group<'_> {
        // The lane is shut then, and the first frame is refused.
        let _ = self.heed_verdict();
        Group::new(self)
    }

    /// The longest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.lane.most() as usize
    }

    /// Bytes in the ring, that of each priority: what was agreed, which may be less than was asked for ([`Config::capacity`](crate::Config::capacity)).
    pub fn capacity(&self) -> usize {
        self.lane.capacity() as usize
    }

    /// Whether the peer's receiver is known to be gone: what [`Sender::check`] finds.
    pub fn is_closed(&mut self) -> bool {
        self.check().is_err()
    }

    /// Looks whether the peer's receiver is still there, and says how the connection ended if it is not; then every later send says the
    /// same. Costs two system calls (the socket, the peer's process), so it is no call to make before each send: once in a while, or when an
    /// answer is overdue. A connection that was closed without a goodbye counts as open until 200 ms after it was first found so
    /// ([`SendError::PeerClosed`]).
    ///
    /// # Errors
    /// How the connection ended.
    pub fn check(&mut self) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.rest.ask(Instant::now(), Duration::ZERO);
        self.heed()
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.rest.link.peer
    }

    pub(crate) fn peer_schemas(&self) -> &PeerSchemas {
        &self.rest.link.schemas
    }

    /// Before polling this half's descriptor in an event loop: is there space now for a payload of so many bytes, or as [`Room`] says for what is aligned or expires? Only
    /// after [`Arm::Armed`] is the descriptor worth polling, and once: arm again before the next poll. It is polled for *readability*: it is no stream that one writes
    /// to, but an instance of `epoll` that has something to tell. With [`Wait::Spin`](crate::Wait::Spin) the answer is always [`Arm::Ready`].
    ///
    /// ```
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    /// use ringway::{Arm, SendError};
    /// use std::os::fd::AsFd;
    ///
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-space-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || {
    /// #     let (_sender, mut receiver) = ringway::connect(path).unwrap().split();
    /// #     (0..10_000).for_each(|_| assert_eq!(receiver.recv().unwrap().len(), 1000));
    /// # });
    /// # let (mut sender, _receiver) = listener.accept()?.split();
    /// let message = [7; 1000];
    /// let mut left = 10_000;
    /// while left > 0 {
    ///     match sender.try_send(&message) {
    ///         Ok(()) => left -= 1,
    ///         Err(SendError::Full) => {
    ///             while sender.arm(message.len())? == Arm::Armed {
    ///                 poll(&mut [PollFd::new(sender.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    ///             }
    ///         }
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// # drop(sender);
    /// # client.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SendError::TooLarge`], [`SendError::Alignment`], or a broken protocol.
    pub fn arm(&mut self, room: impl Into<Room>) -> Result<Arm, SendError> {
        let rested = self.arm_until(room.into())?;
        Ok(self.rest.without_timer(rested))
    }

    /// The same for whoever has a timer.
    pub(crate) fn arm_until(&mut self, room: Room) -> Result<Rested, SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        self.publish_leaked();
        self.tell_beside();
        self.lane.tell();
        let Self { lane, rest, .. } = self;
        let outcome = rest.arm_until(&mut || room.is_in(lane).map(|there| there.then_some(())));
        // What was heard is told by the call that follows; the lane must be shut for it.
        let _ = self.heed();
        outcome.map_err(|refusal| self.refused(refusal))
    }

    /// A sender for several threads, at the price of a mutex.
    pub fn shared(self) -> SharedSender {
        SharedSender::new(self)
    }

    /// As [`Sender::slot`], outside a group.
    #[inline(always)]
    fn lone_slot(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Slot, SendError> {
        self.publish_leaked();
        self.heed_verdict()?;
        self.slot(len, align, wait)
    }

    /// Refuses if either half has heard of the end from the kernel.
    #[inline(always)]
    pub(crate) fn heed_verdict(&mut self) -> Result<(), SendError> {
        if self.rest.link.verdict().is_some() && !self.birth.is_forked() {
            self.heed()?;
        }
        Ok(())
    }

    /// Publishes a group whose guard was leaked: the peer could never make room behind frames that it does not see.
    #[inline(always)]
    fn publish_leaked(&mut self) {
        if self.lane.has_open_group() && !self.is_forked() {
            self.publish_group();
        }
    }

    /// Publishes the open group, if there is one.
    #[inline(always)]
    pub(crate) fn publish_group(&mut self) {
        if let Some(published) = self.lane.publish() {
            self.published(published);
        }
    }

    /// Room for a frame. `wait`: `None` does not, `Some(None)` waits for ever.
    #[inline(always)]
    pub(crate) fn slot(
        &mut self,
        len: usize,
        align: usize,
        wait: Option<Option<Instant>>,
    ) -> Result<Slot, SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        match self.lane.try_reserve(len, align) {
            Ok(slot) => Ok(slot),
            Err(refusal) => self.slot_slowly(len, align, wait, refusal),
        }
    }

    /// Adds a copy of `payload` to the open group. `wait` as in `slot`.
    #[inline(always)]
    pub(crate) fn append(
        &mut self,
        payload: &[u8],
        kind: u16,
        wait: Option<Option<Instant>>,
    ) -> Result<(), SendError> {
        if self.birth.is_forked() {
            return Err(SendError::Forked);
        }
        match self.lane.try_append(payload, kind) {
            Ok(()) => Ok(()),
            Err(refusal) => self.append_slowly(payload, kind, refusal, wait),
        }
    }

    /// Ends the connection without a goodbye, for both halves.
    pub(crate) fn abandon(&self) {
        self.rest.abandon();
    }

    /// Tells the peer that nothing more comes. After that this half is neither sent through nor waited with.
    pub(crate) fn say_goodbye(&mut self) {
        if !self.is_forked() {
            if self.flushes {
                self.publish_group();
            }
            self.tell_all();
        }
        self.rest.close();
    }

    /// Whether this is a child of the process that made the connection, where nothing of it is mapped.
    #[inline(always)]
    pub fn is_forked(&self) -> bool {
        self.birth.is_forked()
    }

    /// Behind every publish: wake the peer if it sleeps. Once it has closed its half, the lane is shut.
    #[inline(always)]
    pub(crate) fn published(&mut self, published: Published) {
        if published != Published::Plain {
            match self.rest.look() {
                Signal::Nothing => {}
                signal => self.signal(signal),
            }
        }
    }

    /// Whether the peer is to be woken.
    #[inline(always)]
    pub(super) fn look_at_peer(&mut self) -> Signal {
        self.rest.look()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn signal(&mut self, signal: Signal) {
        self.lane.tell();
        self.lane.consumer_slept();
        if self.rest.signal(signal) {
            self.shut();
        }
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rest.as_fd()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}
