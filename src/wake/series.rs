//! Series of trials: something is tried several times in a row, once there was occasion for it often enough; further apart each time that it has changed nothing. Pure: it is told what
//! there is an occasion for, and what came of it.

/// A series has `LENGTH` trials. `SOON` occasions are before the first one, and twice as many behind each that changed nothing, up to `SELDOM`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series<const LENGTH: u8, const SOON: u16, const SELDOM: u16> {
    /// Trials that the present series still has.
    left: u8,
    /// Occasions before the next one.
    until: u16,
    /// The same behind the present one.
    apart: u16,
}

impl<const LENGTH: u8, const SOON: u16, const SELDOM: u16> Series<LENGTH, SOON, SELDOM> {
    pub(super) fn new() -> Self {
        Self {
            left: 0,
            until: SOON,
            apart: SOON,
        }
    }

    /// Whether the next time is a trial.
    pub(super) fn is_on(self) -> bool {
        self.left > 0
    }

    /// There was an occasion, outside of a series. The last one begins it.
    pub(super) fn occasion(&mut self) {
        self.until -= 1;
        if self.until == 0 {
            self.left = LENGTH;
        }
    }

    /// A trial is over. Returns whether it was the last: then the series is to be ended.
    pub(super) fn trial(&mut self) -> bool {
        self.left -= 1;
        self.left == 0
    }

    /// The series is over, which may have trials left, and has `changed` something or not.
    pub(super) fn end(&mut self, changed: bool) {
        self.left = 0;
        self.apart = if changed {
            SOON
        } else {
            (2 * self.apart).min(SELDOM)
        };
        self.until = self.apart;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many occasions there are before the next series.
    fn occasions(series: &mut Series<3, 4, 16>) -> usize {
        let count = (0..100).take_while(|_| {
            let before = !series.is_on();
            if before {
                series.occasion();
            }
            before
        });
        count.count()
    }

    #[test]
    fn a_series_has_its_length() {
        let mut series = Series::new();
        assert_eq!(occasions(&mut series), 4);
        assert_eq!([(); 3].map(|()| series.trial()), [false, false, true]);
        series.end(true);
        assert!(!series.is_on());
    }

    #[test]
    fn what_changes_nothing_is_tried_less_and_less_until_it_does() {
        let mut series = Series::new();
        let mut apart = |changed| {
            let count = occasions(&mut series);
            // It may have trials left.
            assert!(!series.trial());
            series.end(changed);
            assert!(!series.is_on());
            count
        };
        assert_eq!([(); 4].map(|()| apart(false)), [4, 8, 16, 16]);
        assert_eq!([true, false, false].map(apart), [16, 4, 8]);
    }
}
