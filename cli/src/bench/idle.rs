//! What an idle connection costs: wake-ups and processor time of every thread of both processes, as the kernel counts.

use std::fs;
use std::time::Duration;

use super::Failure;
use super::crew::Crew;

/// Given to both sides to go to sleep before the watch begins.
const SETTLE: Duration = Duration::from_millis(300);

/// What two processes did while nothing was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    /// Times that a thread went to sleep again, wanted or not.
    pub(crate) wake_ups: u64,
    /// Processor time, in nanoseconds.
    pub(crate) cpu_nanos: u64,
}

/// Watches both sides wait for `time`.
pub(crate) fn watch(crew: &mut Crew, time: Duration) -> Result<Activity, Failure> {
    crew.idle(time + 2 * SETTLE, |pids| {
        std::thread::sleep(SETTLE);
        let before = activity(pids)?;
        std::thread::sleep(time);
        let after = activity(pids)?;
        Ok(Activity {
            wake_ups: after.wake_ups - before.wake_ups,
            cpu_nanos: after.cpu_nanos - before.cpu_nanos,
        })
    })?
}

fn activity(pids: [u32; 2]) -> Result<Activity, Failure> {
    let mut total = Activity::default();
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?.path();
            total.wake_ups += switches(&fs::read_to_string(thread.join("status"))?);
        }
        total.cpu_nanos += processor_nanos(pid)?;
    }
    Ok(total)
}

/// Processor time of all threads that a process has now.
pub(crate) fn processor_nanos(pid: u32) -> Result<u64, Failure> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // The first number is the time on a processor in nanoseconds. Kernels built without it lack the file.
        let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let first = times.split(' ').next();
        total += first
            .and_then(|nanos| nanos.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(total)
}

/// The sum of both kinds of context switches in a status file.
fn switches(status: &str) -> u64 {
    status
        .lines()
        .filter_map(|line| line.split_once("voluntary_ctxt_switches:"))
        .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_kinds_of_switches_count() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(super::switches(status), 42);
    }
}
