//! Whether a poll looks again and again for a moment before it returns: a pure policy, told how such moments ended.
//!
//! A moment pays where the peer answers on another core within it. It cannot where the peer is a task of the same thread, which runs only when the poll has returned. That is
//! noticed by what moments find, and tried anew from time to time.

/// So many moments in a row may be in vain.
const PATIENT: u32 = 4;
/// Then so many polls go without one before the next.
const APART: u32 = 64;

/// What one half has learned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Glance {
    /// Moments in vain, in a row; beyond [`PATIENT`] the polls that went without one too.
    vain: u32,
}

impl Glance {
    /// Whether the poll at hand shall take a moment. Each is told how it ended.
    pub(super) fn pays(&mut self) -> bool {
        if self.vain < PATIENT {
            return true;
        }
        self.vain += 1;
        if self.vain < PATIENT + APART {
            return false;
        }
        // One more, and if it is in vain, as many polls without.
        self.vain = PATIENT - 1;
        true
    }

    /// How a moment ended.
    pub(super) fn ended(&mut self, found: bool) {
        self.vain = if found { 0 } else { self.vain + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `polls`, those that take a moment, where each is found or not.
    fn moments(glance: &mut Glance, polls: u32, found: bool) -> u32 {
        let moment = |glance: &mut Glance| glance.pays().then(|| glance.ended(found)).is_some();
        (0..polls).map(|_| u32::from(moment(glance))).sum()
    }

    #[test]
    fn what_is_found_is_looked_for_and_what_is_not_is_tried_now_and_then() {
        let mut glance = Glance::default();
        assert_eq!(moments(&mut glance, 1000, true), 1000);
        let vain = moments(&mut glance, 10_000, false);
        assert!((100..=200).contains(&vain), "{vain}");
        // Within one stretch without it is noticed that it pays again.
        assert!(moments(&mut glance, 2 * APART, true) >= APART - PATIENT);
        assert_eq!(moments(&mut glance, 1000, true), 1000);
    }
}
