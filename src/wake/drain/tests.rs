//! A reader in simulated time, which reads at a pace of its own and tells what it has read in steps.

use proptest::prelude::*;

use super::{Drain, Pace};

const STEP: u64 = 512;
const RING: u64 = 8 * STEP;

#[test]
fn a_pace_is_bytes_for_time() {
    let pace = |bytes, nanos| Pace { bytes, nanos };
    assert!(pace(100, 10).is_faster_than(pace(1000, 101)));
    assert!(!pace(1000, 101).is_faster_than(pace(100, 10)));
    assert!(!pace(100, 10).is_faster_than(pace(1000, 100)), "the same");
    assert!(pace(u64::MAX, 1).is_faster_than(pace(1, u64::MAX)));
}

/// A reader, and what is sent to it.
struct World {
    now: u64,
    sent: u64,
    read: u64,
    released: u64,
    /// Nanoseconds for a byte.
    pace: u64,
    /// Nanoseconds of reading that make no byte yet.
    left: u64,
    drain: Drain,
}

impl World {
    fn new(pace: u64) -> Self {
        Self {
            now: 0,
            sent: 0,
            read: 0,
            released: 0,
            pace,
            left: 0,
            drain: Drain::new(STEP, 0),
        }
    }

    fn pass(&mut self, nanos: u64) {
        self.now += nanos;
        self.left += nanos;
        // Positions are multiples of 8.
        let bytes = (self.left / self.pace / 8 * 8).min(self.sent - self.read);
        self.left -= bytes * self.pace;
        self.read += bytes;
        if self.read == self.sent {
            self.left = 0;
        }
        self.released = self.read / STEP * STEP;
    }

    /// What is known now.
    fn time(&mut self) -> Option<u64> {
        self.drain.saw(self.now, self.sent, self.released);
        self.drain.time(self.now)
    }

    /// What it will take.
    fn truth(&self) -> u64 {
        (self.sent - self.read) * self.pace
    }

    /// Sends a frame if there is room.
    fn send(&mut self, bytes: u64) {
        if self.sent + bytes <= self.released + RING {
            self.sent += bytes;
        }
    }
}

#[test]
fn nothing_is_known_before_anything_was_released_and_an_empty_queue_takes_no_time() {
    let mut world = World::new(10);
    assert_eq!(world.time(), Some(0));
    world.send(STEP - 8);
    assert_eq!(world.time(), Some(0), "less than a step is no queue");
    world.send(4 * STEP);
    assert_eq!(world.time(), None);
}

/// The last step may have been read already; what is behind it counts to the byte, at the pace of one step for the time in which nothing was released.
#[test]
fn a_queue_is_counted_from_the_step_on_that_is_told_next() {
    let mut drain = Drain::new(STEP, 0);
    for (sent, counts) in [(STEP - 8, 0), (STEP, 8), (3 * STEP, 2 * STEP + 8)] {
        drain.saw(0, sent, 0);
        assert_eq!(drain.time(10_000), Some(counts * 10_000 / STEP));
    }
    // Now the pace is that of two: the one that was released, and one that may have been.
    drain.saw(10_000, 3 * STEP, STEP);
    assert_eq!(drain.time(10_000), Some((STEP + 8) * 10_000 / (2 * STEP)));
}

/// While it has nothing to read, it is not slow.
#[test]
fn an_empty_queue_ends_the_stretch_that_a_pace_is_measured_in() {
    let mut drain = Drain::new(STEP, 0);
    drain.saw(0, 2 * STEP, 0);
    drain.saw(10_000, 2 * STEP, 2 * STEP);
    // A second later there is something again, of which six steps are read in 80 microseconds.
    let again = 1_000_000_000;
    drain.saw(again, 10 * STEP, 2 * STEP);
    let now = again + 80_000;
    drain.saw(now, 10 * STEP, 8 * STEP);
    assert_eq!(drain.time(now), Some((STEP + 8) * 80_000 / (7 * STEP)));
}

/// The steps that are uncertain at either end would be most of it.
#[test]
fn fewer_steps_than_four_are_no_pace() {
    let mut drain = Drain::new(STEP, 0);
    drain.saw(0, 8 * STEP, 0);
    drain.saw(3_000, 8 * STEP, 3 * STEP);
    assert!(drain.paces.iter().all(Option::is_none));
    // The stretch goes on, and what it says is slower by the time that passes.
    assert_eq!(
        drain.time(13_000),
        Some((4 * STEP + 8) * 13_000 / (4 * STEP))
    );
    drain.saw(4_000, 8 * STEP, 4 * STEP);
    let pace = Pace {
        bytes: 5 * STEP,
        nanos: 4_000,
    };
    assert_eq!(drain.paces[0], Some(pace));
}

/// One that has only begun says little: a step that may have been read already, in hardly any time.
#[test]
fn what_happens_now_makes_a_reader_slower_and_never_faster() {
    let mut drain = Drain::new(STEP, 0);
    drain.saw(0, 8 * STEP, 0);
    drain.saw(40_000, 8 * STEP, 4 * STEP);
    let queue = 3 * STEP + 8;
    assert_eq!(drain.time(40_001), Some(queue * 40_000 / (5 * STEP)));
    assert_eq!(drain.time(80_000), Some(queue * 40_000 / STEP));
}

#[test]
fn a_steady_reader_is_known_within_a_factor_of_two() {
    for pace in [1, 10, 1000] {
        let mut world = World::new(pace);
        for _ in 0..1000 {
            world.send(64);
            world.send(64);
            world.pass(64 * pace);
            world.time();
        }
        let (time, truth) = (world.time().unwrap(), world.truth());
        assert!(
            time <= truth && time * 2 >= truth - STEP * pace,
            "{time} of {truth}"
        );
    }
}

#[test]
fn who_stands_still_is_slower_by_the_time_that_passes_and_forgiven_at_once() {
    let mut world = World::new(1);
    for _ in 0..1000 {
        world.send(64);
        world.send(64);
        world.pass(64);
        world.time();
    }
    let before = world.time().unwrap();
    // It is stopped for a second.
    world.now += 1_000_000_000;
    let stopped = world.time().unwrap();
    assert!(
        stopped > 1000 * before && stopped > 100_000_000,
        "{stopped}"
    );
    // It goes on, and is asked until the queue is empty; then frames are taken, and the next queue is judged as before.
    for _ in 0..100 {
        world.pass(64);
        world.time();
    }
    assert_eq!(world.time(), Some(0));
    while world.sent + 64 <= world.released + RING {
        world.send(64);
    }
    assert!(world.time().unwrap() <= world.truth());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is sent and asked when: of a reader of one pace nothing too long is ever said, and so nothing refused that would have been read in time; and an
    /// empty queue takes no time.
    #[test]
    fn a_steady_reader_is_never_said_to_take_too_long(
        pace in 1u64..2000,
        steps in prop::collection::vec((0u64..40_000, 0u64..20, any::<bool>()), 1..300),
    ) {
        let mut world = World::new(pace);
        for (nanos, frames, asks) in steps {
            world.pass(nanos);
            (0..frames).for_each(|_| world.send(72));
            if asks {
                let time = world.time();
                prop_assert!(time.unwrap_or(0) <= world.truth(), "{time:?} of {}", world.truth());
                if world.sent == world.read {
                    prop_assert_eq!(time, Some(0));
                }
            }
        }
    }

    /// A sender that is refused all the time, and so sends nothing, is let in again when the reader has read on, however slow the reader was before.
    #[test]
    fn a_refused_sender_is_let_in_again(pace in 1u64..2000, stop in 0u64..10_000_000_000, every in 1u64..100_000) {
        let mut world = World::new(pace);
        while world.sent + 72 <= world.released + RING {
            world.send(72);
            world.time();
        }
        world.now += stop;
        world.time();
        let until = world.now + world.truth() + 8 * pace + 2 * every;
        while world.now < until {
            world.pass(every);
            world.time();
        }
        prop_assert_eq!(world.time(), Some(0));
    }

    /// A reader's words may be any.
    #[test]
    fn lies_do_no_harm(looks in prop::collection::vec(any::<(u64, u64, u64)>(), 1..100)) {
        let mut drain = Drain::new(STEP, 0);
        for (now, sent, released) in looks {
            drain.saw(now, sent >> 1, released);
            let _ = drain.time(now);
        }
    }
}
