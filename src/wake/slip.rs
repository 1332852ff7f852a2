//! The slip: how long a receiver stays away from the ring once it has caught up with a stream.
//!
//! A receiver that polls the line that the sender is writing makes every message cost a round trip of that line. Staying away for
//! a moment lets a few lines gather. How long is learned from what a trial brings: a slip that brought one frame or none is worth
//! nothing (a ping-pong, or the end of the stream) and is dropped at once; one that brought few is halved; one that brought many
//! is doubled, as long as what gathers is a small part of the ring. Measured against fixed slips of every length it stays within 5 % of
//! the best, on near cores and far ones. Pure: it is told what was read, answers in nanoseconds, and knows no clock.

/// The longest slip, in nanoseconds.
const LONGEST: u32 = 12_000;
/// A shorter slip than this is none.
const SHORTEST: u32 = 50;
/// A trial every so many times that the ring is found empty.
const TRIAL_EVERY: u32 = 2048;
/// The same when frames came in twos or more: somebody sends faster than we ask.
const TRIAL_SOON: u32 = 8;
/// The slip of a trial: long enough for a few lines to come from a core that is far away.
const TRIAL: u32 = 400;
/// A slip that brings at least this many frames may grow.
const MANY: u64 = 4;

/// What one receiver has learned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slip {
    nanos: u32,
    since_trial: u32,
    /// Bytes of the first frame that came after the ring was last found empty. The ones behind it are taken to be as long:
    /// nobody counts them.
    frame: u64,
    /// Where the ring was last found empty.
    position: u64,
}

impl Slip {
    /// A frame of `length` bytes was found after the ring had been found empty.
    #[inline(always)]
    pub(crate) fn found(&mut self, length: u64) {
        self.frame = length;
    }

    /// The ring of `capacity` bytes was found empty at `position`: how many nanoseconds to stay away.
    #[inline]
    pub(crate) fn found_empty(&mut self, position: u64, capacity: u64) -> u32 {
        let bytes = position.wrapping_sub(self.position);
        self.position = position;
        let many = bytes >= MANY * self.frame;
        let several = bytes > self.frame;
        if self.nanos == 0 {
            self.since_trial += 1;
            let soon = several && self.since_trial >= TRIAL_SOON;
            if soon || self.since_trial >= TRIAL_EVERY {
                self.since_trial = 0;
                self.nanos = TRIAL;
            }
        } else if !several {
            self.nanos = 0;
        } else if !many || bytes > capacity / 2 {
            self.nanos /= 2;
            if self.nanos < SHORTEST {
                self.nanos = 0;
            }
        } else if bytes < capacity / 4 {
            self.nanos = (self.nanos * 2).min(LONGEST);
        }
        self.nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 72;

    struct Run {
        slip: Slip,
        position: u64,
    }

    impl Run {
        fn frames(&mut self, frames: u64, capacity: u64) -> u32 {
            self.slip.found(FRAME);
            self.position += frames * FRAME;
            self.slip.found_empty(self.position, capacity)
        }
    }

    fn new() -> Run {
        Run {
            slip: Slip::default(),
            position: 0,
        }
    }

    #[test]
    fn a_ping_pong_slips_only_in_rare_trials() {
        let mut run = new();
        let slips = (0..100_000).filter(|_| run.frames(1, 1 << 18) > 0).count();
        assert!(slips <= 50, "{slips}");
    }

    /// Requests and answers in groups, of which several frames come at once and then nothing until they are answered: a trial brings the next group, which is no more
    /// than without it, and none follows while nothing comes during it.
    #[test]
    fn a_ping_pong_of_groups_slips_only_in_trials() {
        let mut run = new();
        let mut slips = 0;
        for _ in 0..10_000 {
            let nanos = run.frames(3, 1 << 18);
            slips += u32::from(nanos > 0);
            if nanos > 0 {
                // The answer was due within the slip, and is found with the first look behind it; then there is nothing.
                assert_eq!(run.frames(1, 1 << 18), 0);
            }
        }
        assert!(slips <= 10_000 / TRIAL_SOON, "{slips}");
    }

    /// A receiver that keeps up with a stream slips while the stream lasts: most of the times that it finds the ring empty.
    #[test]
    fn a_receiver_that_drains_at_full_rate_slips() {
        let mut run = new();
        let mut nanos = 0;
        let mut slips = 0;
        for _ in 0..10_000 {
            nanos = run.frames(2 + u64::from(nanos) / 10, 1 << 18);
            slips += u32::from(nanos > 0);
        }
        assert!(slips > 9_900, "{slips}");
    }

    #[test]
    fn a_stream_grows_it_and_its_end_drops_it() {
        let mut run = new();
        let mut nanos = 0;
        for _ in 0..2 * TRIAL_EVERY {
            // One frame each ten nanoseconds.
            nanos = run.frames(1 + u64::from(nanos) / 10, 1 << 18);
        }
        assert_eq!(nanos, LONGEST);
        assert_eq!(run.frames(1, 1 << 18), 0);
    }

    /// What one that took `nanos` and brought so many bytes, in frames of 64, makes of the next, in a ring of 4 KiB.
    #[test]
    fn what_a_slip_brought_says_how_long_the_next_one_is() {
        let next = |nanos, bytes| {
            let mut slip = Slip {
                nanos,
                ..Slip::default()
            };
            slip.found(64);
            slip.found_empty(bytes, 4096)
        };
        // Nothing, one frame, few, and many.
        assert_eq!([0, 64].map(|bytes| next(400, bytes)), [0, 0]);
        assert_eq!([72, 192, 255].map(|bytes| next(400, bytes)), [200; 3]);
        assert_eq!([256, 512, 1023].map(|bytes| next(400, bytes)), [800; 3]);
        // A quarter of the ring, and more than a half.
        assert_eq!([1024, 2048].map(|bytes| next(400, bytes)), [400; 2]);
        assert_eq!([2049, 4096].map(|bytes| next(400, bytes)), [200; 2]);
        assert_eq!(next(2 * SHORTEST, 192), SHORTEST);
        assert_eq!(next(2 * SHORTEST - 1, 192), 0);
        assert_eq!(next(LONGEST - 1, 256), LONGEST);
    }

    #[test]
    fn a_small_ring_is_not_left_to_fill() {
        let mut run = new();
        let mut nanos = 0;
        for _ in 0..4 * TRIAL_EVERY {
            nanos = run.frames(1 + u64::from(nanos) / 10, 1 << 14);
            assert!(u64::from(nanos) / 10 * FRAME <= (1 << 14) / 2, "{nanos}");
        }
        assert!(nanos >= 200, "{nanos}");
    }
}
