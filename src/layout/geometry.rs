//! The arithmetic of a lane: how large a ring may be, how often its consumer says what it has released, and the largest frame
//! that is certain to fit.

use super::header::HEADER;

/// The smallest ring, in bytes: one page of 4 KiB.
pub(crate) const MIN_CAPACITY: u64 = 4096;
/// The largest ring, in bytes: 1 GiB, so that every length fits the header's 32 bits.
pub(crate) const MAX_CAPACITY: u64 = 1 << 30;
/// The largest payload alignment, in bytes.
pub(crate) const MAX_ALIGNMENT: u32 = 4096;
/// The largest position at which a lane may start: far from where it has to end (at 100 GB/s the rest lasts for years).
pub(crate) const MAX_START: u64 = 1 << 62;
/// No frame ends behind this position: far enough from the end of 64 bits that no sum in this crate overflows. Nobody writes as much, but a peer can have it read: what is received and not looked at
/// takes no time for its length.
pub(crate) const MAX_POSITION: u64 = !((1 << 40) - 1);

/// A payload of so many bytes fits every lane: senders of small messages need not look at the most that theirs takes.
pub(crate) const SURE_PAYLOAD: u64 = 256;

/// What both halves of a lane must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes in the ring: a power of two in `MIN_CAPACITY ..= MAX_CAPACITY`.
    pub(crate) capacity: u64,
    /// The consumer publishes its released position at least every so many bytes: a multiple of 8.
    pub(crate) step: u64,
    /// The largest payload alignment that the producer uses: a power of two in `8 ..= MAX_ALIGNMENT`.
    pub(crate) alignment: u32,
    /// The position of the first frame: a multiple of 8.
    pub(crate) start: u64,
}

/// Why a geometry cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    Capacity,
    Step,
    Alignment,
    Start,
    /// Not even a payload of [`SURE_PAYLOAD`] bytes would be certain to fit.
    TooSmallForAlignment,
}

impl Geometry {
    /// The usual geometry for a ring: the consumer speaks up eight times per lap.
    ///
    /// An eighth keeps the released word's cache line out of the fast path (it moves once per eighth of the ring) and costs an
    /// eighth of the largest frame.
    pub(crate) const fn new(capacity: u64, alignment: u32, start: u64) -> Self {
        Self {
            capacity,
            step: capacity / 8,
            alignment,
            start,
        }
    }

    /// Checks a geometry that a peer announced, or that a caller asked for.
    pub(crate) const fn check(&self) -> Result<(), Misfit> {
        if !self.capacity.is_power_of_two()
            || self.capacity < MIN_CAPACITY
            || self.capacity > MAX_CAPACITY
        {
            return Err(Misfit::Capacity);
        }
        if self.step < 8 || self.step % 8 != 0 || self.step > self.capacity / 2 {
            return Err(Misfit::Step);
        }
        if !self.alignment.is_power_of_two() || self.alignment < 8 || self.alignment > MAX_ALIGNMENT
        {
            return Err(Misfit::Alignment);
        }
        if self.start % 8 != 0 || self.start > MAX_START {
            return Err(Misfit::Start);
        }
        if self.largest_payload() < SURE_PAYLOAD {
            return Err(Misfit::TooSmallForAlignment);
        }
        Ok(())
    }

    /// The longest frame, header included, that is certain to fit once the consumer has read everything.
    ///
    /// The consumer may then still owe up to `step - 8` bytes of release, a pad may take `alignment - 8`, and the terminator takes
    /// 8: a longer frame could wait for ever.
    pub(crate) const fn largest_frame(&self) -> u64 {
        self.capacity
            .saturating_sub(self.step + self.alignment as u64 - 8)
    }

    /// The longest payload, in bytes.
    pub(crate) const fn largest_payload(&self) -> u64 {
        self.largest_frame().saturating_sub(HEADER)
    }
}

/// Bytes of padding before a frame at `position` so that its payload starts at a multiple of `alignment`.
#[inline(always)]
pub(crate) const fn padding(position: u64, alignment: u64) -> u64 {
    // Positions are multiples of 8 and so is the result: zero, or room for a pad's own header.
    0u64.wrapping_sub(position + HEADER) & (alignment - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_frame_fits_with_the_release_lagging_and_the_worst_pad() {
        for capacity in [4096u64, 65_536, MAX_CAPACITY] {
            for alignment in [8u32, 16, 64] {
                let geometry = Geometry::new(capacity, alignment, 0);
                geometry.check().unwrap();
                let lag = geometry.step - 8;
                let pad = u64::from(alignment) - 8;
                assert!(lag + pad + geometry.largest_frame() + 8 <= capacity);
                assert!(
                    lag + pad + geometry.largest_frame() + 16 > capacity,
                    "and not one word more"
                );
            }
        }
    }

    #[test]
    fn padding_aligns_the_payload_behind_the_header() {
        for position in (0..8192).step_by(8) {
            for alignment in [8u64, 16, 32, 64, 4096] {
                let pad = padding(position, alignment);
                assert!(pad < alignment && pad % 8 == 0);
                assert_eq!((position + pad + HEADER) % alignment, 0);
            }
        }
    }

    /// What is just allowed, and the next that is not.
    #[test]
    fn the_bounds_of_a_geometry_are_allowed() {
        let good = Geometry::new(65_536, 8, 0);
        let with = |capacity, step, alignment, start| {
            let geometry = Geometry {
                capacity,
                step,
                alignment,
                start,
            };
            geometry.check()
        };
        assert_eq!(with(MIN_CAPACITY, good.step / 16, 8, 0), Ok(()));
        assert_eq!(with(2048, 256, 8, 0), Err(Misfit::Capacity));
        assert_eq!(with(MAX_CAPACITY, good.step, 8, 0), Ok(()));
        for (step, found) in [(8, Ok(())), (32_768, Ok(())), (32_776, Err(Misfit::Step))] {
            assert_eq!(with(65_536, step, 8, 0), found, "a step of {step}");
        }
        for step in [4, 12, 8196] {
            assert_eq!(with(65_536, step, 8, 0), Err(Misfit::Step));
        }
        assert_eq!(with(65_536, 8, MAX_ALIGNMENT, 0), Ok(()));
        for alignment in [0, 1, 4, 2 * MAX_ALIGNMENT] {
            let found = with(65_536, 8, alignment, 0);
            assert_eq!(found, Err(Misfit::Alignment), "{alignment}");
        }
        assert_eq!(with(65_536, 8, 8, MAX_START), Ok(()));
        assert_eq!(with(65_536, 8, 8, MAX_START + 8), Err(Misfit::Start));
    }

    /// The longest payload that is certain to fit is then just as long as is sure.
    #[test]
    fn a_ring_that_takes_the_sure_payload_and_no_more_is_large_enough() {
        let geometry = |step| Geometry {
            capacity: 4096,
            step,
            alignment: 2048,
            start: 0,
        };
        let just = 4096 - 2048 - SURE_PAYLOAD;
        assert_eq!(geometry(just).largest_payload(), SURE_PAYLOAD);
        assert_eq!(geometry(just).check(), Ok(()));
        let found = geometry(just + 8).check();
        assert_eq!(found, Err(Misfit::TooSmallForAlignment));
    }

    #[test]
    fn bad_geometries_are_named() {
        let good = Geometry::new(4096, 8, 0);
        assert_eq!(
            Geometry {
                capacity: 4095,
                ..good
            }
            .check(),
            Err(Misfit::Capacity)
        );
        assert_eq!(
            Geometry {
                capacity: MAX_CAPACITY * 2,
                ..good
            }
            .check(),
            Err(Misfit::Capacity)
        );
        assert_eq!(Geometry { step: 0, ..good }.check(), Err(Misfit::Step));
        assert_eq!(Geometry { step: 4096, ..good }.check(), Err(Misfit::Step));
        assert_eq!(
            Geometry {
                alignment: 24,
                ..good
            }
            .check(),
            Err(Misfit::Alignment)
        );
        assert_eq!(Geometry { start: 4, ..good }.check(), Err(Misfit::Start));
        assert_eq!(
            Geometry {
                alignment: 4096,
                ..good
            }
            .check(),
            Err(Misfit::TooSmallForAlignment)
        );
    }
}
