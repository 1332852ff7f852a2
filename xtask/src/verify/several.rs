//! Processes of one step side by side: most tests wait rather than compute, and one after the other they would leave processors idle.
//!
//! Each prints into a file of its own, so that no line of one is among those of another.

use std::panic;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::job::{Stop, judged, line};
use super::log::Log;
use crate::process;

/// A process to run.
pub(super) struct Task {
    /// Its name, and that of the file that it prints into: each has one of its own.
    pub(super) name: String,
    pub(super) command: Command,
    pub(super) limit: Duration,
    /// It runs when all others are through, and nothing of this step beside it.
    pub(super) alone: bool,
}

/// What became of one.
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) printed: String,
    pub(super) status: Result<ExitStatus, Stop>,
    /// Of the processors.
    pub(super) spent: Duration,
}

/// What is to be told when one has ended.
pub(super) struct News {
    /// What it was, and what it printed.
    pub(super) text: String,
    pub(super) spent: Duration,
}

/// Runs all, and calls `tell` whenever one has ended, and several times a second with nothing to tell. Returned in the order of `tasks`.
pub(super) fn run(
    tasks: Vec<Task>,
    width: usize,
    folder: &Path,
    mut tell: impl FnMut(Option<News>),
) -> Vec<Ran> {
    let numbered = tasks.into_iter().enumerate();
    let (alone, together): (Vec<_>, Vec<_>) = numbered.partition(|(_, task)| task.alone);
    let mut ran = Vec::new();
    for (tasks, width) in [(together, width), (alone, 1)] {
        ran.extend(row(tasks, width, folder, &mut tell));
    }
    ran.sort_by_key(|(number, _)| *number);
    ran.into_iter().map(|(_, ran)| ran).collect()
}

fn row(
    tasks: Vec<(usize, Task)>,
    width: usize,
    folder: &Path,
    tell: &mut impl FnMut(Option<News>),
) -> Vec<(usize, Ran)> {
    let queue = Mutex::new(tasks.into_iter());
    let unwanted = AtomicBool::new(false);
    let mut all = Vec::new();
    thread::scope(|scope| {
        let (sender, ended) = channel();
        for _ in 0..width {
            let (sender, queue, unwanted) = (sender.clone(), &queue, &unwanted);
            scope.spawn(move || work(queue, folder, unwanted, &sender));
        }
        drop(sender);
        // `tell` may unwind: then the processes are ended, too.
        let _end = Raised(&unwanted);
        loop {
            match ended.recv_timeout(Duration::from_millis(100)) {
                Ok((number, ran, news)) => {
                    tell(Some(news));
                    all.push((number, ran));
                }
                Err(RecvTimeoutError::Timeout) => tell(None),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    all
}

/// Takes one task after the other until none is left.
fn work(
    queue: &Mutex<impl Iterator<Item = (usize, Task)>>,
    folder: &Path,
    unwanted: &AtomicBool,
    ended: &Sender<(usize, Ran, News)>,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((number, task)) = next else { return };
        let (ran, news) = one(task, folder, unwanted);
        if ended.send((number, ran, news)).is_err() {
            return;
        }
    }
}

fn one(mut task: Task, folder: &Path, unwanted: &AtomicBool) -> (Ran, News) {
    let what = line(&task.command);
    let began = Instant::now();
    let mut spent = Duration::ZERO;
    let log = Log::create(folder, &task.name);
    let ended = log.and_then(|log| {
        log.attach(&mut task.command)?;
        let end = process::run_measured(&mut task.command, task.limit, &mut spent, || {
            // Relaxed: it carries nothing but itself.
            if unwanted.load(Ordering::Relaxed) {
                // Not a panic: the hook that prints messages is not called.
                panic::resume_unwind(Box::new("nobody waits for it"));
            }
        })?;
        Ok((log.since(0), end))
    });
    let (printed, status) = match ended {
        Ok((printed, end)) => (printed, judged(&end, &what, task.limit)),
        Err(error) => (String::new(), Err(Stop::failed(error.to_string()))),
    };
    let took = began.elapsed();
    let text = format!(
        "$ {what}\n{printed}# {}: {:.1} s, processor {:.1} s",
        task.name,
        took.as_secs_f64(),
        spent.as_secs_f64()
    );
    let ran = Ran {
        name: task.name,
        printed,
        status,
        spent,
    };
    (ran, News { text, spent })
}

/// Raises a flag at the end of its life.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        // Relaxed: it carries nothing but itself.
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place;

    fn shell(name: &str, script: &str, alone: bool) -> Task {
        let mut command = place::command("sh");
        command.args(["-c", script]);
        Task {
            name: name.to_owned(),
            command,
            limit: Duration::from_secs(60),
            alone,
        }
    }

    fn folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("ringway-{name}-{}", std::process::id()))
    }

    #[test]
    fn each_has_its_own_output_and_all_are_told_of_once() {
        let folder = folder("several");
        let tasks = (0..5).map(|number| {
            let script = format!("echo {number}; exit {number}");
            shell(&format!("task-{number}"), &script, number == 1)
        });
        let mut told = Vec::new();
        let ran = run(tasks.collect(), 2, &folder, |news| {
            told.extend(news.map(|news| news.text));
        });
        for (number, ran) in ran.iter().enumerate() {
            assert_eq!(ran.printed, format!("{number}\n"));
            let code = ran.status.as_ref().unwrap().code();
            assert_eq!(code, Some(i32::try_from(number).unwrap()));
        }
        assert_eq!(told.len(), 5);
        assert!(told[4].contains("task-1: "), "the one alone is the last");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn two_run_at_the_same_time() {
        let folder = folder("meeting");
        std::fs::create_dir_all(&folder).unwrap();
        // Each waits for a file that the other one makes.
        let meet = |mine: &str, other: &str| {
            let wait = format!("touch {mine}; until [ -e {other} ]; do sleep 0.02; done");
            format!("cd {} && {wait}", folder.display())
        };
        let tasks = vec![
            shell("a", &meet("a", "b"), false),
            shell("b", &meet("b", "a"), false),
        ];
        let ran = run(tasks, 2, &folder, |_| ());
        assert!(
            ran.iter()
                .all(|ran| ran.status.as_ref().is_ok_and(ExitStatus::success))
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn they_end_when_nobody_waits_for_them_any_more() {
        let folder = folder("unwanted");
        let began = Instant::now();
        let unwound = panic::catch_unwind(|| {
            let tasks = vec![shell("sleeper", "sleep 600", false)];
            run(tasks, 2, &folder, |_| {
                panic::resume_unwind(Box::new("no more"))
            });
        });
        assert!(unwound.is_err());
        assert!(began.elapsed() < Duration::from_secs(500));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
