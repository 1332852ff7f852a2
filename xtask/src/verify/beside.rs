//! A step that runs while the others do: one that takes a processor for minutes and whose outcome nobody's timing can change.
//!
//! It leaves the larger share of the processors to what runs beside it, and has a directory of its own, so that no build waits for
//! its locks. What it prints goes to its log, and is shown in its place in the list.

use std::panic;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::job::Job;
use super::{Options, Outcome, Step};
use crate::process;

/// A step under way.
pub(super) struct Beside {
    name: &'static str,
    /// Whoever holds this waits for the step; once it is dropped the step ends, and its processes with it.
    wanted: Option<Sender<()>>,
    thread: Option<JoinHandle<(Job, Outcome, Duration)>>,
}

impl Beside {
    /// It begins when it is its turn: `number` have come before it.
    pub(super) fn start(
        step: &'static Step,
        options: &Options,
        number: usize,
        berths: &Arc<Berths>,
    ) -> Result<Self, String> {
        let (wanted, heeded) = channel();
        let mut job = Job::new(step.name, options)?.beside(Heed(heeded));
        let ci = options.ci;
        let berths = Arc::clone(berths);
        let thread = thread::spawn(move || {
            let _berth = berths.enter(number, || job.go_on());
            let began = Instant::now();
            let outcome = Outcome::of((step.run)(&mut job), ci);
            (job, outcome, began.elapsed())
        });
        Ok(Self {
            name: step.name,
            wanted: Some(wanted),
            thread: Some(thread),
        })
    }

    pub(super) fn is(&self, step: &Step) -> bool {
        self.name == step.name
    }

    /// Waits for its end: what it printed, how it ended, and how long that took.
    pub(super) fn end(mut self) -> (Job, Outcome, Duration) {
        let thread = self.thread.take().expect("it is waited for once");
        match thread.join() {
            Ok(ended) => ended,
            Err(cause) => panic::resume_unwind(cause),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.wanted.take());
        if let Some(thread) = self.thread.take() {
            // It unwinds, and that is all that it has to say.
            let _ = thread.join();
        }
    }
}

/// So many run beside the others at once; the next one begins when one of them has ended. More would be in each other's way, and in that of the tests.
const BERTHS: usize = 2;

/// How many of these steps have ended.
#[derive(Debug, Default)]
pub(super) struct Berths {
    ended: Mutex<usize>,
    changed: Condvar,
}

impl Berths {
    /// Waits until fewer than [`BERTHS`] of the `number` that came before are under way, calling `tick` several times a second.
    fn enter(&self, number: usize, tick: impl Fn()) -> Berth<'_> {
        let mut ended = self.lock();
        while *ended + BERTHS <= number {
            drop(ended);
            tick();
            let wait = (self.changed).wait_timeout(self.lock(), Duration::from_millis(100));
            ended = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        Berth(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Free again at the end of its life.
struct Berth<'a>(&'a Berths);

impl Drop for Berth<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.changed.notify_all();
    }
}

/// Where the step looks, several times a second, whether anybody still waits for it.
pub(super) struct Heed(Receiver<()>);

impl Heed {
    /// Unwinds if nobody does: whatever processes it has are ended on the way.
    pub(super) fn go_on(&self) {
        if self.0.try_recv() == Err(TryRecvError::Disconnected) {
            // Not a panic: the hook that prints messages is not called.
            panic::resume_unwind(Box::new("nobody waits for it"));
        }
    }
}

/// `command`, with a smaller share of the processors than what runs beside it: a ninth of the usual one, since nobody waits for it before the others are through. With none but
/// what they leave, on a machine that others keep busy too, it would never end.
pub(super) fn at_leisure(command: &Command) -> Command {
    process::behind(&["nice", "-n", "10"], command)
}

#[cfg(test)]
mod tests {
    use super::super::job::{Stop, seconds};
    use super::*;
    use crate::place;

    /// Each has a log of its own, by its name.
    fn step(name: &'static str, run: fn(&mut Job) -> Result<String, Stop>) -> &'static Step {
        Box::leak(Box::new(Step {
            name,
            about: "a test",
            run,
            beside: true,
        }))
    }

    fn start(step: &'static Step) -> Beside {
        Beside::start(step, &Options::default(), 0, &Arc::default()).unwrap()
    }

    #[test]
    fn the_third_begins_when_one_of_the_first_two_has_ended() {
        let berths = Arc::new(Berths::default());
        let enter = |number| {
            let berths = Arc::clone(&berths);
            let (began, begins) = channel();
            let (end, ends) = channel::<()>();
            let thread = thread::spawn(move || {
                let _berth = berths.enter(number, || ());
                began.send(()).unwrap();
                let _ = ends.recv();
            });
            (begins, end, thread)
        };
        let soon = Duration::from_secs(60);
        let (third, first, second) = (enter(2), enter(0), enter(1));
        for (begins, ..) in [&first, &second] {
            begins.recv_timeout(soon).unwrap();
        }
        assert!(third.0.recv_timeout(Duration::from_millis(300)).is_err());
        drop(second.1);
        third.0.recv_timeout(soon).unwrap();
        drop((first.1, third.1));
        for thread in [first.2, second.2, third.2] {
            thread.join().unwrap();
        }
    }

    #[test]
    fn what_it_found_is_there_when_it_is_waited_for() {
        let step = step("test-found", |job| {
            let mut shell = place::command("sh");
            shell.args(["-c", "echo found"]);
            job.run(&mut at_leisure(&shell), seconds(60))
        });
        let (_, outcome, _) = start(step).end();
        assert!(matches!(outcome, Outcome::Passed(note) if note == "found\n"));
    }

    #[test]
    fn it_ends_when_nobody_waits_for_it_any_more() {
        let step = step("test-unwanted", |job| {
            let mut sleep = place::command("sleep");
            job.run(sleep.arg("600"), seconds(700))
        });
        let began = Instant::now();
        drop(start(step));
        assert!(
            began.elapsed() < Duration::from_secs(500),
            "it was waited for"
        );
    }
}
