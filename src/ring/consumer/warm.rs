//! Having at hand what will be read next, where there is time for it; and what was told of it.

use super::{Consumer, Entry, Halt};
use crate::layout::header::FLAG_FRAME;
use crate::layout::violation::Violation;
use crate::segment::{ForeignRing, OwnWord};

impl<R: ForeignRing, W: OwnWord> Consumer<R, W> {
    /// Asks for the first lines of what lies at the cursor: by whoever has many lanes and knows which one comes next. A hint.
    pub(crate) fn warm(&self) {
        self.ring.warm(self.ring.place(self.next()));
        self.released.warm();
        self.tally.warm();
    }

    /// Asks for the line before the cursor's, and so for the address of its page. A hint.
    #[inline(always)]
    pub(crate) fn warm_before(&self) {
        self.ring.warm_before(self.ring.place(self.next()));
    }

    /// Asks for the second line of a frame whose header has come: it comes while the caller makes room for the frame. A hint.
    #[inline(always)]
    pub(crate) fn warm_rest(&self) {
        self.ring.warm_after(self.place());
    }

    /// Whether a plain frame lies at the read cursor ([`peek`](Self::peek) has the whole answer), for who drains the lane: then a line of what will be read after
    /// the next few frames is asked for.
    #[inline(always)]
    pub(crate) fn sees_more(&mut self) -> bool {
        let header = self.look().header;
        let there =
            header.flags() == FLAG_FRAME && self.cursor.behind(header.length()) <= self.bound_mark;
        if there {
            self.ring.warm_behind(self.place());
            self.announced = self.next();
        }
        there
    }

    /// Somebody is told that `entry` is there, who will receive it by a call that is not to wait.
    #[inline]
    pub(crate) fn announce(&mut self, entry: &Entry) {
        self.announced = self.position(entry);
    }

    /// A frame at `position` is behind the pad at `pad`: if it was announced there, it has become that, and is there all the same.
    pub(super) fn comes_behind_pad(&mut self, pad: u64, position: u64) {
        if self.announced == pad {
            self.announced = position;
        }
    }

    /// The frame that was announced, if nobody has received it. It does not go but by its sender, who would have us wait for it: that breaks a rule, which ends the lane.
    pub(crate) fn look_at_announced(&mut self) -> Result<Option<Entry>, Halt> {
        let position = self.announced;
        if self.unpassed() != position {
            return Ok(None);
        }
        let found = self.peek()?;
        if found.is_none() {
            let violation = Violation::FrameTakenBack { position };
            self.break_off(violation);
            return Err(violation.into());
        }
        Ok(found)
    }
}
