//! The slip: how long a receiver stays away from the ring once it has caught up with a stream.
//!
//! A receiver that polls the line that the sender is writing makes every message cost a round trip of that line. Staying away for
//! a moment lets a few lines gather. How long is learned from what a trial brings: a slip that brought one frame or none is worth
//! nothing (a ping-pong, or the end of the stream) and is dropped at once; one that brought few is halved; one that brought many
//! is doubled, up to a bound. Pure: it counts in units of the caller's (`pause` instructions here) and knows no clock.

/// The longest slip, in pauses; a pause takes 10 to 50 ns.
const LONGEST: u32 = 128;
/// A trial every so many times that the ring is found empty.
const TRIAL_EVERY: u32 = 256;
/// The slip of a trial, in pauses.
const TRIAL: u32 = 8;
/// A slip that brings at least this many frames may grow.
const MANY: u32 = 8;

/// What one receiver has learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slip {
    pauses: u32,
    since_trial: u32,
    frames: u32,
}

impl Slip {
    /// One frame was taken.
    #[inline(always)]
    pub(crate) fn took_frame(&mut self) {
        self.frames = self.frames.wrapping_add(1);
    }

    /// The ring was found empty after a frame: how many pauses to stay away.
    #[inline]
    pub(crate) fn found_empty(&mut self) -> u32 {
        let brought = core::mem::take(&mut self.frames);
        if self.pauses == 0 {
            self.since_trial += 1;
            // Two frames at one look: somebody sends faster than we ask.
            if self.since_trial >= TRIAL_EVERY || (brought > 1 && self.since_trial >= 8) {
                self.since_trial = 0;
                self.pauses = TRIAL;
            }
        } else if brought <= 1 {
            self.pauses = 0;
        } else if brought < MANY / 2 {
            self.pauses = (self.pauses / 2).max(1);
        } else if brought >= MANY {
            self.pauses = (self.pauses * 2).min(LONGEST);
        }
        self.pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(slip: &mut Slip, frames: u32) -> u32 {
        for _ in 0..frames {
            slip.took_frame();
        }
        slip.found_empty()
    }

    #[test]
    fn a_ping_pong_slips_only_in_rare_trials() {
        let mut slip = Slip::default();
        let slips = (0..25_600).filter(|_| run(&mut slip, 1) > 0).count();
        assert!(slips <= 101, "{slips}");
    }

    #[test]
    fn a_stream_grows_it_and_its_end_drops_it() {
        let mut slip = Slip::default();
        let mut pauses = 0;
        for _ in 0..400 {
            // Twenty frames gather in eight pauses.
            pauses = run(&mut slip, 1 + pauses * 5 / 2);
        }
        assert_eq!(pauses, LONGEST);
        assert_eq!(run(&mut slip, 1), 0);
    }
}
