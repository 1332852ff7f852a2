//! The clocks: elapsed time and processor time of one pass, and percentiles of single operations.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Failure;

/// What one process measured in one pass.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Elapsed time of the timed part, in nanoseconds.
    pub(crate) nanos: f64,
    /// Elapsed time from the first to the last operation, in nanoseconds; more than `nanos` where only a part of it is timed.
    pub(crate) wall_nanos: f64,
    /// User and system time that this process spent in the timed part, in nanoseconds.
    pub(crate) cpu_nanos: f64,
    /// From the pass that times each operation by itself.
    pub(crate) percentiles: Option<Percentiles>,
    /// Of one who reads along: frames that it has seen, and frames that it has lost.
    pub(crate) tapped: [u64; 2],
}

/// Percentiles of single operations, in nanoseconds. They include one reading of the clock.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Percentiles {
    /// Sorts `nanos` and picks; `None` where there is nothing to pick from.
    pub(crate) fn of(nanos: &mut [u64]) -> Option<Self> {
        nanos.sort_unstable();
        let last = nanos.len().checked_sub(1)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "times of single operations are far below 2^52 ns"
        )]
        let pick = |per_mille: usize| nanos[last * per_mille / 1000] as f64;
        Some(Self {
            p50: pick(500),
            p99: pick(990),
            p999: pick(999),
        })
    }
}

/// Runs from the start to the end of a timed part.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    cpu: Duration,
}

impl Meter {
    /// Starts now.
    pub(crate) fn start() -> Self {
        let cpu = processor_time();
        Self {
            started: Instant::now(),
            cpu,
        }
    }

    /// Ends now.
    pub(crate) fn stop(self) -> Sample {
        let nanos = self.started.elapsed().as_secs_f64() * 1e9;
        let cpu = processor_time().saturating_sub(self.cpu);
        Sample {
            nanos,
            wall_nanos: nanos,
            cpu_nanos: cpu.as_secs_f64() * 1e9,
            percentiles: None,
            tapped: [0; 2],
        }
    }
}

/// User and system time of this process so far.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The same of process `pid`.
pub(crate) fn processor_time_of(pid: u32) -> Result<Duration, Failure> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    Ok(ClockId::pid_cpu_clock_id(pid)?.now()?.into())
}

/// Time that the threads of process `pid` were ready to run, and did not because others had the processor, so far. Zero where the kernel does not count it.
pub(crate) fn waited(pid: u32) -> Duration {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let of = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let nanos = threads.flatten().filter_map(|thread| of(thread.path()));
    Duration::from_nanos(nanos.sum())
}

/// The median; NaN for nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Percentiles, median, processor_time, waited};

    #[test]
    fn who_runs_does_not_wait_for_longer_than_time_goes_by() {
        let (began, before, used) = (Instant::now(), waited(std::process::id()), processor_time());
        while processor_time() < used + Duration::from_millis(30) {}
        let threads = || std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        // The time is read last, as others may have the processor between any two of these; a test beside this one may begin or end there.
        let threads_before = threads();
        let after = waited(std::process::id()).saturating_sub(before);
        let threads = u32::try_from(threads().max(threads_before)).unwrap_or(u32::MAX);
        let longest = began.elapsed() * threads;
        assert!(after <= longest, "{after:?} of {longest:?}");
        assert_eq!(waited(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn median_of_odd_even_and_none() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_of_a_thousand() {
        let mut nanos: Vec<u64> = (1..=1000).rev().collect();
        let p = Percentiles::of(&mut nanos).expect("not empty");
        assert!(
            (p.p50 - 500.0).abs() < 1.5
                && (p.p99 - 990.0).abs() < 1.5
                && (p.p999 - 999.0).abs() < 1.5
        );
        assert!(Percentiles::of(&mut []).is_none());
    }
}
