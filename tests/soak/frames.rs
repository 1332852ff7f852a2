//! What the frames of a stream hold: every byte follows from a seed and the frame's number, so that each can be checked by itself, in whatever order they are seen.

use std::sync::OnceLock;

use crate::process::{Random, mix};

/// The longest frame.
pub(crate) const LARGEST: usize = 256 << 10;

/// The frames of one stream.
#[derive(Clone, Copy)]
pub(crate) struct Frames {
    seed: u64,
    least: usize,
    most: usize,
}

impl Frames {
    /// Frames of `least` to `most` bytes, with sizes that are uniform in their logarithm.
    pub(crate) fn new(seed: u64, least: usize, most: usize) -> Self {
        Self {
            seed,
            least: least.min(most),
            most: most.min(LARGEST),
        }
    }

    pub(crate) fn length(&self, number: u64) -> usize {
        let random = mix(self.seed ^ mix(number));
        let bits = u64::from(self.most.max(1).ilog2());
        let power = 1usize << ((random >> 32) % (bits + 1));
        let length = power + random as usize % power;
        length.clamp(self.least, self.most)
    }

    /// Writes frame `number` over what is in `frame`: the number, a checksum of seed, number and length, and bytes of a random table; a short frame has the beginning of that.
    pub(crate) fn write(&self, number: u64, frame: &mut Vec<u8>) {
        let length = self.length(number);
        let start = (mix(number ^ self.seed) % SPREAD as u64) as usize;
        frame.clear();
        frame.extend_from_slice(&table()[start..start + length]);
        let checksum = mix(self.seed ^ mix(number) ^ length as u64);
        let head = [number.to_ne_bytes(), checksum.to_ne_bytes()].concat();
        let part = length.min(head.len());
        frame[..part].copy_from_slice(&head[..part]);
    }

    /// Whether `bytes` are frame `number`. `scratch` is for the comparison.
    #[track_caller]
    pub(crate) fn check(&self, number: u64, bytes: &[u8], scratch: &mut Vec<u8>) {
        self.write(number, scratch);
        assert!(
            bytes == scratch,
            "frame {number} of {:x} is not what was sent: {} bytes for {}, {:x?} for {:x?}",
            self.seed,
            bytes.len(),
            scratch.len(),
            &bytes[..bytes.len().min(16)],
            &scratch[..scratch.len().min(16)],
        );
    }
}

/// The number that a frame of 8 bytes or more begins with.
#[track_caller]
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    let Some(number) = bytes.first_chunk() else {
        panic!("a frame of {} bytes has no number", bytes.len());
    };
    u64::from_ne_bytes(*number)
}

const SPREAD: usize = 4000;

/// Random bytes, the same in both processes.
pub(crate) fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut random = Random::new(1);
        let mut words = Vec::with_capacity(LARGEST + SPREAD);
        while words.len() < LARGEST + SPREAD {
            words.extend_from_slice(&random.next().to_ne_bytes());
        }
        words
    })
}
