//! The policy in simulated time: a sender that calls when it is told to, a receiver that reads at its own pace, and the timer that owns what is kept back.

use super::policy::{Cause, Measures, PROBE, Policy};
use proptest::prelude::*;

/// Nanoseconds in which a receiver that finds nothing comes to say so.
const QUIET: u64 = 10_000;
/// Bytes of each frame, and of the ring.
const FRAME: u64 = 72;
const CAPACITY: u64 = 1 << 18;

const BOUNDS: Measures = Measures {
    frames: 128,
    bytes: 32 << 10,
    budget: 50_000,
};

/// A frame's times.
#[derive(Clone, Copy, Debug)]
struct Trip {
    accepted: u64,
    published: u64,
    read: u64,
    /// Frames of its group.
    group: usize,
}

struct World {
    policy: Policy,
    measures: Measures,
    /// Whether something calls at the deadline.
    timer: bool,
    /// Nanoseconds that the receiver takes for a frame.
    service: u64,
    /// Published frames, in order, and when each is read.
    trips: Vec<Trip>,
    /// When each frame that is kept back was accepted.
    kept: Vec<u64>,
}

impl World {
    fn new(measures: Measures, service: u64, timer: bool) -> Self {
        Self {
            policy: Policy::new(measures, 0),
            measures,
            timer,
            service,
            trips: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// When the receiver has read all that was published.
    fn done(&self) -> u64 {
        self.trips.last().map_or(0, |trip| trip.read)
    }

    /// Whether the receiver has said that it waits, since the last publish: it said of an earlier wait what was remembered then.
    fn has_waited(&self, now: u64) -> bool {
        self.done() + QUIET <= now
    }

    /// Published and not told to have been read, as the sender sees it: in steps.
    fn unreleased(&self, now: u64) -> u64 {
        let read = self.trips.partition_point(|trip| trip.read <= now) as u64 * FRAME;
        let step = CAPACITY / 8;
        self.trips.len() as u64 * FRAME - read / step * step
    }

    fn publish(&mut self, now: u64) {
        let group = self.kept.len();
        for accepted in std::mem::take(&mut self.kept) {
            let read = self.done().max(now) + self.service;
            self.trips.push(Trip {
                accepted,
                published: now,
                read,
                group,
            });
        }
    }

    fn turn(&mut self, now: u64, cause: Cause) {
        self.publish(now);
        let backlog = self.unreleased(now) > CAPACITY / 2;
        self.policy.turn(now, cause, || backlog);
    }

    /// Lets time pass until `now`: the timer runs, if there is one.
    fn pass(&mut self, now: u64) {
        if self.timer && !self.kept.is_empty() && self.policy.due() <= now {
            // It is set when the thread goes to wait, behind its last call.
            let at = self.policy.due().max(*self.kept.last().unwrap());
            self.turn(at, Cause::Due);
        }
    }

    /// The sender's call at `now`, as the batcher does it.
    fn send(&mut self, now: u64) {
        self.pass(now);
        self.kept.push(now);
        if !self.policy.groups() {
            let turn = self.policy.took_at_once();
            if turn {
                self.turn(now, Cause::Planned);
            } else {
                self.publish(now);
            }
        } else if self.policy.took(FRAME) {
            self.turn(now, Cause::Planned);
        } else if self.has_waited(now) {
            self.turn(now, Cause::Waiting);
        }
        assert!(self.kept.len() < self.measures.frames as usize);
        assert!(self.kept.len() as u64 * FRAME < self.measures.bytes);
    }

    /// Sends `count` frames, one each `gap`, from `start` on; returns when the next one would be due.
    fn stream(&mut self, start: u64, count: u64, gap: u64) -> u64 {
        (0..count).for_each(|number| self.send(start + number * gap));
        start + count * gap
    }

    fn longest_group(&self) -> usize {
        self.trips.iter().map(|trip| trip.group).max().unwrap_or(0)
    }

    fn at_once(&self) -> bool {
        self.trips
            .iter()
            .all(|trip| trip.published == trip.accepted && trip.group == 1)
    }
}

#[test]
fn a_ping_pong_is_published_at_once_however_fast() {
    // The next frame goes out when the last one has been read and answered.
    for trip in [60, 90, 400, 5_000, 1_000_000] {
        let mut world = World::new(BOUNDS, 20, true);
        world.stream(0, 10_000, trip);
        assert!(world.at_once(), "{trip} ns");
    }
}

#[test]
fn a_slow_stream_is_published_at_once() {
    let mut world = World::new(BOUNDS, 20, true);
    world.stream(0, 10_000, 200);
    assert!(world.at_once());
}

#[test]
fn a_stream_at_full_rate_grows_its_groups_to_the_bound() {
    let mut world = World::new(BOUNDS, 5, true);
    world.stream(0, 10_000, 6);
    let sizes: Vec<usize> = world.trips.iter().map(|trip| trip.group).collect();
    assert!(sizes.is_sorted(), "they only grow while nothing changes");
    assert_eq!(world.longest_group(), BOUNDS.frames as usize);
    let first = sizes.iter().position(|size| *size == 128).unwrap();
    assert!(first < 2 * (PROBE + 128) as usize, "soon: {first}");
}

#[test]
fn a_backlog_grows_groups_as_far_as_half_the_budget_allows() {
    // One frame a microsecond, to a receiver that takes ten for each.
    let mut world = World::new(BOUNDS, 10_000, true);
    world.stream(0, 20_000, 1_000);
    assert_eq!(world.longest_group(), 25, "25 us at a microsecond each");
    let before = world.trips.partition_point(|trip| trip.group == 1);
    let backlog = CAPACITY / 2 / FRAME;
    assert!(
        before as u64 >= backlog,
        "none before there is a backlog: {before}"
    );
}

#[test]
fn a_burst_waits_for_its_end_at_most_the_budget() {
    let mut world = World::new(BOUNDS, 5, true);
    let mut now = 0;
    for _ in 0..100 {
        now = world.stream(now, 1_000, 6) + 10_000_000;
        world.pass(now);
        assert!(world.kept.is_empty());
    }
    let longest = world
        .trips
        .iter()
        .map(|trip| trip.published - trip.accepted);
    assert!(longest.max().unwrap() <= BOUNDS.budget);
    assert!(world.longest_group() > 64, "and yet it is sent in groups");
}

#[test]
fn after_silence_the_first_is_published_at_once() {
    for timer in [false, true] {
        let mut world = World::new(BOUNDS, 5, timer);
        let end = world.stream(0, 10_050, 6);
        let kept = world.kept.len();
        assert!(kept > 0, "something is kept back when it ends");
        let later = end + 1_000_000;
        world.send(later);
        assert!(world.kept.is_empty());
        let last = world.trips.last().unwrap();
        assert_eq!((last.accepted, last.published), (later, later));
        // And so is what follows at a walking pace.
        let from = world.trips.len();
        world.stream(later + 1_000, 100, 1_000);
        assert!(world.trips[from..].iter().all(|trip| trip.group == 1));
    }
}

#[test]
fn a_flush_keeps_what_was_learned() {
    let mut world = World::new(BOUNDS, 5, true);
    let end = world.stream(0, 2_000, 6);
    world.turn(end, Cause::Asked);
    assert!(world.kept.is_empty() && world.policy.groups());
}

#[test]
fn bounds_of_one_frame_or_no_time_keep_nothing_back() {
    for measures in [
        Measures {
            frames: 1,
            ..BOUNDS
        },
        Measures {
            budget: 0,
            ..BOUNDS
        },
    ] {
        let mut world = World::new(measures, 100, true);
        world.stream(0, 5_000, 2);
        assert!(world.at_once(), "{measures:?}");
    }
}

#[test]
fn bytes_end_a_group() {
    let measures = Measures {
        bytes: 10 * FRAME,
        ..BOUNDS
    };
    let mut world = World::new(measures, 5, true);
    world.stream(0, 5_000, 6);
    assert_eq!(world.longest_group(), 10);
}

proptest! {
    /// With a timer nobody waits longer than the budget; without one, nobody beyond the first call behind the receiver's word that it waits.
    #[test]
    fn nobody_waits_longer_than_the_budget(
        phases in prop::collection::vec((1u64..600, 0u64..17), 1..12),
        service in 1u64..3_000,
        frames in 1u32..300,
        budget in 0u64..200_000,
        timer: bool,
    ) {
        let measures = Measures { frames, budget, ..BOUNDS };
        let mut world = World::new(measures, service, timer);
        let mut calls = Vec::new();
        let mut now = 0;
        for (count, power) in phases {
            // Gaps of 1 ns to 65 us.
            let gap = 1 << power;
            calls.extend((0..count).map(|number| now + number * gap));
            now = world.stream(now, count, gap);
        }
        world.pass(u64::MAX);
        // When all before a group was read.
        let mut done = 0;
        let mut rest = &world.trips[..];
        while let Some(first) = rest.first() {
            let (group, behind) = rest.split_at(first.group);
            for trip in group.iter().filter(|trip| trip.published > trip.accepted) {
                if timer {
                    prop_assert!(trip.published - trip.accepted <= budget, "{trip:?}");
                } else {
                    let said = trip.accepted.max(done + QUIET);
                    let next = calls.partition_point(|call| *call < said);
                    prop_assert!(calls.get(next).is_none_or(|next| trip.published <= *next), "{trip:?}");
                }
            }
            done = group[group.len() - 1].read;
            rest = behind;
        }
        prop_assert!(timer <= world.kept.is_empty(), "the timer leaves nothing");
        let order: Vec<u64> = world.trips.iter().map(|trip| trip.accepted).collect();
        prop_assert!(order.is_sorted(), "in order");
    }
}
