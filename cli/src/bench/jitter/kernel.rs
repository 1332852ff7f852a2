//! What interrupted us, by the kernel's counters.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// What happened to one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Thread {
    /// Page faults that took no reading of a disk.
    pub(crate) minor_faults: i64,
    pub(crate) major_faults: i64,
    /// Times that it went to sleep.
    pub(crate) sleeps: i64,
    /// Times that something else was given its processor.
    pub(crate) preemptions: i64,
    /// User and system time, in microseconds.
    pub(crate) cpu_micros: i64,
}

impl Thread {
    /// Of the calling thread, so far.
    pub(crate) fn now() -> Self {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else {
            return Self::default();
        };
        Self {
            minor_faults: usage.minor_page_faults(),
            major_faults: usage.major_page_faults(),
            sleeps: usage.voluntary_context_switches(),
            preemptions: usage.involuntary_context_switches(),
            cpu_micros: usage.user_time().num_microseconds()
                + usage.system_time().num_microseconds(),
        }
    }

    /// What came since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            minor_faults: self.minor_faults - before.minor_faults,
            major_faults: self.major_faults - before.major_faults,
            sleeps: self.sleeps - before.sleeps,
            preemptions: self.preemptions - before.preemptions,
            cpu_micros: self.cpu_micros - before.cpu_micros,
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            sleeps: self.sleeps + other.sleeps,
            preemptions: self.preemptions + other.preemptions,
            cpu_micros: self.cpu_micros + other.cpu_micros,
        }
    }
}

/// What happened to the processors of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// Interrupts by what they are for, where `/proc/interrupts` can be read.
    pub(crate) interrupts: Option<BTreeMap<String, u64>>,
    /// Ticks in which the host ran something else in our place.
    pub(crate) stolen: Option<u64>,
}

impl Host {
    /// So far.
    pub(crate) fn now() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        Self {
            interrupts: read("/proc/interrupts").map(|text| interrupts(&text)),
            stolen: read("/proc/stat").and_then(|text| stolen(&text)),
        }
    }

    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let interrupts = self.interrupts.as_ref().zip(before.interrupts.as_ref());
        Self {
            interrupts: interrupts.map(|(after, before)| {
                let more = |(what, count): (&String, &u64)| {
                    let count = count.saturating_sub(before.get(what).copied().unwrap_or(0));
                    (count > 0).then(|| (what.clone(), count))
                };
                after.iter().filter_map(more).collect()
            }),
            stolen: self
                .stolen
                .zip(before.stolen)
                .map(|(after, before)| after.saturating_sub(before)),
        }
    }

    /// Adds what came at another time.
    pub(crate) fn add(&mut self, other: &Self) {
        if let Some(more) = &other.interrupts {
            let sums = self.interrupts.get_or_insert_default();
            for (what, count) in more {
                *sums.entry(what.clone()).or_default() += count;
            }
        }
        if let Some(more) = other.stolen {
            *self.stolen.get_or_insert(0) += more;
        }
    }

    /// All interrupts.
    pub(crate) fn total(&self) -> Option<u64> {
        self.interrupts.as_ref().map(|all| all.values().sum())
    }
}

/// The sum over all processors for each line: a name and a colon, a number for each processor, and what it is for.
fn interrupts(text: &str) -> BTreeMap<String, u64> {
    let processors = text
        .lines()
        .next()
        .map_or(0, |line| line.split_whitespace().count());
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let mut words = rest.split_whitespace();
        let counts: Vec<u64> = words
            .by_ref()
            .take(processors)
            .map_while(|word| word.parse().ok())
            .collect();
        // Lines such as `ERR` have one number for all.
        (counts.len() == processors).then_some(())?;
        let about = words.collect::<Vec<_>>().join(" ");
        let name = match name.trim() {
            number if number.bytes().all(|digit| digit.is_ascii_digit()) => about,
            _ if about.is_empty() => name.trim().to_owned(),
            _ => about,
        };
        Some((name, counts.iter().sum()))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// The eighth number behind `cpu`.
fn stolen(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    line.split_whitespace().nth(8)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_added_up_over_the_processors() {
        let text = "           CPU0       CPU1\n 24:          1          2  IO-APIC   5-edge      ACPI:Ged\nLOC:        100        200   Local timer interrupts\nERR:          7\n";
        let all = interrupts(text);
        assert_eq!(all.get("Local timer interrupts"), Some(&300));
        assert_eq!(all.values().sum::<u64>(), 303);
    }

    #[test]
    fn stolen_time_is_the_eighth_number() {
        assert_eq!(stolen("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n"), Some(8));
        assert_eq!(stolen(""), None);
    }

    #[test]
    fn only_what_is_new_counts() {
        let host = |count: u64, stolen| Host {
            interrupts: Some([("timer".to_owned(), count), ("other".to_owned(), 1)].into()),
            stolen: Some(stolen),
        };
        let mut new = host(9, 5).since(&host(4, 3));
        assert_eq!((new.total(), new.stolen), (Some(5), Some(2)));
        new.add(&host(1, 1));
        assert_eq!((new.total(), new.stolen), (Some(7), Some(3)));
    }

    #[test]
    fn a_fault_of_this_thread_is_counted() {
        let before = Thread::now();
        let pages = vec![1u8; 4 << 20];
        std::hint::black_box(&pages);
        assert!(Thread::now().since(before).minor_faults > 0);
    }
}
