//! Lies in every word, at full rate: mostly what an honest peer would say, so that the lane goes on, and now and then what none may.

mod dice;
mod lane;

use std::os::fd::{AsRawFd, OwnedFd};

use super::{ALL_WORDS, CONTROL, Hostile, Segment, Shown, Spoil, Word};
use dice::Dice;
use lane::Lane;

/// Writes that are remembered, to be written again.
const PAST: usize = 64;
/// The epoch of a half that is closed.
const GOODBYE: u64 = u64::MAX;

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lies {
    /// Words written, true or not: each of them while the victim may look.
    pub words: u64,
    /// Of those, what no honest peer would write there.
    pub broken: u64,
    /// Of those, what had been there before.
    pub replayed: u64,
    /// Frames that were committed in order.
    pub frames: u64,
    /// Things done to bells and to the socket.
    pub pranks: u64,
    /// Holes that were to be punched into the segment.
    pub punches: u64,
    /// Of those, how many the kernel let it: the victim would read nothing where it was told that there is memory.
    pub punched: u64,
}

/// A writer that lies about any word of its own segment, at any time.
///
/// It sends frames that are in order and releases what it is sent, as an honest peer would, since a connection that ends with the first word has shown little; between that it writes
/// what is nearly right: values beside the true one, at a bound, from before, of another word; payloads that change while they are read; epochs, hints, claims and anchors at random. How
/// often it breaks a rule for certain is drawn for each.
///
/// The same seed draws the same numbers; what is written then depends on what the victim has done meanwhile.
#[derive(Debug)]
pub struct Liar<'a> {
    own: &'a Segment,
    line: &'a OwnedFd,
    bells: Vec<&'a OwnedFd>,
    shown: Shown,
    lanes: Vec<Lane>,
    dice: Dice,
    /// Payload bytes of a frame that is in order, at least.
    least: u64,
    /// A lie that breaks a rule comes once in two to the power of so many steps.
    patience: u32,
    past: [(usize, u64); PAST],
    lies: Lies,
}

impl<'a> Liar<'a> {
    /// A liar for this connection.
    pub fn new(hostile: &'a Hostile, seed: u64) -> Self {
        let (first, ring, count) = hostile.rings();
        let mut dice = Dice::new(seed);
        Self {
            own: &hostile.own,
            line: &hostile.line,
            bells: hostile.theirs.iter().chain(&hostile.bells).collect(),
            shown: hostile.look(),
            lanes: (0..count)
                .map(|lane| Lane::new(lane, first, ring))
                .collect(),
            least: 0,
            patience: 6 + dice.below(8) as u32,
            dice,
            past: [(Word::ReceiverEpoch.offset(), 0); PAST],
            lies: Lies::default(),
        }
    }

    /// The same for a stream of bytes: what is in order has a byte in each frame.
    #[must_use]
    pub fn of_bytes(mut self) -> Self {
        self.least = 1;
        self
    }

    /// What was done so far.
    pub fn lies(&self) -> Lies {
        self.lies
    }

    /// Writes so many words, or some more.
    pub fn lie(&mut self, words: u64) {
        let until = self.lies.words + words;
        while self.lies.words < until {
            self.step();
        }
    }

    fn step(&mut self) {
        let lane = self.dice.below(self.lanes.len() as u64) as usize;
        if self.dice.below(1 << self.patience) == 0 {
            return self.break_a_rule(lane);
        }
        match self.dice.below(16) {
            0..=4 => self.frame(lane),
            5..=6 => self.release(lane),
            7..=8 => self.scribble(lane),
            9 => self.pad(lane),
            10 => self.epoch(),
            11..=12 => self.hint(lane),
            13 => self.replay(),
            14 => self.shelf(),
            _ if self.dice.below(64) == 0 => self.prank(),
            _ => self.announce(lane),
        }
    }

    fn write(&mut self, offset: usize, value: u64) {
        self.own.set(offset, value);
        self.past[self.lies.words as usize % PAST] = (offset, value);
        self.lies.words += 1;
    }

    fn say(&mut self, word: Word, value: u64) {
        self.write(word.offset(), value);
    }

    /// What is near a value: often itself, else at a bound or beside it.
    fn near(&mut self, value: u64, bound: u64) -> u64 {
        let little = self.dice.below(8);
        match self.dice.below(12) {
            0..=3 => value,
            4 => value.wrapping_add(8 * little),
            5 => value.wrapping_sub(8 * little),
            6 => value.wrapping_add(little),
            7 => value.wrapping_add(bound),
            8 => value.wrapping_add(bound).wrapping_sub(8),
            9 => value ^ 1 << self.dice.below(64),
            10 => [0, 1 << 62, 1 << 63, GOODBYE - 7][little as usize % 4],
            _ => self.dice.next(),
        }
    }

    /// Neither half minds what another one does while it sleeps, or wakes: it may lose its own wakes by this.
    fn epoch(&mut self) {
        let word = [Word::ReceiverEpoch, Word::SenderEpoch][self.dice.below(2) as usize];
        let now = self.own.get(word.offset());
        let next = match self.near(now.wrapping_add(1), 2) {
            GOODBYE => 1,
            other => other,
        };
        self.say(word, next);
    }

    /// Words that promise nothing, or that only those who read along believe.
    fn hint(&mut self, lane: usize) {
        let words = [
            Word::Follows,
            Word::FenceMode,
            Word::Announced(lane),
            Word::Claim(lane),
            Word::Anchor(lane),
            Word::Coming(lane),
            Word::Come(lane),
            Word::Taken(lane),
        ];
        let word = words[self.dice.below(8) as usize];
        let value = match word {
            Word::Follows | Word::FenceMode => self.dice.below(2),
            Word::Taken(_) => self.lanes[lane].read,
            Word::Coming(_) | Word::Come(_) => 2 * self.lies.frames,
            _ => self.lanes[lane].tail,
        };
        let bound = self.own.capacity() as u64;
        let value = self.near(value, bound);
        self.say(word, value);
    }

    /// What was written before is written again, where it was or elsewhere.
    fn replay(&mut self) {
        let (_, value) = self.past[self.dice.below(PAST as u64) as usize];
        // Headers and what was released stay as they are: to write these again breaks a rule.
        let word = ALL_WORDS[2 + self.dice.below(9) as usize];
        if value != GOODBYE {
            self.lies.replayed += 1;
            self.say(word, value);
        }
    }

    /// The part that nobody reads behind the handshake, and the schemas, which are read once.
    fn shelf(&mut self) {
        let first = self.own.at(0, 0);
        let offset = if first > CONTROL && self.dice.below(2) == 0 {
            CONTROL + self.dice.below((first - CONTROL) as u64) as usize
        } else {
            self.dice.below(Word::Anchor(0).offset() as u64) as usize
        };
        let value = self.dice.next();
        self.write(offset & !7, value);
    }

    /// What is no word: bells, the socket, and the pages themselves.
    fn prank(&mut self) {
        let what = self.dice.below(8);
        if what == 0 {
            self.lies.punches += 1;
            let offset = self.dice.below(self.own.size() as u64) as usize;
            self.lies.punched += u64::from(self.own.punch(offset & !7));
            return;
        }
        self.lies.pranks += 1;
        if what == 1 {
            let byte = [0u8];
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: one valid byte. It is not heeded whether there was room for it.
            unsafe { libc::send(self.line.as_raw_fd(), byte.as_ptr().cast(), 1, flags) };
            return;
        }
        let bell = self.dice.below(self.bells.len().max(1) as u64) as usize;
        if let Some(bell) = self.bells.get(bell) {
            Spoil::ALL[self.dice.below(Spoil::ALL.len() as u64) as usize].spoil(bell);
        }
    }
}
