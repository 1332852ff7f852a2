//! The half that receives.

mod expired;
mod follow;
mod frames;
mod held;
mod into;
mod lanes;
mod part;
mod polled;
#[cfg(feature = "tokio")]
mod polls;
mod records;
mod taken;
mod waiting;

pub(super) use expired::unknown;
pub(super) use follow::Following;
pub use frames::Frames;
use taken::Told;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::book::Count;
use super::frame::Frame;
use super::link::Peer;
use super::outcome::{Arm, Gone, RecvError};
use super::rest::{LIFE_EVERY, Rest};
use super::timing::Timing;
use crate::layout::counters;
use crate::layout::header::frame_length;
use crate::ring::{Consumer, Entry, Found, Halt, LARGE, Several};
use crate::segment::{MappedForeignRing, MappedOwnWord};
use crate::sys::cpu;
use crate::sys::fork::Birth;
use crate::wake::gap::Gap;
use crate::wake::ladder::LOOKS_PER_CHECK;
use crate::wake::quiet::Quiet;
use crate::wake::slip::Slip;

/// One lane that it receives from.
pub(crate) type Lane = Consumer<MappedForeignRing, MappedOwnWord>;
/// The lanes behind the first one.
type Others = Several<MappedForeignRing, MappedOwnWord>;

/// The half that receives. One thread at a time uses it.
///
/// When the peer is gone, frames that it had committed are delivered first.
///
/// Dropping it says goodbye: the peer's sender hears [`SendError::Closed`](crate::SendError::Closed), unless a panic drops it
/// ([`Sender`](crate::Sender)).
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Receiver {
    /// What the short way checks. Where there are several lanes, or account is given of what is taken, it says forked, which sends every call the long way.
    lone: Birth,
    /// The one at hand.
    pub(crate) lane: Lane,
    /// The others, where there are several.
    several: Option<Box<Others>>,
    birth: Birth,
    /// Where account is given: a frame that is dropped does not count as handled.
    leaves: bool,
    slip: Slip,
    gap: Gap,
    quiet: Quiet,
    expired: Count,
    following: Following,
    rest: Rest,
    /// Of the frame that was handed out last, and of the one before it.
    told: [Told; 2],
}

impl Receiver {
    pub(crate) fn new(mut lane: Lane, rest: Rest, following: Following) -> Self {
        if let Some(slot) = &rest.link.kept.slot {
            lane.count_into(slot.lane(counters::RECEIVES));
        }
        let birth = rest.link.birth;
        let lone = if lane.gives_account() {
            birth.never()
        } else {
            birth
        };
        Self {
            lane,
            several: None,
            birth,
            lone,
            leaves: false,
            slip: Slip::default(),
            gap: Gap::default(),
            quiet: Quiet::default(),
            expired: Count::new(rest.link.kept.slot.as_ref(), counters::RECEIVES, 11),
            following,
            rest,
            told: [Told::default(); 2],
        }
    }

    /// For whoever decodes what this half carries, if that is to be timed.
    pub(crate) fn timing(&self) -> Option<Timing> {
        Timing::new(
            self.rest.link.kept.slot.as_ref(),
            counters::RECEIVES,
            self.birth,
        )
    }

    /// The next frame, waiting for it. It is released when the [`Frame`] is dropped, unless frames are held ([`Receiver::hold`]).
    ///
    /// # Errors
    /// How the connection ended, once every committed frame has been delivered.
    #[inline(always)]
    pub fn recv(&mut self) -> Result<Frame<'_>, RecvError> {
        let entry = self.next(None)?;
        Ok(self.frame(entry))
    }

    /// As [`Receiver::recv`], until `deadline`.
    ///
    /// # Errors
    /// Also [`RecvError::TimedOut`].
    #[inline]
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Frame<'_>, RecvError> {
        let entry = self.next(Some(deadline))?;
        Ok(self.frame(entry))
    }

    /// The next frame if one is committed. Never waits.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Frame<'_>, RecvError> {
        let entry = self.try_next()?;
        Ok(self.frame(entry))
    }

    /// Copies the next frame into `buffer`, waiting for it, and releases it. Returns its length in bytes.
    ///
    /// Into a buffer of 64 KiB or more a large frame is copied while its sender still writes it, where there is one priority: the way to receive
    /// large messages soon. So after an error the buffer may hold any bytes, and on success too behind the frame's.
    ///
    /// # Errors
    /// Also [`RecvError::Truncated`]: the buffer is too short, and the frame stays unread.
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        match self.lane.take_exact(buffer) {
            Found::Taken => Ok(buffer.len()),
            Found::Nothing => self.spin_into(buffer),
            Found::Other => self.take_other(buffer, None),
        }
    }

    /// As [`Receiver::recv_into`], until `deadline`.
    ///
    /// # Errors
    /// Also [`RecvError::TimedOut`].
    #[inline]
    pub fn recv_into_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, RecvError> {
        self.take_other(buffer, Some(deadline))
    }

    /// As [`Receiver::recv_into`], without waiting.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline(always)]
    pub fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        if self.lane.take_exact(buffer) == Found::Taken {
            return Ok(buffer.len());
        }
        self.try_take_other(buffer)
    }

    /// Waits for the next frame. One of kind 0 that fills `buffer` is copied into it, as [`Receiver::recv_into`] does; any other is returned.
    #[inline(always)]
    pub(crate) fn recv_exact(&mut self, buffer: &mut [u8]) -> Result<Option<Frame<'_>>, RecvError> {
        let taken = match self.lane.take_exact(buffer) {
            Found::Taken => true,
            Found::Nothing => self.spin_exact(buffer),
            Found::Other => false,
        };
        if taken {
            return Ok(None);
        }
        self.recv().map(|frame| Some(frame.copied()))
    }

    /// Copies the next frame into `buffer` and releases it, if it is there, of kind 0 and fills it.
    #[inline(always)]
    pub(crate) fn take_exact(&mut self, buffer: &mut [u8]) -> bool {
        self.lane.take_exact(buffer) == Found::Taken
    }

    /// Bytes in the ring, that of each priority: what was agreed ([`Config::capacity`](crate::Config::capacity)).
    pub fn capacity(&self) -> usize {
        self.lane.capacity() as usize
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.rest.link.peer
    }

    /// Before polling this half's descriptor in an event loop: is there a frame now (or an end to report)? Only after
    /// [`Arm::Armed`] is the descriptor worth polling, for readability, and once: arm again before the next poll. It may be readable
    /// for nothing. With [`Wait::Spin`](crate::Wait::Spin) the answer is always [`Arm::Ready`].
    ///
    /// ```
    /// use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    /// use ringway::{Arm, RecvError};
    /// use std::os::fd::AsFd;
    ///
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-arm-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || {
    /// #     let mut sender = ringway::connect(path).unwrap().split().0;
    /// #     (0..3u8).for_each(|n| sender.send(&[n]).unwrap());
    /// # });
    /// # let (_sender, mut receiver) = listener.accept()?.split();
    /// # let mut read = 0;
    /// 'frames: loop {
    ///     while receiver.arm()? == Arm::Armed {
    ///         // Here with all else that the loop waits for; or `epoll`, for levels or edges.
    ///         poll(&mut [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    ///     }
    ///     loop {
    ///         match receiver.try_recv() {
    ///             Ok(frame) => println!("{:?}", frame.to_vec()),
    ///             Err(RecvError::Empty) => break,
    ///             Err(RecvError::Closed) => break 'frames,
    ///             Err(error) => return Err(error.into()),
    ///         }
    ///         # read += 1;
    ///     }
    /// }
    /// # assert_eq!(read, 3);
    /// # client.join().unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A broken protocol.
    pub fn arm(&mut self) -> Result<Arm, RecvError> {
        if self.birth.is_forked() {
            return Err(RecvError::Forked);
        }
        self.tell_numbers();
        self.arm_behind_expired()
    }

    #[inline(always)]
    fn peek(&mut self) -> Result<Option<Entry>, RecvError> {
        if self.lone.is_forked() {
            return self.peek_lanes();
        }
        self.look_at_lane()
    }

    /// As `peek`, of a lone lane, in the process that made the connection.
    #[inline(always)]
    fn look_at_lane(&mut self) -> Result<Option<Entry>, RecvError> {
        match self.lane.peek() {
            Ok(found) => Ok(found),
            Err(halt) => self.halted(halt),
        }
    }

    #[inline(always)]
    fn next(&mut self, deadline: Option<Instant>) -> Result<Entry, RecvError> {
        if self.lone.is_forked() {
            return self.next_of_lanes(deadline);
        }
        match self.look_at_lane()? {
            Some(entry) => Ok(entry),
            None => self.spin(deadline),
        }
    }

    /// The first looks after one that found nothing. They are in line, so that what they find stays in registers: an entry that
    /// is handed up through memory costs a ping-pong between near cores half as much again.
    #[inline(always)]
    fn spin(&mut self, deadline: Option<Instant>) -> Result<Entry, RecvError> {
        if self.rest.spins() {
            self.slip();
            for _ in 0..LOOKS_PER_CHECK {
                if let Some(entry) = self.look_at_lane()? {
                    self.slip.found(entry.length());
                    self.rest.found_soon();
                    return Ok(entry);
                }
                self.gap.pass();
            }
        }
        self.wait(deadline)
    }

    /// As [`Receiver::spin`], for a frame that fills `buffer`.
    #[inline(always)]
    fn spin_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        if buffer.len() < LARGE && self.spin_exact(buffer) {
            return Ok(buffer.len());
        }
        self.take_other(buffer, None)
    }

    /// Whether a frame that fills `buffer` came while it looked, which it then has taken.
    #[inline(always)]
    fn spin_exact(&mut self, buffer: &mut [u8]) -> bool {
        if self.rest.spins() {
            self.slip();
            for _ in 0..LOOKS_PER_CHECK {
                match self.lane.take_exact(buffer) {
                    Found::Taken => {
                        self.slip.found(frame_length(buffer.len() as u64));
                        self.rest.found_soon();
                        return true;
                    }
                    Found::Nothing => self.gap.pass(),
                    Found::Other => break,
                }
            }
        }
        false
    }

    #[inline(never)]
    fn slip(&mut self) {
        self.slip_from(self.lane.next(), u32::MAX);
    }

    /// What comes before the looks of who has found nothing at `position`: staying away, for `longest` nanoseconds at the most, and now and then timing looks.
    #[inline(always)]
    fn slip_from(&mut self, position: u64, longest: u32) {
        let nanos = self
            .slip
            .found_empty(position, self.lane.capacity())
            .min(longest);
        if nanos > 0 {
            for _ in 0..cpu::pauses(nanos) {
                core::hint::spin_loop();
            }
        }
        if self.gap.is_due() {
            self.time_looks();
        }
    }

    /// Looks until there is something, which is then taken by the looks that follow, and learns how long a line takes to come.
    #[cold]
    fn time_looks(&mut self) {
        for look in 0..LOOKS_PER_CHECK {
            match cpu::timed(|| self.lane.peek()) {
                (Ok(None), _) => self.gap.pass(),
                (Ok(Some(_)), nanos) if look > 0 => {
                    return self.gap.learn(nanos, cpu::pauses);
                }
                // The looks that follow find a broken rule again.
                (Err(halt), _) => {
                    let _ = self.halted(halt);
                    return;
                }
                _ => return,
            }
        }
    }

    /// What the peer and observers are told before a wait: nobody tells them later.
    fn tell_of_wait(&mut self) {
        self.tell_owed();
        self.tell_numbers();
        self.rest.look_in_vain();
    }

    #[cold]
    #[inline(never)]
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Entry, RecvError> {
        if let Some(entry) = self.look_at_announced()? {
            return Ok(entry);
        }
        self.tell_of_wait();
        loop {
            let Self {
                lane,
                several,
                rest,
                ..
            } = self;
            match rest.wait(deadline, &mut || Self::look_at(lane, several)) {
                Ok(Ok(found)) => {
                    self.slip.found(found.1.length());
                    return Ok(self.take_up(found));
                }
                Ok(Err(ended)) => return Err(self.over(ended)),
                Err(halt) => {
                    if let Some(entry) = self.halted_until(halt, deadline)? {
                        return Ok(entry);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn try_next(&mut self) -> Result<Entry, RecvError> {
        if self.lone.is_forked() {
            return self.try_next_of_lanes();
        }
        match self.look_at_lane()? {
            Some(entry) => Ok(entry),
            None => self.empty(),
        }
    }

    /// Nothing there: is anybody? Asks the kernel at most once per millisecond (`Rest::ask`).
    #[cold]
    #[inline(never)]
    fn empty(&mut self) -> Result<Entry, RecvError> {
        self.tell_owed();
        if let Some(entry) = self.look_behind_expired()? {
            return Ok(entry);
        }
        if self.quiet.found_empty(self.read()) {
            self.rest.look_in_vain();
        }
        let Some(gone) = self.rest.ask(Instant::now(), LIFE_EVERY) else {
            return Err(RecvError::Empty);
        };
        if let Some(entry) = self.peek()? {
            return Ok(entry);
        }
        if let Some(entry) = self.look_behind_expired()? {
            return Ok(entry);
        }
        Err(self.ended(gone))
    }

    /// The connection is over, for good: what the peer may still write is not read.
    fn ended(&mut self, gone: Gone) -> RecvError {
        self.each_lane(Lane::end);
        self.rest.gone = Some(gone);
        gone.into()
    }

    #[inline(always)]
    fn frame(&mut self, entry: Entry) -> Frame<'_> {
        self.lane.advance(&entry);
        Frame::new(self, entry)
    }

    /// Whether this is a child of the process that made the connection, where nothing of it is mapped.
    #[inline(always)]
    pub fn is_forked(&self) -> bool {
        self.birth.is_forked()
    }

    /// Tells the peer that nothing more is read. After that this half neither receives nor waits.
    pub(crate) fn say_goodbye(&mut self) {
        if !self.is_forked() {
            self.tell_numbers();
        }
        self.rest.close();
    }

    /// Ends the connection without a goodbye, for both halves.
    pub(crate) fn abandon(&self) {
        self.rest.abandon();
    }

    /// The last frame handed out is done with.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        if self.lane.is_release_due() {
            self.publish_release();
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rest.as_fd()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.say_goodbye();
    }
}
