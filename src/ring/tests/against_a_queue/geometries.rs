//! The rings that the lane is tried on.

use proptest::prelude::*;

use crate::layout::geometry::Geometry;

/// Rings, with the alignments that they have room for, starting near the wrap and late in a lane's life.
pub(super) fn geometries() -> impl Strategy<Value = Geometry> {
    let ring = prop_oneof![3 => (Just(4096u64), 3u32..=6), 1 => (Just(65_536), 3u32..=6), 1 => (Just(65_536), Just(12u32))];
    let base = prop_oneof![
        Just(0u64),
        Just(1 << 20),
        Just((1 << 62) - (1 << 20)),
        Just(1 << 32)
    ];
    // A lane that nobody resumes starts at 0.
    let words = prop_oneof![1 => Just(0u64), 3 => 0u64..64];
    (ring, base, words, any::<bool>()).prop_map(|((capacity, shift), base, words, before)| {
        let start = if before {
            base + capacity - 8 * words
        } else {
            base + 8 * words
        };
        Geometry::new(capacity, 1 << shift, start)
    })
}
