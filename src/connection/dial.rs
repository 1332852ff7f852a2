//! Connecting step by step, for whoever waits in a task: no step waits for the server.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use super::Connection;
use super::address::Address;
use super::client;
use super::config::Config;
use super::lineage::Claim;
use super::shake::{self, Attached, Greeted};
use crate::error::Error;
use crate::layout::handshake;
use crate::sys::line::Line;
use crate::sys::socket;

/// A connection that is being made. Dropping it gives it up: the server finds the line closed.
pub(crate) struct Dial {
    config: Config,
    claim: Claim,
    path: PathBuf,
    line: Option<Line>,
    stage: Stage,
    /// By when it is to be made.
    pub(crate) deadline: Instant,
}

/// What has been said.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each handshake, and it lives as long"
)]
enum Stage {
    Nothing,
    Hello(Greeted),
    Attach(Attached),
    /// A step has failed, and so does each behind it.
    Over,
}

/// What a step came to.
#[allow(
    clippy::large_enum_variant,
    reason = "moved once per connection; a box would be a needless allocation"
)]
pub(crate) enum Dialled {
    /// The listener's queue is full, and nobody tells of a place in it: try again in a millisecond.
    Later,
    /// The next step has something to do when [`Dial::line`] is readable.
    Waits,
    Done(Connection),
}

impl fmt::Debug for Dial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.stage {
            Stage::Nothing => "nothing",
            Stage::Hello(_) => "hello",
            Stage::Attach(_) => "attach",
            Stage::Over => "all",
        };
        let mut shown = out.debug_struct("Dial");
        shown.field("path", &self.path).field("said", &said);
        shown.finish_non_exhaustive()
    }
}

impl Dial {
    pub(crate) fn new(config: &Config, address: &Address) -> Result<Self, Error> {
        let path = address.resolve(false)?;
        let deadline = Instant::now() + config.timeout;
        Ok(Self::to(config, path, Claim::new(config)?, deadline))
    }

    /// To the listener at `path`, as what `claim` says.
    pub(super) fn to(config: &Config, path: PathBuf, claim: Claim, deadline: Instant) -> Self {
        Self {
            path,
            claim,
            line: None,
            stage: Stage::Nothing,
            deadline,
            config: config.clone(),
        }
    }

    /// Over a socket whose other end answers, whenever it likes.
    pub(crate) fn over(config: &Config, claim: Claim, socket: OwnedFd) -> Self {
        Self {
            path: PathBuf::new(),
            claim,
            line: Some(Line::new(socket)),
            stage: Stage::Nothing,
            deadline: Instant::now(),
            config: config.clone(),
        }
    }

    /// The line to the server, once there is one.
    pub(crate) fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().map(AsFd::as_fd)
    }

    /// Goes as far as it can now. Not to be called again behind an error.
    pub(crate) fn step(&mut self) -> Result<Dialled, Error> {
        if self.line.is_none() {
            match socket::connect(&self.path) {
                Ok(socket) => self.line = Some(Line::new(socket)),
                Err(error)
                    if error.raw_os_error() == Some(libc::EAGAIN)
                        && Instant::now() < self.deadline =>
                {
                    return Ok(Dialled::Later);
                }
                Err(error) => return Err(client::unreachable_peer(&self.path, error)),
            }
        }
        match self.speak() {
            Ok(dialled) => dialled,
            Err(ended) => Err(self.end(ended)),
        }
    }

    /// The deadline has passed, and the server is told so.
    pub(crate) fn late(&mut self) -> Error {
        self.end(client::unanswered())
    }

    fn end(&mut self, ended: client::Ended) -> Error {
        self.stage = Stage::Over;
        match self.line.take() {
            Some(line) => ended.told(&line),
            None => client::unreachable_peer(
                &self.path,
                std::io::Error::from_raw_os_error(libc::EAGAIN),
            ),
        }
    }

    /// Says what there is to say, and hears what has come.
    fn speak(&mut self) -> Result<Result<Dialled, Error>, client::Ended> {
        let Some(line) = &self.line else {
            return Ok(Ok(Dialled::Later));
        };
        let mut buffer = [0u8; handshake::LONGEST];
        loop {
            if let Stage::Nothing = self.stage {
                self.stage = Stage::Hello(shake::greet(&self.config, &self.claim, line)?);
            }
            let Some(received) = client::receive_now(line, &mut buffer)? else {
                return Ok(Ok(Dialled::Waits));
            };
            if received.length == 0 {
                return Err(client::went_away());
            }
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Hello(greeted) => {
                    let (config, claim) = (&self.config, &self.claim);
                    let attached = greeted.welcomed(config, claim, line, received, &buffer)?;
                    self.stage = Stage::Attach(attached);
                }
                Stage::Attach(attached) => {
                    let agreed = attached.ready(received, &buffer)?;
                    let Some(line) = self.line.take() else {
                        return Err(client::went_away());
                    };
                    let made = agreed.join(&self.config, &self.claim, line, &self.path);
                    return Ok(made.map(Dialled::Done));
                }
                Stage::Nothing | Stage::Over => return Err(client::went_away()),
            }
        }
    }
}
