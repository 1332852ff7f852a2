//! Frames that are copied out in parts, for a stream of bytes, whose reader does not know where a frame ends.

use std::time::Instant;

use super::Receiver;
use crate::connection::outcome::RecvError;
use crate::layout::violation::Violation;

/// Part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Bytes that were copied.
    pub(crate) copied: usize,
    /// Nothing of the frame is left, and it has been released. Else the next call is to begin behind what was copied.
    pub(crate) is_last: bool,
}

impl Receiver {
    /// How many bytes the next frame has from byte `from` on, at least one. Never waits.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn left_behind(&mut self, from: usize) -> Result<usize, RecvError> {
        let entry = self.try_next()?;
        self.check_left(entry.payload(), from)
    }

    /// Copies the next frame from byte `from` on into `target`, as much as fits; waits for it as `wait` says: `None` does not, `Some(None)` for ever.
    ///
    /// The frame is not passed before its last byte is copied, so whatever looks at the lane meanwhile finds it there. One that has no byte from `from` on breaks a rule, for good.
    /// `target` has room for a byte at least, so that each call takes some: a peer cannot have anybody look at frames without end.
    #[inline]
    pub(crate) fn take_part(
        &mut self,
        from: usize,
        target: &mut [u8],
        wait: Option<Option<Instant>>,
    ) -> Result<Part, RecvError> {
        let entry = match wait {
            None => self.try_next()?,
            Some(deadline) => self.next(deadline)?,
        };
        let left = self.check_left(entry.payload(), from)?;
        let copied = left.min(target.len());
        self.lane.copy(&entry, from, &mut target[..copied]);
        let is_last = copied == left;
        if is_last {
            self.lane.advance(&entry);
            self.finish_copied();
        }
        Ok(Part { copied, is_last })
    }

    #[inline]
    fn check_left(&mut self, payload: usize, from: usize) -> Result<usize, RecvError> {
        match payload.saturating_sub(from) {
            0 => Err(self.nothing_in_frame(payload, from)),
            left => Ok(left),
        }
    }

    /// The next frame, or the one that was taken last, has no byte behind the first `already`, which is against the rules of a stream of bytes: nothing more is read.
    #[cold]
    pub(crate) fn nothing_in_frame(&mut self, payload: usize, already: usize) -> RecvError {
        let violation = Violation::NothingInFrame {
            payload: payload as u64,
            already: already as u64,
        };
        self.lane.break_off(violation);
        RecvError::Protocol(violation)
    }
}
