//! Taking frames of any length into the caller's buffer.

use std::time::Instant;

use super::Receiver;
use crate::connection::outcome::RecvError;
use crate::ring::{Entry, LARGE};

impl Receiver {
    /// Takes a frame of any length, waiting for it. Also the one with which a release is due, and where a forked child ends up, whose gate
    /// is shut.
    #[inline(never)]
    pub(super) fn take_other(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<usize, RecvError> {
        if buffer.len() >= LARGE && !self.lone.is_forked() {
            return self.follow_into(buffer, deadline);
        }
        let entry = self.next(deadline)?;
        self.take_into(&entry, buffer)
    }

    /// Takes a frame of any length if there is one.
    #[inline(never)]
    pub(super) fn try_take_other(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let entry = self.try_next()?;
        self.take_into(&entry, buffer)
    }

    #[inline(always)]
    fn take_into(&mut self, entry: &Entry, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.take_behind(entry, buffer, 0)
    }

    /// Takes a frame of which the first `from` bytes are in the buffer already. Returns how many were not.
    #[inline(always)]
    pub(super) fn take_behind(
        &mut self,
        entry: &Entry,
        buffer: &mut [u8],
        from: usize,
    ) -> Result<usize, RecvError> {
        if entry.payload() > buffer.len() {
            self.leave_unread();
            return Err(RecvError::Truncated {
                len: entry.payload(),
            });
        }
        let copied = self.lane.copy(entry, from, &mut buffer[from..]);
        self.lane.advance(entry);
        self.finish_copied();
        Ok(copied)
    }
}
