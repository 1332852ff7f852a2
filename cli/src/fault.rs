//! What is done to processes on request, and at which distances: for `load` and for `chaos`.

use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// End it at once: SIGKILL.
    Kill,
    /// Let it stand still for a while: SIGSTOP, and SIGCONT.
    Stop,
    /// Let it run for a small part of the time only, for a while.
    Slow,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Kill, Self::Stop, Self::Slow];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Slow => "slow",
        }
    }
}

/// Distances between events that know nothing of each other, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaps(Exp<f64>);

impl Gaps {
    /// So many per second. `None`: never.
    pub(crate) fn per_second(rate: f64) -> Option<Self> {
        let gaps = Exp::new(rate / 1e9).ok().filter(|_| rate > 0.0);
        gaps.map(Self)
    }

    /// The next one.
    pub(crate) fn draw(self, random: &mut SmallRng) -> f64 {
        self.0.sample(random)
    }
}

/// Sends a signal to a process that is our child and not waited for yet, so that the number is still its own. A negative number is a group that such a one leads.
pub(crate) fn signal(process: i32, signal: Signal) {
    // One that has just ended needs none.
    let _ = kill(Pid::from_raw(process), signal);
}
