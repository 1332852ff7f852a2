//! The lanes of a half that has several: one at hand, which everything goes through, and the others beside it.
//!
//! A half of one lane has none of this, and pays nothing for it. Which lane is at hand changes by exchanging two of them in place: cheap next to a
//! frame that was waited for, and the code behind it is the same for one lane and for four.

use super::tally::Numbers;

/// A lane that counts what it does.
pub(crate) trait Counted {
    /// What it has counted.
    fn numbers(&self) -> Numbers;

    /// What it tells of itself includes `others` from now on: the numbers of the lanes beside it.
    fn count_beside(&mut self, others: Numbers);
}

/// The lanes that are not at hand.
#[derive(Debug)]
pub(crate) struct Beside<L> {
    /// Lane `i + 1` at `i`; in the place of the one at hand, unless that is lane 0, lies lane 0.
    others: Vec<L>,
    /// The lane at hand.
    at_hand: usize,
}

impl<L: Counted> Beside<L> {
    /// Lane 0 is at hand; `others` are lane 1 and those behind it.
    pub(crate) fn new(others: Vec<L>) -> Self {
        Self { others, at_hand: 0 }
    }

    /// How many lanes there are.
    pub(crate) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The number of the lane at hand.
    pub(crate) fn at_hand(&self) -> usize {
        self.at_hand
    }

    /// Lane `number` of all, where `lane` is the one at hand.
    pub(crate) fn get<'a>(&'a mut self, lane: &'a mut L, number: usize) -> &'a mut L {
        if number == self.at_hand {
            return lane;
        }
        let place = if number == 0 { self.at_hand } else { number };
        &mut self.others[place - 1]
    }

    /// Those that are not at hand.
    pub(crate) fn others(&self) -> &[L] {
        &self.others
    }

    /// The same, to be changed.
    pub(crate) fn others_mut(&mut self) -> &mut [L] {
        &mut self.others
    }

    /// Puts lane `number` into `lane`, the one at hand. Returns which one that was.
    ///
    /// # Panics
    /// When there is no such lane.
    pub(crate) fn take_up(&mut self, lane: &mut L, number: usize) -> usize {
        let before = self.at_hand;
        if number == before {
            return before;
        }
        assert!(number < self.count(), "no lane {number}");
        for place in [before, number] {
            if place != 0 {
                core::mem::swap(lane, &mut self.others[place - 1]);
            }
        }
        self.at_hand = number;
        self.recount(lane);
        before
    }

    /// What `lane`, the one at hand, tells includes what the others have counted until now.
    pub(crate) fn recount(&self, lane: &mut L) {
        let numbers = self.others.iter().map(Counted::numbers);
        lane.count_beside(numbers.fold(Numbers::default(), Numbers::with));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Lane {
        number: u64,
        beside: u64,
    }

    impl Counted for Lane {
        fn numbers(&self) -> Numbers {
            Numbers {
                frames: 1 << self.number,
                ..Numbers::default()
            }
        }

        fn count_beside(&mut self, others: Numbers) {
            self.beside = others.frames;
        }
    }

    #[test]
    fn every_lane_is_found_whichever_is_at_hand() {
        let lane = |number| Lane { number, beside: 0 };
        let mut hand = lane(0);
        let mut beside = Beside::new((1..4).map(lane).collect());
        for (from, to) in (0..4).flat_map(|from| (0..4).map(move |to| (from, to))) {
            beside.take_up(&mut hand, from);
            assert_eq!(beside.take_up(&mut hand, to), from);
            assert_eq!((beside.at_hand(), hand.number), (to, to as u64));
            if from != to {
                assert_eq!(hand.beside, 0b1111 & !(1 << to), "all but itself");
            }
            for number in 0..4 {
                assert_eq!(beside.get(&mut hand, number).number, number as u64);
            }
        }
    }
}
