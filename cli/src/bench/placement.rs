//! Where the two processes run, and what machine this is.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The processors of the leading and of the following process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) cpus: [usize; 2],
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [lead, follow] = self.cpus;
        if lead == follow {
            write!(f, "cpu {lead}")
        } else {
            write!(f, "cpus {lead},{follow}")
        }
    }
}

impl Placement {
    /// Two processors that are not threads of one core, as near as the numbering suggests; `None` with only one.
    pub(crate) fn two_cores() -> Option<Self> {
        let allowed = allowed();
        let (&lead, rest) = allowed.split_first()?;
        let siblings = siblings(lead);
        let follow = rest
            .iter()
            .find(|cpu| !siblings.contains(cpu))
            .or(rest.first())?;
        Some(Self {
            cpus: [lead, *follow],
        })
    }

    /// The same, or why there are none.
    pub(crate) fn insist_on_two_cores() -> Result<Self, &'static str> {
        Self::two_cores().ok_or("it takes two processors, and only one is allowed")
    }

    /// Both on the last processor that we may use: the first one often serves interrupts.
    pub(crate) fn one_core() -> Option<Self> {
        let last = *allowed().last()?;
        Some(Self { cpus: [last, last] })
    }
}

/// Keeps this process on processor `cpu`.
pub(crate) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else {
        return vec![0];
    };
    (0..CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .collect()
}

/// Processors that share a core with `cpu`, itself included: "0,64" or "0-1".
fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.trim().split(',').flat_map(range).collect()
}

fn range(part: &str) -> std::ops::Range<usize> {
    let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    number(first)..number(last).saturating_add(1)
}

/// One line on where the processes are put.
pub(crate) fn describe() -> String {
    let name = |placement: Option<Placement>| {
        placement.map_or_else(|| "none".to_owned(), |found| found.to_string())
    };
    format!(
        "two processes, pinned to {}; in one-core rows to {}",
        name(Placement::two_cores()),
        name(Placement::one_core()),
    )
}

/// The lines above a table: the machine, and where the processes are put.
pub(crate) fn print_heading(output: &mut impl Write, put: &str) -> io::Result<()> {
    writeln!(output, "{}\n{put}", machine())
}

/// One line on the machine: processor, how many, kernel, clock tick.
pub(crate) fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("processor of unknown model", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let clock =
        fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    format!(
        "{model}, {} processors allowed, Linux {}, clock {} with a tick of {} ns, load {}",
        allowed().len(),
        kernel.trim(),
        clock.as_deref().map_or("unknown", str::trim),
        tick().as_nanos(),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

/// The smallest step of the clock that this process can see.
fn tick() -> std::time::Duration {
    (0..1000)
        .filter_map(|_| {
            let before = Instant::now();
            (0..1000)
                .map(|_| before.elapsed())
                .find(|elapsed| !elapsed.is_zero())
        })
        .min()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_of_processor_lists() {
        assert_eq!(super::range("3"), 3..4);
        assert_eq!(super::range("2-5"), 2..6);
        assert!(super::range("").is_empty());
    }
}
