//! How long a call waits: nanoseconds from now.

#![allow(dead_code, reason = "the constants are for the header")]

use std::time::{Duration, Instant};

/// A wait that never ends: what any negative number of nanoseconds means.
pub const RINGWAY_FOR_EVER: i64 = -1;
/// No wait at all.
pub const RINGWAY_DO_NOT_WAIT: i64 = 0;

/// What a number of nanoseconds asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not to wait.
    None,
    /// Until then.
    Until(Instant),
    /// As long as it takes.
    Endless,
}

impl Patience {
    pub(crate) fn of(nanos: i64) -> Self {
        match u64::try_from(nanos) {
            Ok(0) => Self::None,
            Ok(nanos) => Instant::now()
                .checked_add(Duration::from_nanos(nanos))
                .map_or(Self::Endless, Self::Until),
            Err(_) => Self::Endless,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_wait_and_less_is_for_ever() {
        assert_eq!(Patience::of(RINGWAY_DO_NOT_WAIT), Patience::None);
        assert_eq!(Patience::of(RINGWAY_FOR_EVER), Patience::Endless);
        assert_eq!(Patience::of(i64::MIN), Patience::Endless);
        let (before, second) = (Instant::now(), Duration::from_secs(1));
        let Patience::Until(until) = Patience::of(1_000_000_000) else {
            panic!("a second ends");
        };
        assert!(before + second <= until && until <= Instant::now() + second);
    }
}
