//! The promises of the precedence, in simulated arrivals.

use std::collections::VecDeque;
use std::convert::Infallible;

use proptest::prelude::*;

use super::Precedence;

/// A frame that waits: its number in its lane, and how many of other lanes were served since it has been its lane's first.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u32,
    overtaken: u32,
}

/// The lanes, and what is known of how they were served.
struct Play {
    precedence: Precedence,
    bound: u32,
    lanes: Vec<VecDeque<Waiting>>,
    sent: Vec<u32>,
    taken: Vec<u32>,
    /// Frames served in strict order from the lanes before it since the lane was last looked at.
    unseen: Vec<u32>,
}

impl Play {
    fn new(lanes: usize, bound: u32) -> Self {
        Self {
            precedence: Precedence::new(lanes, bound),
            bound,
            lanes: vec![VecDeque::new(); lanes],
            sent: vec![0; lanes],
            taken: vec![0; lanes],
            unseen: vec![0; lanes],
        }
    }

    fn arrive(&mut self, lane: usize) {
        self.lanes[lane].push_back(Waiting {
            number: self.sent[lane],
            overtaken: 0,
        });
        self.sent[lane] += 1;
    }

    /// Looks, and serves what was found, unless it is left there.
    fn serve(&mut self, leave: bool) -> Option<usize> {
        let mut looked = Vec::new();
        let found = self
            .precedence
            .pick(|lane| {
                looked.push(lane);
                Ok::<_, Infallible>(self.lanes[lane].front().copied())
            })
            .unwrap();
        let Some((lane, frame)) = found else {
            // (a) Nothing found: everything was looked at, and empty.
            assert!((0..self.lanes.len()).all(|lane| looked.contains(&lane)));
            assert!(self.lanes.iter().all(VecDeque::is_empty));
            self.unseen.fill(0);
            return None;
        };
        // (a) It was due; or every lane before it was found empty by this look.
        let due = self.unseen[lane] >= self.bound;
        let empty = |higher| looked.contains(&higher) && self.lanes[higher].is_empty();
        assert!(due || (0..lane).all(empty), "lane {lane} after {looked:?}");
        // What is not due is looked at only where all before it are empty: no line is touched in vain.
        for other in looked.iter().copied() {
            let idle = self.lanes[..other].iter().all(VecDeque::is_empty);
            assert!(
                other == 0 || idle || self.unseen[other] >= self.bound,
                "{other}"
            );
        }
        for other in looked {
            self.unseen[other] = 0;
        }
        if leave {
            // Left there, it is found again.
            let again = self
                .precedence
                .pick(|lane| Ok::<_, Infallible>(self.lanes[lane].front().copied()))
                .unwrap();
            assert_eq!(again.map(|(lane, _)| lane), Some(lane));
        }
        self.precedence.served();
        self.lanes[lane].pop_front();
        // (c) In order.
        assert_eq!(frame.number, self.taken[lane]);
        self.taken[lane] += 1;
        let (count, bound) = (self.lanes.len() as u32, self.bound);
        for (other, waiting) in self.lanes.iter_mut().enumerate() {
            if other == lane {
                continue;
            }
            if !due && other > lane {
                self.unseen[other] += 1;
            }
            if let Some(head) = waiting.front_mut() {
                head.overtaken += 1;
                // (b) The stated bound.
                let most = if other == 0 {
                    count - 1
                } else {
                    bound + count - 2
                };
                assert!(
                    head.overtaken <= most,
                    "{} before lane {other}",
                    head.overtaken
                );
            }
        }
        Some(lane)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(usize, usize),
    Serve(usize, bool),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..4, 1usize..12).prop_map(|(lane, frames)| Step::Arrive(lane, frames)),
        2 => (1usize..12, any::<bool>()).prop_map(|(frames, leave)| Step::Serve(frames, leave)),
    ]
}

proptest! {
    #[test]
    fn order_bound_and_turn_hold_whatever_arrives(
        lanes in 2usize..=4,
        bound in 1u32..=9,
        steps in proptest::collection::vec(steps(), 1..120),
    ) {
        let mut play = Play::new(lanes, bound);
        for step in steps {
            match step {
                Step::Arrive(lane, frames) => (0..frames).for_each(|_| play.arrive(lane % lanes)),
                Step::Serve(frames, leave) => (0..frames).for_each(|_| {
                    play.serve(leave);
                }),
            }
        }
        while play.serve(false).is_some() {}
        prop_assert_eq!(play.taken, play.sent);
    }
}

/// The stated bounds are reached: they are no larger than they must be.
#[test]
fn the_bounds_are_exact() {
    for lanes in 2..=4usize {
        for bound in [1u32, 2, 64] {
            // Everything is busy. Lane 1 was just served in a round: its next frame is there now.
            let mut play = Play::new(lanes, bound);
            for lane in 0..lanes {
                (0..400).for_each(|_| play.arrive(lane));
            }
            while play.serve(false) != Some(1) {}
            let mut before = 0;
            while play.serve(false) != Some(1) {
                before += 1;
            }
            assert_eq!(before, bound as usize + lanes - 2);
            // A frame of lane 0 that comes when a round begins waits for all of it.
            while play.serve(false) != Some(0) {}
            while play.serve(false) == Some(0) {}
            let mut round = 1;
            while play.serve(false) != Some(0) {
                round += 1;
            }
            assert_eq!(round, lanes - 1);
        }
    }
}

#[test]
fn a_lane_that_is_alone_is_served_without_end() {
    for alone in 0..4 {
        let mut play = Play::new(4, 3);
        for _ in 0..20 {
            play.arrive(alone);
            assert_eq!(play.serve(false), Some(alone));
            assert_eq!(play.serve(false), None);
        }
    }
}
