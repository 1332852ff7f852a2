//! What happens: one thread that starts the command, strikes it when it is time to, answers at labelled steps, and cleans up.

use std::ffi::OsString;
use std::iter::Peekable;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::WaitStatus;

use super::child::{Inherited, Running, ends_are_told};
use super::plan::{Drawn, Plan};
use super::report::{Report, Verdict};
use super::steps::Steps;
use crate::exit::{self, Code, Failure};
use crate::fault::Fault;
use crate::interruption::Interruption;

/// What is asked for, in nanoseconds where it is a time.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) words: Vec<OsString>,
    pub(super) restart: bool,
    /// When it is over.
    pub(super) end: u64,
    /// How many faults there are at most.
    pub(super) count: u64,
    /// How long the command is left in peace behind the last one.
    pub(super) rest: u64,
    /// How long it is given to end when it is told to.
    pub(super) grace: u64,
    /// The part of the time that a slow one runs.
    pub(super) share: f64,
    /// The label at which faults at random times begin.
    pub(super) from: Option<String>,
}

/// How often a slow one runs and stands still.
const CYCLE: u64 = 20_000_000;

/// How the command fares.
#[derive(Clone, Copy, Debug)]
enum State {
    Peace,
    /// `asked`: at a step, whose answer is due when it goes on.
    Stopped {
        until: u64,
        asked: bool,
    },
    Slow {
        until: u64,
        turn: u64,
        runs: bool,
    },
    /// Killed, and not ended yet.
    Dying,
}

/// A torment under way.
pub(super) struct Torment<'a> {
    order: &'a Order,
    plan: Option<Peekable<Plan>>,
    /// Faults at random times that have not begun: the command is not where they begin.
    later: Option<Plan>,
    steps: Steps,
    report: Report,
    state: State,
    /// Since when there is nothing more to do.
    done: Option<u64>,
    /// Readable when a child of ours has ended.
    ends: SignalFd,
    /// The signals that the command does not get either.
    mask: SigSet,
}

impl<'a> Torment<'a> {
    pub(super) fn new(
        order: &'a Order,
        plan: Option<Plan>,
        steps: Steps,
        report: Report,
        mask: SigSet,
    ) -> Result<Self, Failure> {
        ends_are_told()?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals
            .thread_block()
            .map_err(|error| Failure::new(Code::Failed, error))?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let ends = SignalFd::with_flags(&signals, flags)
            .map_err(|error| exit::no_descriptor("cannot watch for ends", &error.into()))?;
        let (now, later) = if order.from.is_some() {
            (None, plan)
        } else {
            (plan, None)
        };
        Ok(Self {
            order,
            plan: now.map(Iterator::peekable),
            later,
            steps,
            report,
            state: State::Peace,
            done: None,
            ends,
            mask,
        })
    }

    /// From the start of the command to the end of all that it started. Returns why it ended, and the labels that were asked for in vain.
    pub(super) fn run(
        mut self,
        seed: u64,
        interruption: &Interruption,
    ) -> Result<(Verdict, Vec<String>), Failure> {
        self.report.begins(seed, &self.order.words)?;
        let inherited = Inherited::look();
        let outcome = self.torment(interruption);
        // Also where something failed: nothing is left behind.
        inherited.sweep();
        let verdict = outcome?;
        let mut unmet: Vec<_> = self.steps.unmet().into_iter().map(str::to_owned).collect();
        if self.later.is_some() {
            unmet.extend(self.order.from.clone());
        }
        self.report.sums_up(verdict, &self.steps, &unmet, seed)?;
        Ok((verdict, unmet))
    }

    fn torment(&mut self, interruption: &Interruption) -> Result<Verdict, Failure> {
        loop {
            let mut running = Running::start(&self.order.words, self.mask)?;
            self.state = State::Peace;
            self.report.starts(running.pid())?;
            let mut verdict = self.one_run(&mut running, interruption)?;
            if matches!(verdict, Verdict::Over | Verdict::Interrupted)
                && self.end(&mut running, interruption)?
            {
                verdict = Verdict::Interrupted;
            }
            drop(running);
            if verdict != Verdict::Killed || !self.order.restart {
                return Ok(verdict);
            }
        }
    }

    /// From one start to the end, or until it is over.
    fn one_run(
        &mut self,
        running: &mut Running,
        interruption: &Interruption,
    ) -> Result<Verdict, Failure> {
        loop {
            if let Some(status) = running.ended()? {
                let killed = matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _));
                let ours = killed && matches!(self.state, State::Dying);
                self.report.ends(status, ours)?;
                return Ok(match status {
                    _ if ours => Verdict::Killed,
                    WaitStatus::Exited(_, 0) => Verdict::Ended,
                    _ => Verdict::Failed,
                });
            }
            let now = self.report.now();
            self.go_on(running, now);
            if self.done.is_none() && matches!(self.state, State::Peace) && self.is_done() {
                self.done = Some(now);
            }
            let over = self
                .done
                .map_or(u64::MAX, |since| since.saturating_add(self.order.rest));
            let over = over.min(self.order.end);
            if now >= over {
                return Ok(Verdict::Over);
            }
            let due = self.next_planned();
            if now >= due && matches!(self.state, State::Peace) {
                let planned = self.plan.as_mut().and_then(Iterator::next);
                if let Some((at, drawn)) = planned {
                    running.reach()?;
                    self.report.strikes(drawn, Some(at), None)?;
                    self.strike(running, drawn, false);
                }
                continue;
            }
            if self.rests(running, over.min(due), interruption)? {
                return Ok(Verdict::Interrupted);
            }
            // Nobody is heard while all stand still: what is asked then is answered later.
            if !matches!(self.state, State::Stopped { .. }) {
                self.hear(running)?;
            }
        }
    }

    /// Whether all that was asked for has been done.
    fn is_done(&self) -> bool {
        let counted = self.report.faults() >= self.order.count;
        let planned = self.plan.is_some() || self.later.is_some();
        counted || !planned && self.steps.are_done()
    }

    /// When the next fault at a random time is due.
    fn next_planned(&mut self) -> u64 {
        if self.done.is_some() {
            return u64::MAX;
        }
        let next = self.plan.as_mut().and_then(|plan| plan.peek());
        next.map_or(u64::MAX, |(at, _)| *at)
    }

    /// Begins a fault. `asked`: at a step, whose answer is due.
    fn strike(&mut self, running: &Running, drawn: Drawn, asked: bool) {
        let until = self.report.now().saturating_add(drawn.lasts);
        match drawn.fault {
            Fault::Kill => {
                running.signal(Signal::SIGKILL);
                self.state = State::Dying;
            }
            Fault::Stop => {
                running.signal(Signal::SIGSTOP);
                self.state = State::Stopped { until, asked };
            }
            Fault::Slow => {
                if asked {
                    running.answer();
                }
                self.state = State::Slow {
                    until,
                    turn: 0,
                    runs: true,
                };
            }
        }
    }

    /// Ends a fault whose time has come, or has its next part.
    fn go_on(&mut self, running: &Running, now: u64) {
        match self.state {
            State::Stopped { until, asked } if now >= until => {
                if asked {
                    running.answer();
                }
                running.signal(Signal::SIGCONT);
                self.state = State::Peace;
            }
            State::Slow { until, .. } if now >= until => {
                running.signal(Signal::SIGCONT);
                self.state = State::Peace;
            }
            State::Slow { until, turn, runs } if now >= turn => {
                #[expect(clippy::cast_precision_loss, reason = "it is 20 ms")]
                #[expect(clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
                let awake = (CYCLE as f64 * self.order.share) as u64;
                let (what, lasts) = if runs {
                    (Signal::SIGSTOP, CYCLE - awake)
                } else {
                    (Signal::SIGCONT, awake)
                };
                running.signal(what);
                self.state = State::Slow {
                    until,
                    turn: now + lasts,
                    runs: !runs,
                };
            }
            _ => {}
        }
    }

    /// Waits until something happens, or it is time for something. Returns whether we were interrupted.
    fn rests(
        &self,
        running: &Running,
        next: u64,
        interruption: &Interruption,
    ) -> Result<bool, Failure> {
        let moment = match self.state {
            State::Peace => next,
            State::Stopped { until, .. } => until,
            State::Slow { until, turn, .. } => until.min(turn),
            State::Dying => u64::MAX,
        };
        // It may be over before a fault is.
        let moment = moment.min(self.order.end);
        let mut watched = vec![
            PollFd::new(interruption.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.ends.as_fd(), PollFlags::POLLIN),
        ];
        if !matches!(self.state, State::Stopped { .. }) {
            let line = running.line();
            watched.extend(line.map(|line| PollFd::new(line, PollFlags::POLLIN)));
        }
        let left = moment.saturating_sub(self.report.now());
        wait(&mut watched, left)?;
        self.bury(running);
        Ok(watched[0].any().unwrap_or(false))
    }

    /// Somebody may have ended.
    fn bury(&self, running: &Running) {
        while let Ok(Some(_)) = self.ends.read_signal() {}
        running.bury();
    }

    /// Decides about whoever has come to a step.
    fn hear(&mut self, running: &mut Running) -> Result<(), Failure> {
        let Some(label) = running.asked() else {
            return Ok(());
        };
        if self.order.from.as_ref() == Some(&label) {
            if let Some(mut plan) = self.later.take() {
                plan.begin(self.report.now());
                self.plan = Some(plan.peekable());
            }
        }
        let free = matches!(self.state, State::Peace) && self.report.faults() < self.order.count;
        let drawn = self.steps.pass(&label, free);
        if self.done.is_some() && self.report.faults() < self.order.count && !self.is_done() {
            // One more that a pattern means: there is something to do again.
            self.done = None;
        }
        match drawn {
            Some(drawn) => {
                running.reach()?;
                self.report.strikes(drawn, None, Some(&label))?;
                self.strike(running, drawn, true);
            }
            // Whoever is about to die goes no further.
            None if matches!(self.state, State::Dying) => {}
            None => running.answer(),
        }
        Ok(())
    }

    /// Tells it to end, and ends it when it has had its time, or when we are interrupted meanwhile. Returns whether we were, also before.
    fn end(&mut self, running: &mut Running, interruption: &Interruption) -> Result<bool, Failure> {
        running.reach()?;
        if let State::Stopped { asked: true, .. } = self.state {
            running.answer();
        }
        running.signal(Signal::SIGTERM);
        running.signal(Signal::SIGCONT);
        let mut first = interruption.take();
        let mut until = self.report.now().saturating_add(self.order.grace);
        let mut status = running.ended()?;
        while status.is_none() {
            let now = self.report.now();
            if now >= until {
                running.signal(Signal::SIGKILL);
            }
            let left = until.saturating_sub(now);
            let left = if left == 0 { u64::MAX } else { left };
            let mut watched = vec![
                PollFd::new(interruption.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.ends.as_fd(), PollFlags::POLLIN),
            ];
            let line = running.line();
            watched.extend(line.map(|line| PollFd::new(line, PollFlags::POLLIN)));
            wait(&mut watched, left)?;
            if let Some(again) = interruption.take() {
                first.get_or_insert(again);
                if again != Signal::SIGHUP {
                    // Whoever interrupts does not want to wait for it any longer. (Of a terminal that is closed both the kernel and a shell tell.)
                    until = now;
                }
            }
            self.bury(running);
            if let Some(label) = running.asked() {
                // On its way out it may come to steps like any other.
                self.steps.pass_late(&label);
                running.answer();
            }
            status = running.ended()?;
        }
        if let Some(status) = status {
            self.report.ends(status, true)?;
        }
        if let Some(signal) = first {
            Interruption::put_back(signal)?;
        }
        Ok(first.is_some())
    }
}

/// Waits for descriptors, and no longer than so many nanoseconds.
fn wait(watched: &mut [PollFd<'_>], nanos: u64) -> Result<(), Failure> {
    // Rounded up, or the last part of a millisecond would be waited for by looking; and an hour is as good as for ever.
    let millis = Duration::from_nanos(nanos).as_millis() + u128::from(nanos % 1_000_000 != 0);
    let timeout = PollTimeout::try_from(millis.min(3_600_000)).unwrap_or(PollTimeout::MAX);
    match poll(watched, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(Failure::new(Code::Failed, error)),
    }
}
