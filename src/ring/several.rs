//! The receiving half of several lanes: which frame is next, of all that are there.
//!
//! The lane of the frame that was found is put at hand, and from there on all is as with one lane. Fast paths, which know of one lane only, are
//! kept shut ([`Consumer::keep_shut`]).

use super::beside::Beside;
use super::consumer::{Consumer, Entry, Halt};
use super::precedence::Precedence;
use crate::layout::violation::Violation;
use crate::segment::{ForeignRing, OwnWord};

/// The consumers beside the one at hand, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Several<R, W> {
    beside: Beside<Consumer<R, W>>,
    precedence: Precedence,
    /// Where the frame lies that was found last, in the lane at hand. It was taken if the lane has gone on.
    offered: Option<u64>,
    /// A rule that the producer has broken in one lane: nothing more is read in any.
    broken: Option<Violation>,
}

impl<R: ForeignRing, W: OwnWord> Several<R, W> {
    /// `lane` is the first one, `others` are those behind it: at least one.
    pub(crate) fn new(
        lane: &mut Consumer<R, W>,
        mut others: Vec<Consumer<R, W>>,
        bound: u32,
    ) -> Self {
        lane.keep_shut();
        others.iter_mut().for_each(Consumer::keep_shut);
        Self {
            precedence: Precedence::new(1 + others.len(), bound),
            beside: Beside::new(others),
            offered: None,
            broken: None,
        }
    }

    /// How many lanes there are.
    pub(crate) fn count(&self) -> usize {
        self.beside.count()
    }

    /// The number of the lane at hand: that of the frame that was found last.
    pub(crate) fn at_hand(&self) -> usize {
        self.beside.at_hand()
    }

    /// The frame whose turn it is, and its lane. A violation ends all lanes; where expired frames were dropped, the lane's turn is not over.
    pub(crate) fn find(
        &mut self,
        lane: &mut Consumer<R, W>,
    ) -> Result<Option<(usize, Entry)>, Halt> {
        if let Some(violation) = self.broken {
            return Err(Halt::Broken(violation));
        }
        if self
            .offered
            .take()
            .is_some_and(|position| lane.next() > position)
        {
            self.precedence.served();
        }
        let Self {
            beside, precedence, ..
        } = self;
        let found = precedence.pick(|number| beside.get(lane, number).peek());
        match found {
            Err(Halt::Broken(violation)) => self.broken = Some(violation),
            Ok(Some((number, entry))) if number == self.at_hand() => {
                self.offered = Some(entry.position);
            }
            Ok(_) | Err(Halt::Dropped) => {}
        }
        found
    }

    /// The frame that was announced, if nobody has received it: see [`Consumer::look_at_announced`]. A look at all lanes may not have come to its own, where it has dropped expired frames in another.
    pub(crate) fn find_announced(
        &mut self,
        lane: &mut Consumer<R, W>,
    ) -> Result<Option<(usize, Entry)>, Halt> {
        for number in 0..self.count() {
            let found = self.beside.get(lane, number).look_at_announced();
            if let Err(Halt::Broken(violation)) = found {
                self.broken = Some(violation);
            }
            if let Some(entry) = found? {
                self.precedence.found(number);
                return Ok(Some((number, entry)));
            }
        }
        Ok(None)
    }

    /// Puts the lane of a frame that was found at hand. Whatever is due of the one before is done by the caller before.
    pub(crate) fn take_up(&mut self, lane: &mut Consumer<R, W>, number: usize, entry: &Entry) {
        self.beside.take_up(lane, number);
        self.offered = Some(entry.position);
    }

    /// All lanes, that at hand first.
    pub(crate) fn each(
        &mut self,
        lane: &mut Consumer<R, W>,
        mut act: impl FnMut(&mut Consumer<R, W>),
    ) {
        act(lane);
        self.beside.others_mut().iter_mut().for_each(act);
    }

    /// Goes back in all lanes: see [`Consumer::rewind`].
    pub(crate) fn rewind(&mut self, lane: &mut Consumer<R, W>) -> u64 {
        self.offered = None;
        let mut back = 0;
        self.each(lane, |lane| back += lane.rewind());
        back
    }

    /// What the lane at hand tells includes what the others have counted until now.
    pub(crate) fn recount(&self, lane: &mut Consumer<R, W>) {
        self.beside.recount(lane);
    }

    /// The lanes that are not at hand.
    pub(crate) fn beside(&self) -> &[Consumer<R, W>] {
        self.beside.others()
    }

    /// Expired frames that were dropped, in all lanes.
    pub(crate) fn expired(&self, lane: &Consumer<R, W>) -> u64 {
        let others = self.beside.others().iter().map(Consumer::expired);
        lane.expired() + others.sum::<u64>()
    }

    /// Bytes that were read, in all lanes.
    pub(crate) fn read(&self, lane: &Consumer<R, W>) -> u64 {
        let others = self.beside.others().iter().map(Consumer::next);
        others.fold(lane.next(), u64::wrapping_add)
    }
}
