//! Concert: two sides whose waits are long because each of them sleeps. Whoever waits for an answer waits for the other side's wake too, which is more than a spin is worth; were both
//! to spin, neither would have to be woken, and both would be answered soon: neither finds that out alone.
//!
//! So now and then one side spins through a *series* of waits, each for as long as a wake of the other side takes and what it does then. Meanwhile the other one is answered without a
//! wake; it finds by its own trials that its waits have become short, and spins; and so ours become short. Where they do not, the next series comes
//! later. What is far longer than two wakes is not tried. Pure: it is told how waits ended, and knows no clock.

use super::Course;

/// How long each wait of a series is spun, in nanoseconds.
pub(super) const SPIN: u64 = 128_000;
/// A sleep that lasted less, in nanoseconds, its own wake included, may be one of two that make each other long.
const REACH: u64 = 200_000;
/// Waits of a series: the other side tries one in sixteen or so, and takes some of them until it is sure.
const SERIES: u8 = 48;
/// A series ends early when more of it than this are in vain.
const VAIN: u8 = 1;
/// So many such sleeps are before a series at first, and twice as many behind each that has changed nothing, up to the most.
const SOON: u16 = 16;
const SELDOM: u16 = 4096;

/// What one half knows of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concert {
    /// Waits that the present series still has.
    left: u8,
    /// Those of it that were in vain.
    vain: u8,
    /// Sleeps before the next one.
    until: u16,
    apart: u16,
}

impl Concert {
    pub(super) fn new() -> Self {
        Self {
            left: 0,
            vain: 0,
            until: SOON,
            apart: SOON,
        }
    }

    /// Whether the next wait is one of a series.
    pub(super) fn plays(self) -> bool {
        self.left > 0
    }

    /// A wait ended after so many nanoseconds. `pays`: waits are short enough to be spun through anyway.
    pub(super) fn ended(&mut self, nanos: u64, course: Course, pays: bool) {
        if self.left == 0 {
            let near = course == Course::Slept && nanos < REACH && !pays;
            self.until -= u16::from(near);
            if self.until == 0 {
                self.left = SERIES;
                self.vain = 0;
                self.until = self.apart;
            }
            return;
        }
        self.left -= 1;
        self.vain += u8::from(course == Course::Slept);
        // Without a budget for it there is no series.
        if self.vain > VAIN || course == Course::Denied {
            self.left = 0;
        }
        if self.left == 0 {
            self.apart = if pays {
                SOON
            } else {
                (2 * self.apart).min(SELDOM)
            };
            self.until = self.apart;
        }
    }
}
