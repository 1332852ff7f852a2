//! How `list`, `inspect`, `ping` and `tap` ask: as observers, who get counters and schemas. Of them `tap` alone gets payload, where it is allowed.

use std::time::{Duration, Instant};

use clap::Args;
use ringway::{Config, Error, ErrorKind, Observed, Tap};

use crate::exit::{Code, Failure};
use crate::options::{allowing, parse_seconds, parse_uid};

/// Between two questions.
const AGAIN: Duration = Duration::from_millis(20);

/// Whom to ask, and for how long.
#[derive(Debug, Args)]
pub(crate) struct ObserverArgs {
    /// A name, or the path of a socket if it contains a slash.
    #[arg(value_name = "NAME")]
    pub(crate) address: String,
    /// How long to wait for an answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = parse_seconds)]
    wait: f64,
    /// Also ask a process of this user id (may be given again; our own is always allowed).
    #[arg(long, value_name = "UID", value_parser = parse_uid)]
    allow_uid: Vec<u32>,
}

impl ObserverArgs {
    /// Asks once.
    pub(crate) fn observe(&self) -> Result<Observed, Error> {
        self.patiently(|config| config.observe(self.address.as_str()))
    }

    /// Asks for the lanes too.
    pub(crate) fn tap(&self) -> Result<Tap, Error> {
        self.patiently(|config| config.tap(self.address.as_str()))
    }

    /// Asks again where the listener hung up before it had answered, as one does that has waited for our part for too long on a busy machine.
    fn patiently<T>(&self, ask: impl Fn(&Config) -> Result<T, Error>) -> Result<T, Error> {
        let config = self.config();
        let until = Instant::now() + seconds(self.wait, 0.001);
        loop {
            match ask(&config) {
                Err(error) if error.kind() == ErrorKind::PeerGone && Instant::now() < until => {
                    std::thread::sleep(AGAIN);
                }
                answer => return answer,
            }
        }
    }

    fn config(&self) -> Config {
        allowing(asking(self.wait), &self.allow_uid)
    }
}

/// What it means that there was no answer: nobody listens there, or answers in time; or waiting changes nothing, as about a name, or a uid, that is refused.
pub(crate) fn code_of(error: &Error) -> Code {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::TimedOut | ErrorKind::PeerGone => Code::NobodyThere,
        _ => Code::Failed,
    }
}

/// What ends a command that has had no answer.
pub(crate) fn failed(error: &Error) -> Failure {
    Failure::new(code_of(error), error)
}

/// What to ask with, for an answer within `wait` seconds.
pub(crate) fn asking(wait: f64) -> Config {
    Config::new().handshake_timeout(seconds(wait, 0.001))
}

/// A time that was given in seconds, of at least `least` and at most what a clock can take.
pub(crate) fn seconds(given: f64, least: f64) -> Duration {
    const LONGEST: f64 = 1e6;
    Duration::from_secs_f64(given.clamp(least, LONGEST))
}

/// The number of the process that listens, as far as it has one here.
pub(crate) fn process(observed: &Observed) -> String {
    let pid = observed.peer().pid;
    pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string())
}
