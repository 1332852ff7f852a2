//! The quiet: when a receiver that polls, and finds nothing, says so.
//!
//! A sender that keeps frames back wants to know whether they are waited for, and sees it by a new epoch. Whoever waits stores one before it does; who
//! polls has no such moment, and does when it has looked in vain for some time: long enough that a ping-pong never gets there, whose next send would miss the
//! line. Pure: it is told of each look.

/// Looks in vain, one after the other, before it is said.
const LOOKS: u32 = 128;

/// What one receiver remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quiet {
    position: u64,
    looks: u32,
}

impl Quiet {
    /// There was nothing behind `position`. Returns whether it is time to say so.
    #[inline]
    pub(crate) fn found_empty(&mut self, position: u64) -> bool {
        if self.position != position {
            self.position = position;
            self.looks = 0;
        }
        self.looks = self.looks.saturating_add(1);
        self.looks == LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_and_again_only_after_more_was_read() {
        let mut quiet = Quiet::default();
        let mut said = |position| {
            (0..10 * LOOKS)
                .filter(|_| quiet.found_empty(position))
                .count()
        };
        assert_eq!((said(0), said(0)), (1, 0));
        assert_eq!((said(72), said(144)), (1, 1));
    }

    #[test]
    fn a_ping_pong_never_says_it() {
        let mut quiet = Quiet::default();
        for round in 0..1000u64 {
            assert!(!(1..LOOKS).any(|_| quiet.found_empty(round * 72)));
        }
    }
}
