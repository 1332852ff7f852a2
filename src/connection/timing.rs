//! What it costs to encode or decode messages, by samples.

use super::book::{Count, Slot};
use crate::sys::cpu;
use crate::sys::fork::Birth;

/// One call in so many is timed: two readings of the clock cost as much as a small message's encoding.
const EVERY: u32 = 64;

/// Times one half's calls, and counts them for observers.
#[derive(Debug)]
pub(crate) struct Timing {
    calls: u32,
    samples: Count,
    nanos: Count,
    birth: Birth,
}

impl Timing {
    /// Of the half whose words are at `half`; `None` where it is not to be timed, or nobody could be told.
    pub(crate) fn new(slot: Option<&Slot>, half: usize, birth: Birth) -> Option<Self> {
        let slot = slot.filter(|slot| slot.is_timed())?;
        let count = |index| Count::new(Some(slot), half, index);
        Some(Self {
            calls: 0,
            samples: count(9),
            nanos: count(10),
            birth,
        })
    }

    /// Does `action`, and times it if it is its turn.
    pub(crate) fn time<T>(timing: &mut Option<Self>, action: impl FnOnce() -> T) -> T {
        match timing {
            None => action(),
            Some(timing) => {
                timing.calls = (timing.calls + 1) % EVERY;
                // In a child the words are still the parent's.
                if timing.calls != 0 || timing.birth.is_forked() {
                    return action();
                }
                let (result, nanos) = cpu::timed(action);
                timing.nanos.add_some(u64::from(nanos));
                timing.samples.add();
                result
            }
        }
    }
}
