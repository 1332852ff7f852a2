//! Child processes that can neither hang us nor outlive us.
//!
//! Each job carries a mark in its environment, which every descendant inherits. A job that overstays its limit is
//! ended together with all that carry its mark, whatever process group or parent they have by then; what a finished
//! job left running is found in the same way.

use std::fs;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// The variable that carries the marks.
pub(crate) const VARIABLE: &str = "RINGWAY_XTASK_JOB";

/// How long processes may take to be gone once the job's first process has ended, or once they were killed: on a host that is busy with others, too.
const GRACE: Duration = Duration::from_secs(20);

/// The mark of one job. All who carry it are killed when it is dropped.
pub(crate) struct Mark(String);

impl Mark {
    pub(crate) fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_nanos());
        Self(format!(
            "{}.{:?}.{now}",
            std::process::id(),
            thread::current().id()
        ))
    }

    /// Starts `command` as part of this job, with no standard input unless it has one already.
    pub(crate) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // Jobs nest: the tests of this crate run inside a job of `cargo verify`. A process carries every mark above it.
        let outer = std::env::var(VARIABLE).unwrap_or_default();
        let child = command
            .env(VARIABLE, format!("{outer}/{}", self.0))
            .spawn()
            .map_err(|error| {
                let program = command.get_program().to_string_lossy();
                io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
            })?;
        // We go on before the kernel has laid its environment out: who looked for the mark now would not find it.
        let (name, end) = (child.id().to_string(), Instant::now() + GRACE);
        while !self.is_on(&name) && !is_over(&name) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(child)
    }

    /// The processes that carry the mark. A zombie has no environment left and is not among them.
    fn carriers(&self) -> Vec<String> {
        let Ok(processes) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let names = processes.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|name| self.is_on(name))
            .collect()
    }

    /// Whether the process of that number carries it.
    fn is_on(&self, process: &str) -> bool {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| {
            let marks = variable
                .strip_prefix(VARIABLE.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="));
            marks.is_some_and(|marks| {
                marks
                    .split(|byte| *byte == b'/')
                    .any(|mark| mark == self.0.as_bytes())
            })
        })
    }

    /// Waits for the job's processes to be gone by themselves, kills those that are not behind `grace`, and says how many.
    fn sweep(&self, grace: Duration) -> usize {
        let end = Instant::now() + grace;
        loop {
            let left = self.carriers();
            if left.is_empty() {
                // One that is just becoming another program has no environment for a moment.
                thread::sleep(Duration::from_millis(2));
                if self.carriers().is_empty() {
                    return 0;
                }
                continue;
            }
            if Instant::now() >= end {
                self.kill();
                return left.len();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills every process of the job, those too that were being started meanwhile.
    pub(crate) fn kill(&self) {
        let end = Instant::now() + GRACE;
        loop {
            let left = self.carriers();
            if left.is_empty() {
                return;
            }
            // The shell's own `kill`: the standard library has none for a process that is not our child.
            let mut kill = Command::new("sh");
            kill.args(["-c", "kill -KILL \"$@\"", "sh"]).args(left);
            let _ = kill.stdin(Stdio::null()).stderr(Stdio::null()).status();
            // Not before they were killed once, however late it is.
            if Instant::now() >= end {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a job ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself; so many processes that it started were still running and were killed.
    Exit(ExitStatus, usize),
    /// It was still running at its limit, and was killed with all its processes.
    Overstayed,
}

/// Runs `command` to its end, but no longer than `limit`, calling `tick` several times a second.
pub(crate) fn run(command: &mut Command, limit: Duration, tick: impl FnMut()) -> io::Result<End> {
    let mut spent = Duration::ZERO;
    run_measured(command, limit, &mut spent, tick)
}

/// The same, and adds to `spent` the processor time of all its processes.
pub(crate) fn run_measured(
    command: &mut Command,
    limit: Duration,
    spent: &mut Duration,
    tick: impl FnMut(),
) -> io::Result<End> {
    run_swept(command, limit, GRACE, spent, tick)
}

/// The same, with so much time for what it leaves behind.
fn run_swept(
    command: &mut Command,
    limit: Duration,
    grace: Duration,
    spent: &mut Duration,
    mut tick: impl FnMut(),
) -> io::Result<End> {
    let mark = Mark::new();
    let mut child = mark.spawn(command.stdin(Stdio::null()))?;
    let end = Instant::now() + limit;
    let mut nap = Duration::from_millis(2);
    let (before, name) = (*spent, child.id().to_string());
    loop {
        // Asked first: who is over has had all that it will ever have, and once it was waited for nothing is known of it any more.
        let over = is_over(&name);
        *spent = before + processor_time(&name);
        let status = if over { child.try_wait()? } else { None };
        tick();
        if let Some(status) = status {
            return Ok(End::Exit(status, mark.sweep(grace)));
        }
        if Instant::now() >= end {
            mark.kill();
            child.wait()?;
            return Ok(End::Overstayed);
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(100));
    }
}

/// `command`, started by another program, which is named with its words: in the same place and with the same variables.
pub(crate) fn behind(program: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program[0]);
    outer.args(&program[1..]);
    outer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

/// Whether the process of that number has ended.
fn is_over(process: &str) -> bool {
    matches!(
        stat(process).first().map(String::as_str),
        None | Some("Z" | "X")
    )
}

/// What a process has had of the processors, with all its descendants that were waited for: as the kernel counts it, in hundredths of a second, whoever else keeps the machine busy.
fn processor_time(process: &str) -> Duration {
    // Behind its state and ten numbers: its own time and its children's, each as a program and in the kernel.
    let stat = stat(process);
    let times = stat.iter().skip(11).take(4);
    let ticks = times
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum::<u64>();
    Duration::from_millis(10).saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// What the kernel tells of a process, from its state on: behind its name, which may have any character. Nothing, if there is none.
fn stat(process: &str) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind = stat.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> End {
        run(Command::new("sh").args(["-c", script]), limit, || ()).unwrap()
    }

    #[test]
    fn processor_time_is_that_of_all_processes_and_not_the_time_of_waiting() {
        let measure = |script: &str| {
            let mut spent = Duration::ZERO;
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            // What has to be cut off has told nothing of its children: the work is to come to its end, however few turns it gets.
            let end = run_measured(&mut shell, Duration::from_secs(600), &mut spent, || ());
            assert!(matches!(end.unwrap(), End::Exit(_, 0)));
            spent
        };
        let idle = measure("sleep 1");
        assert!(idle < Duration::from_millis(300), "{idle:?}");
        // The work is a grandchild's, which the child waits for.
        let work = "i=0; while [ $i -lt 600000 ]; do i=$((i + 1)); done";
        let busy = measure(&format!("(sh -c '{work}'; true); true"));
        assert!(busy > Duration::from_millis(50), "{busy:?}");
    }

    #[test]
    fn a_job_that_ends_leaves_its_status() {
        assert!(
            matches!(shell("exit 3", Duration::from_secs(60)), End::Exit(status, 0) if status.code() == Some(3))
        );
    }

    #[test]
    fn a_job_that_overstays_is_killed_with_its_descendants() {
        let began = Instant::now();
        let script = "setsid sleep 600 & sleep 600";
        assert!(matches!(
            shell(script, Duration::from_millis(300)),
            End::Overstayed
        ));
        assert!(
            began.elapsed() < Duration::from_secs(500),
            "the sleepers were waited for"
        );
    }

    #[test]
    fn a_job_that_is_given_up_at_once_is_killed() {
        for _ in 0..50 {
            let mark = Mark::new();
            let mut child = mark.spawn(Command::new("sleep").arg("600")).unwrap();
            mark.kill();
            assert!(!child.wait().unwrap().success());
        }
    }

    #[test]
    fn a_process_left_behind_is_counted_and_killed() {
        // The shell ends when both programs have been started: one that is just becoming another has no environment, and is not found.
        let script = "setsid sleep 600 >/dev/null 2>&1 & until grep -qs sleep /proc/$!/comm && grep -qs RINGWAY_XTASK_JOB= /proc/$!/environ; do :; done";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (limit, grace) = (Duration::from_secs(60), Duration::from_secs(1));
        let mut spent = Duration::ZERO;
        let end = run_swept(&mut command, limit, grace, &mut spent, || ());
        assert!(matches!(end.unwrap(), End::Exit(status, 1) if status.success()));
    }
}
