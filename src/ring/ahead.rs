//! Whether the producer asks for the lines of later frames before it needs them.
//!
//! In a stream at full rate the line that a frame will be written to is still in the consumer's cache from the last lap, and
//! taking it back is most of what a send costs on cores that are far apart: asking early was measured to bring 1.6 times the
//! rate there, and costs nothing on near cores. In a ping-pong it is harmful (up to a factor of two at 64 bytes on far cores): the requests
//! are in the way of the one line that the peer waits for. What tells the two apart is the time per frame. Pure: the
//! clock is handed in, and is read at most once per lap of the ring.

/// Frames that follow each other faster than this, in nanoseconds, are a stream: no ping-pong between cores is as fast.
const STREAM: u64 = 50;
/// Fewer frames than this in a lap say nothing.
const ENOUGH: u64 = 32;

/// Where and when a producer's lap began.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    position: u64,
    since: u64,
}

impl Ahead {
    /// A producer that starts at `position`, at time `now` in nanoseconds.
    pub(crate) fn new(now: u64, position: u64) -> Self {
        Self {
            position,
            since: now,
        }
    }

    /// The producer has come to the end of the space that it knew of, at `position`, with a frame of `length` bytes. `clock` says the time in
    /// nanoseconds; it is asked only if there is something to learn. The frames before it are taken to be as long: nobody counts them. Returns whether to ask for lines ahead from
    /// now on, if that was to be learned.
    pub(crate) fn lap(
        &mut self,
        clock: impl FnOnce() -> u64,
        position: u64,
        length: u64,
    ) -> Option<bool> {
        let frames = (position - self.position) / length;
        if frames < ENOUGH {
            return None;
        }
        let now = clock();
        let stream = now.saturating_sub(self.since) < STREAM * frames;
        self.position = position;
        self.since = now;
        Some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;

    fn laps(ahead: &mut Ahead, now: &mut u64, nanos: u64) -> bool {
        let mut on = false;
        for _ in 0..3 {
            *now += 1000 * nanos;
            let position = ahead.position + 1000 * 72;
            on = ahead.lap(|| *now, position, 72).expect("enough frames");
        }
        on
    }

    /// A lap of few frames is not over: what comes is counted with them, and the clock is not asked.
    #[test]
    fn few_frames_say_nothing_and_are_counted_with_the_next_ones() {
        let mut ahead = Ahead::new(0, 800);
        let none = || unreachable!("there is nothing to learn");
        for frames in [0, 1, 31] {
            assert_eq!(ahead.lap(none, 800 + frames * 72, 72), None);
        }
        // 32 frames: a stream if they took less than 50 ns each.
        assert_eq!(ahead.lap(|| 32 * 50 - 1, 800 + 32 * 72, 72), Some(true));
        assert_eq!(ahead.lap(none, 800 + 63 * 72, 72), None);
        assert_eq!(
            ahead.lap(|| 2 * 32 * 50 - 1, 800 + 64 * 72, 72),
            Some(false)
        );
    }

    #[test]
    fn a_stream_asks_ahead_and_a_ping_pong_does_not() {
        let (mut ahead, mut now) = (Ahead::new(0, 0), 0);
        assert!(!laps(&mut ahead, &mut now, 60));
        assert!(laps(&mut ahead, &mut now, 20));
        assert!(!laps(&mut ahead, &mut now, 400));
    }
}
