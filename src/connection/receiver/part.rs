//! Frames that are copied out in parts, for a stream of bytes, whose reader does not know where a frame ends.

use std::time::Instant;

use super::Receiver;
use crate::connection::outcome::RecvError;

/// Part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Bytes that were copied: 0 of an empty frame.
    pub(crate) copied: usize,
    /// Nothing of the frame is left, and it has been released. Else the next call is to begin behind what was copied.
    pub(crate) is_last: bool,
}

impl Receiver {
    /// How many bytes the next frame has from byte `from` on. Never waits.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn left_behind(&mut self, from: usize) -> Result<usize, RecvError> {
        let entry = self.try_next()?;
        Ok(entry.payload().saturating_sub(from))
    }

    /// Copies the next frame from byte `from` on into `target`, as much as fits; waits for it as `wait` says: `None` does not, `Some(None)` for ever.
    ///
    /// The frame is not passed before its last byte is copied, so whatever looks at the lane meanwhile finds it there. A peer that shortens it meanwhile ends it where `from` is.
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
        let left = entry.payload().saturating_sub(from);
        let copied = left.min(target.len());
        if copied > 0 {
            self.lane.copy(&entry, from, &mut target[..copied]);
        }
        let is_last = copied == left;
        if is_last {
            self.lane.advance(&entry);
            self.finish_copied();
        }
        Ok(Part { copied, is_last })
    }
}
