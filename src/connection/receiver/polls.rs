//! The half that receives, in the polls of a future.

use super::{Entry, Frame, Frames, Receiver, RecvError};
use crate::connection::rest::Rested;

impl Receiver {
    /// What [`Receiver::try_recv`] hands out, before it is handed out: [`Receiver::hand_out`] or [`Receiver::hand_out_batch`] comes next.
    #[inline(always)]
    pub(crate) fn find(&mut self) -> Result<Entry, RecvError> {
        self.try_next()
    }

    /// The frame that was found.
    #[inline(always)]
    pub(crate) fn hand_out(&mut self, entry: Entry) -> Frame<'_> {
        self.frame(entry)
    }

    /// How far it has read, in bytes of all lanes together.
    pub(crate) fn read_so_far(&self) -> u64 {
        self.read()
    }

    /// It, and those behind it: see [`Receiver::recv_batch`].
    #[inline]
    pub(crate) fn hand_out_batch(&mut self, entry: Entry, max: usize) -> Frames<'_> {
        Frames::new(self, entry, max)
    }

    /// As [`Receiver::arm`], for whoever has a timer.
    pub(crate) fn arm_until(&mut self) -> Result<Rested, RecvError> {
        if self.birth.is_forked() {
            return Err(RecvError::Forked);
        }
        self.tell_numbers();
        let rested = self.go_to_rest();
        self.follow_up();
        rested
    }

    fn go_to_rest(&mut self) -> Result<Rested, RecvError> {
        self.tell_owed();
        let Self {
            lane,
            several,
            rest,
            ..
        } = self;
        match rest.arm_until(&mut || Self::look_at(lane, several)) {
            Ok(rested) => Ok(rested),
            // A broken rule is an end; what was dropped is to be looked behind.
            Err(halt) => self.halted(halt).map(|_| Rested::Ready),
        }
    }
}
