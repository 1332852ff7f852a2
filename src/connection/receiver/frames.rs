//! Several frames that were there together, released at once.

use std::mem::ManuallyDrop;
use std::time::Instant;

use super::{Entry, Frame, Halt, Receiver, RecvError};

/// The frames that a batch hands out, in order: see [`Receiver::recv_batch`].
///
/// What it has handed out is released with one word to the sender when it is dropped, and no sooner; what it has not is received by the next call, whether the batch was read to its end,
/// left, cut short by a panic or leaked.
#[derive(Debug)]
#[must_use = "frames that are not taken out stay in the ring"]
pub struct Frames<'a> {
    receiver: &'a mut Receiver,
    /// The frame that was waited for: it is handed out, whatever has come into another lane since.
    first: Option<Entry>,
    left: usize,
    /// Beyond this position it ends, so that the sender gets room.
    until: u64,
}

impl Receiver {
    /// The frames that are there, at most `max` of them; waits for the first. A `max` of 0 is taken for 1: the frame that was waited for is handed out, so that a loop gets on. Costs the sender one line in place of one for each eighth of the ring, which matters
    /// when the ring is small or its frames are long.
    ///
    /// A batch ends early when it has gone through half of the ring: the sender could go no further for long. It has frames of one priority: it ends where the
    /// next one has another.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-frames-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || ringway::connect(path));
    /// # let (mut sender, _theirs) = listener.accept()?.split();
    /// # let (_ours, mut receiver) = client.join().unwrap()?.split();
    /// # let mut group = sender.group();
    /// # for n in 0..5u8 { group.send(&[n])?; }
    /// # group.publish();
    /// let mut frames = receiver.recv_batch(64)?;
    /// while let Some(frame) = frames.next_frame() {
    ///     println!("{:?}", frame.to_vec());
    /// }
    /// # drop(frames);
    /// # assert!(receiver.try_recv().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Receiver::recv`].
    #[inline]
    pub fn recv_batch(&mut self, max: usize) -> Result<Frames<'_>, RecvError> {
        let first = self.next(None)?;
        Ok(Frames::new(self, first, max))
    }

    /// As [`Receiver::recv_batch`], until `deadline`.
    ///
    /// # Errors
    /// Also [`RecvError::TimedOut`].
    #[inline]
    pub fn recv_batch_deadline(
        &mut self,
        max: usize,
        deadline: Instant,
    ) -> Result<Frames<'_>, RecvError> {
        let first = self.next(Some(deadline))?;
        Ok(Frames::new(self, first, max))
    }

    /// As [`Receiver::recv_batch`], if there is a frame now. Never waits.
    ///
    /// # Errors
    /// Also [`RecvError::Empty`].
    #[inline]
    pub fn try_recv_batch(&mut self, max: usize) -> Result<Frames<'_>, RecvError> {
        let first = self.try_next()?;
        Ok(Frames::new(self, first, max))
    }
}

impl<'a> Frames<'a> {
    #[inline]
    pub(super) fn new(receiver: &'a mut Receiver, first: Entry, max: usize) -> Self {
        Self {
            until: receiver.lane.next() + receiver.lane.capacity() / 2,
            // A batch without a frame would be made again and again, for ever.
            left: max.max(1),
            first: Some(first),
            receiver,
        }
    }

    /// The next frame of the batch. `None`: it is over, and the next call of the receiver tells what comes then, an end or a broken rule too.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        self.next_frame_if(|_, _| true)
    }

    /// As [`Frames::next_frame`], if `wants` says so of its payload bytes and kind. `None` then too: it stays unread.
    #[inline]
    pub fn next_frame_if(&mut self, wants: impl FnOnce(usize, u16) -> bool) -> Option<Frame<'_>> {
        if self.receiver.is_forked() {
            return None;
        }
        let (entry, is_said) = match self.first.take() {
            Some(entry) => (entry, true),
            None if self.left == 0 || self.receiver.lane.next() >= self.until => return None,
            None => {
                let entry = self.receiver.peek_in_batch(self.until)?;
                (entry, self.receiver.lane.gives_account())
            }
        };
        if !wants(entry.payload(), entry.kind()) {
            self.left = 0;
            if is_said {
                self.receiver.leave_unread();
            }
            return None;
        }
        self.left -= 1;
        self.receiver.lane.advance(&entry);
        Some(Frame::of_batch(self.receiver, entry))
    }

    /// Ends the batch without being finished with what it has handed out, as [`Frame::leave`] does with a frame.
    pub fn leave(self) {
        let mut left = ManuallyDrop::new(self);
        left.end();
        left.receiver.finish_copied();
        if left.receiver.several.is_some() && !left.receiver.is_forked() {
            left.receiver.follow_up();
        }
    }

    /// A frame that was waited for and not taken out was not received.
    #[inline(always)]
    fn end(&mut self) {
        if self.first.is_some() {
            self.receiver.leave_unread();
        }
    }
}

impl Receiver {
    /// The next frame that begins before `until`. What it drops on the way is released with the batch.
    #[inline]
    fn peek_in_batch(&mut self, until: u64) -> Option<Entry> {
        loop {
            match self.look_alike() {
                Ok(found) => {
                    if let Some(entry) = found.as_ref().filter(|_| self.lane.gives_account()) {
                        self.say_taken(entry);
                    }
                    return found;
                }
                // What another lane drops brings this one no nearer to its bound.
                Err(Halt::Dropped) if self.several.is_none() && self.lane.next() < until => {
                    if self.lane.holds() {
                        // Nothing of the batch is finished with.
                        self.release_dropped();
                    }
                }
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Frames<'_> {
    #[inline]
    fn drop(&mut self) {
        self.end();
        self.receiver.finish();
        let receiver = &mut *self.receiver;
        if receiver.several.is_some() && !receiver.is_cut_short() && !receiver.is_forked() {
            receiver.follow_up();
        }
    }
}
