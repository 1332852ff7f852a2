//! Which of several lanes is served next: the first one that has a frame, but no other is kept waiting for ever.
//!
//! A lane is *due* when so many frames (the *bound*) were served in strict order from the lanes before it since it was last looked at. It is then looked at
//! once, and gives one frame if it has one. Lanes behind the one that is served are not looked at otherwise: while the first is busy, no other's
//! line is touched.
//!
//! With a bound of B and n lanes, a frame that lies at the head of lane i, and is visible, is served
//!
//! - in lane 0 behind at most n - 1 frames of other lanes: one of each that is due;
//! - in any other lane behind at most B + n - 2: B in strict order, after which it is due, and one of each lane but the first and its own.
//!
//! For while it waits, only lanes before its own are served in strict order, and lane i is due after B such frames at most. Another lane that is due has to be passed by
//! B frames to be due once more. Twice, then, it could be served only if it was due when the frame came and again with lane i, after all of B: no lane before lane i
//! is, as lane i was looked at just before the first of the B, and then what was due before it was looked at too; and one behind it comes behind it.
//! With two lanes the bounds are B, and one.
//!
//! Pure: it is told what was served, and asks for what is there.

use crate::layout::control::LANES;

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(crate) struct Precedence {
    lanes: usize,
    bound: u32,
    /// Of each lane: frames served in strict order from the lanes before it since it was looked at.
    passed_by: [u32; LANES],
    /// The lane in which a frame was found last, and whether it was due.
    turn: (usize, bool),
}

impl Precedence {
    /// For so many lanes, at most [`LANES`], with a bound of at least one frame.
    pub(crate) fn new(lanes: usize, bound: u32) -> Self {
        Self {
            lanes: lanes.min(LANES),
            bound: bound.max(1),
            passed_by: [0; LANES],
            turn: (0, false),
        }
    }

    /// The lane to serve now and what `look` finds in it, if there is any.
    pub(crate) fn pick<T, E>(
        &mut self,
        mut look: impl FnMut(usize) -> Result<Option<T>, E>,
    ) -> Result<Option<(usize, T)>, E> {
        for lane in 1..self.lanes {
            if self.passed_by[lane] >= self.bound {
                if let Some(found) = look(lane)? {
                    self.turn = (lane, true);
                    return Ok(Some((lane, found)));
                }
                self.passed_by[lane] = 0;
            }
        }
        for lane in 0..self.lanes {
            if let Some(found) = look(lane)? {
                self.turn = (lane, false);
                return Ok(Some((lane, found)));
            }
            self.passed_by[lane] = 0;
        }
        Ok(None)
    }

    /// A frame of this lane was found otherwise, and counts as one in strict order.
    pub(crate) fn found(&mut self, lane: usize) {
        self.turn = (lane, false);
    }

    /// The frame that was found last was taken.
    pub(crate) fn served(&mut self) {
        let (lane, due) = self.turn;
        self.passed_by[lane] = 0;
        if !due {
            for behind in &mut self.passed_by[lane + 1..self.lanes] {
                *behind += 1;
            }
        }
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests;
