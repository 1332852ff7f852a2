//! What payloads are filled with, and how a receiver checks that it got it.
//!
//! The patterns of the timed passes are as cheap as a full write and a full read can be, because both sides of a
//! ratio pay for them; [`Mixed`] is for the pass before, which is not timed and catches misplaced words as well.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// A rule that gives every message its contents.
pub(crate) trait Pattern {
    /// Writes message number `turn` over `words`.
    fn fill(&self, words: &mut [u64], turn: u64);
    /// Reads all of `words` and says whether they are message number `turn`.
    fn matches(&self, words: &[u64], turn: u64) -> bool;
}

/// Every word is the message's number: one vector store per 16 bytes.
#[derive(Debug)]
pub(crate) struct Broadcast;

impl Pattern for Broadcast {
    #[inline(always)]
    fn fill(&self, words: &mut [u64], turn: u64) {
        words.fill(turn);
    }

    #[inline(always)]
    fn matches(&self, words: &[u64], turn: u64) -> bool {
        words.iter().fold(0, |wrong, word| wrong | (word ^ turn)) == 0
    }
}

/// Every word differs from its neighbours and from the same word of every other message.
#[derive(Debug)]
pub(crate) struct Mixed;

impl Mixed {
    fn word(turn: u64, index: usize) -> u64 {
        let mut z = turn
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(index as u64);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^ (z >> 27)
    }
}

impl Pattern for Mixed {
    fn fill(&self, words: &mut [u64], turn: u64) {
        for (index, word) in words.iter_mut().enumerate() {
            *word = Mixed::word(turn, index);
        }
    }

    fn matches(&self, words: &[u64], turn: u64) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(index, word)| *word == Mixed::word(turn, index))
    }
}

/// For large messages: the contents stay, and one word of every page carries the message's number. The check adds up
/// every word, so that a page of an older message or a wrong byte anywhere changes the result.
#[derive(Debug)]
pub(crate) struct Stamped;

/// Words from one stamp to the next: a page.
const STAMP_WORDS: usize = 512;

impl Pattern for Stamped {
    #[inline(always)]
    fn fill(&self, words: &mut [u64], turn: u64) {
        for word in words.iter_mut().step_by(STAMP_WORDS) {
            *word = turn;
        }
    }

    #[inline(always)]
    fn matches(&self, words: &[u64], turn: u64) -> bool {
        let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word));
        let stamps = words.len().div_ceil(STAMP_WORDS) as u64;
        let rest = words.len() as u64 - stamps;
        sum == turn
            .wrapping_mul(stamps)
            .wrapping_add(REST.wrapping_mul(rest))
    }
}

/// What [`Stamped`] leaves alone; [`Buffer::new`] puts it everywhere.
const REST: u64 = 0x0101_0203_0508_0d15;

/// A private message buffer that starts on a cache line.
#[derive(Debug)]
pub(crate) struct Buffer(Box<[Line]>);

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Line([u64; 8]);

impl Buffer {
    /// A buffer of at least `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![Line([REST; 8]); bytes.div_ceil(size_of::<Line>())].into_boxed_slice())
    }

    /// The buffer as words; all of it, so cut it to the message's size.
    pub(crate) fn words(&mut self) -> &mut [u64] {
        match <[u64]>::mut_from_bytes(self.0.as_mut_bytes()) {
            Ok(words) => words,
            Err(_) => unreachable!("a line is aligned for, and made of, words"),
        }
    }

    /// Forgets everything that was in it, so that an old message cannot pass a check.
    pub(crate) fn wipe(&mut self) {
        self.0.zero();
    }
}

#[cfg(test)]
mod tests {
    use super::{Broadcast, Buffer, Mixed, Pattern, Stamped};

    fn notices_each_change(pattern: &dyn Pattern, words: usize) {
        let mut buffer = Buffer::new(words * 8);
        let words = &mut buffer.words()[..words];
        pattern.fill(words, 7);
        assert!(pattern.matches(words, 7));
        assert!(!pattern.matches(words, 8));
        for index in 0..words.len() {
            words[index] ^= 1 << (index % 64);
            assert!(!pattern.matches(words, 7), "word {index}");
            words[index] ^= 1 << (index % 64);
        }
    }

    #[test]
    fn every_pattern_notices_each_changed_word() {
        notices_each_change(&Broadcast, 8);
        notices_each_change(&Mixed, 8);
        notices_each_change(&Stamped, 8192);
    }
}
