//! Random numbers for peers whose lies are drawn.

/// Random numbers that a seed gives again, together with `RINGWAY_SEED`, which each lap of a soak sets to another.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let lap: u64 = std::env::var("RINGWAY_SEED").map_or(0, |lap| lap.parse().unwrap());
        Self(seed ^ lap.wrapping_mul(0x9e37_79b9_7f4a_7c16))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
