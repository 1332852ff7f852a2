//! What one half of a lane counts, told to observers where the half has time for it: at most a lap late.

use crate::segment::OwnWord;
use crate::sync::Ordering;

/// What a frame counts as. Nothing in a build without counters, which is made only to measure what they cost (`cargo counters`).
pub(crate) const ONE: u64 = if cfg!(ringway_uncounted) { 0 } else { 1 };

/// Numbers that both halves have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Frames written or read.
    pub(crate) frames: u64,
    /// Bytes of ring that they took, headers and padding included.
    pub(crate) bytes: u64,
    /// Groups published, or releases told.
    pub(crate) batches: u64,
    /// The most bytes that were seen between what was written and what was released.
    pub(crate) high_water: u64,
}

impl Numbers {
    /// Of two lanes of one half. The most bytes are those of the lane that had more.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
            batches: self.batches + other.batches,
            high_water: self.high_water.max(other.high_water),
        }
    }
}

/// Where a half tells its numbers, if anywhere.
#[derive(Debug)]
pub(crate) struct Tally<W> {
    words: Option<[W; 4]>,
    /// Where the lane tells its own frames and bytes, if it is one of several.
    each: Option<[W; 2]>,
    /// Of the half's other lanes.
    beside: Numbers,
}

impl<W: OwnWord> Tally<W> {
    pub(crate) fn nowhere() -> Self {
        Self {
            words: None,
            each: None,
            beside: Numbers::default(),
        }
    }

    /// Into words in the order of [`Numbers`], which nobody else writes.
    pub(crate) fn into_words(words: [W; 4]) -> Self {
        Self {
            words: Some(words),
            each: None,
            beside: Numbers::default(),
        }
    }

    /// Tells its own frames and bytes too, into these words, which nobody else writes.
    pub(crate) fn and_each(mut self, words: [W; 2]) -> Self {
        self.each = Some(words);
        self
    }

    /// Asks for what will be told next. A hint.
    #[inline(always)]
    pub(crate) fn warm(&self) {
        if let Some([first, ..]) = &self.words {
            first.warm();
        }
    }

    /// What is told includes these numbers from now on, which are of the half's other lanes.
    pub(crate) fn count_beside(&mut self, others: Numbers) {
        self.beside = others;
    }

    pub(crate) fn tell(&self, numbers: &Numbers) {
        let Some(words) = self.words.as_ref().filter(|_| ONE == 1) else {
            return;
        };
        self.tell_each(numbers);
        let numbers = numbers.with(self.beside);
        let values = [
            numbers.frames,
            numbers.bytes,
            numbers.batches,
            numbers.high_water,
        ];
        for (word, value) in words.iter().zip(values) {
            // ORD: counter: Relaxed, each number stands by itself; partner: none (observers).
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Tells what the lane has counted by itself, and no sum.
    pub(crate) fn tell_each(&self, numbers: &Numbers) {
        if let Some([frames, bytes]) = self.each.as_ref().filter(|_| ONE == 1) {
            // ORD: counter: Relaxed, each number stands by itself; partner: none (observers).
            frames.store(numbers.frames, Ordering::Relaxed);
            // ORD: counter: Relaxed, as above; partner: none (observers).
            bytes.store(numbers.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests {
    use super::Numbers;

    #[test]
    fn the_numbers_of_two_lanes_are_added_but_for_the_most() {
        let of = |frames, bytes, batches, high_water| Numbers {
            frames,
            bytes,
            batches,
            high_water,
        };
        let sum = of(3, 50, 700, 11_000);
        assert_eq!(of(1, 20, 300, 11_000).with(of(2, 30, 400, 9_000)), sum);
        assert_eq!(of(2, 30, 400, 9_000).with(of(1, 20, 300, 11_000)), sum);
    }
}
