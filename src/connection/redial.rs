//! Resuming step by step: how it goes, for who waits in a loop of its own as for who waits in [`Config::resume`].

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use super::Connection;
use super::address::Address;
use super::config::Config;
use super::dial::{Dial, Dialled};
use super::lineage::Claim;
use super::resume::{NotResumed, Redelivered, Resumed, Settled, settle};
use super::sender::Sender;
use crate::error::{Error, ErrorKind};
use crate::ring::Standing;
use crate::sys::poll;

/// The first pause between two attempts, and the longest: each is twice the one before.
const SHORTEST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(10);
/// Between two looks for what nobody tells of.
const AGAIN: Duration = Duration::from_millis(1);
/// What the first attempt has that finds a server there, whatever the deadline: none is asked in vain.
const FIRST: Duration = Duration::from_millis(100);

/// A connection that is being resumed: [`Config::resume`] for who waits in a loop of its own. No step waits for the server. Dropping it gives up the resuming and the lost connection too:
/// [`Redial::into_connection`] keeps that.
///
/// ```
/// # use ringway::{Config, RedialStep};
/// # use std::time::{Duration, Instant};
/// # let path = std::env::temp_dir().join(format!("ringway-doc-redial-{}", std::process::id()));
/// let config = Config::new().resumable(true);
/// let mut listener = config.bind(path.as_path())?;
/// # let client = std::thread::spawn({ let (config, path) = (config.clone(), path.clone()); move || config.connect(path) });
/// let server = listener.accept()?;
/// # let mut lost = client.join().unwrap()?;
/// lost.sender().send(b"not received")?;
/// drop(server);
/// assert!(lost.receiver().recv().is_err());
///
/// # let mut next = None;
/// let mut redial = config.redial(path, lost, Instant::now() + Duration::from_secs(5))?;
/// let resumed = loop {
///     // Where there is something else to do: poll `redial.line()` for readability in between, or come back in a millisecond.
///     match redial.step()? {
///         RedialStep::Done(resumed) => break resumed,
///         RedialStep::Waits | RedialStep::Later => {}
///     }
/// #   next = listener.try_accept()?.or(next);
/// };
/// assert_eq!(resumed.unseen(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until it is stepped"]
pub struct Redial {
    config: Config,
    address: Address,
    /// `None`: it was resumed.
    lost: Option<Box<Connection>>,
    /// What is claimed, and where each lane stands, once it is known.
    claimed: Option<(Claim, Vec<Standing>)>,
    stage: Stage,
    /// Behind the attempt that fails next.
    next_pause: Duration,
    /// Somebody was there, and was tried.
    tried: bool,
    deadline: Instant,
}

/// What a step came to.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "moved once per connection; a box would be a needless allocation"
)]
pub enum RedialStep<C = Connection> {
    /// Nobody tells when it goes on: step again in a millisecond, or when [`Redial::pause`] is over.
    Later,
    /// The next step has something to do when the descriptor is readable, or [`Redial::deadline`] has passed.
    Waits,
    /// It is resumed.
    Done(Resumed<C>),
}

/// How far it has come.
#[allow(
    clippy::large_enum_variant,
    reason = "moved once per connection; a box would be a needless allocation"
)]
pub(crate) enum Reached {
    /// As [`RedialStep::Later`].
    Later,
    /// As [`RedialStep::Waits`].
    Waits,
    /// The next server has let us in, and sees nothing of what it is sent again yet.
    Met(Connection),
}

#[derive(Debug)]
enum Stage {
    /// Whether the server has ended is not told yet.
    Settles,
    /// The next attempt is due then.
    Pauses(Instant),
    Dials(Box<Dial>),
    /// It was resumed, or has failed.
    Over,
}

impl Config {
    /// As [`Config::resume`], step by step.
    ///
    /// # Errors
    /// A bad option, which gives `lost` back. All others come of the first step.
    pub fn redial(
        &self,
        address: impl Into<Address>,
        lost: Connection,
        deadline: Instant,
    ) -> Result<Redial, NotResumed> {
        if let Err(error) = self.prepare() {
            return Err(NotResumed::new(error, lost));
        }
        Ok(Redial {
            config: self.clone(),
            address: address.into(),
            lost: Some(Box::new(lost)),
            claimed: None,
            stage: Stage::Settles,
            next_pause: SHORTEST,
            tried: false,
            deadline,
        })
    }
}

impl Redial {
    /// Goes as far as it can now.
    ///
    /// # Errors
    /// As for [`Config::resume`]. Nothing of the lost connection has changed: [`Redial::into_connection`] gives it back. Each step behind an error or the end fails.
    pub fn step(&mut self) -> Result<RedialStep, Error> {
        Ok(match self.reach()? {
            Reached::Later => RedialStep::Later,
            Reached::Waits => RedialStep::Waits,
            Reached::Met(mut connection) => {
                let redelivered = self.take_over(&mut connection.sender);
                RedialStep::Done(Resumed {
                    connection,
                    redelivered,
                })
            }
        })
    }

    /// As [`Redial::step`], but for the last part of it, which [`Redial::take_over`] is.
    pub(crate) fn reach(&mut self) -> Result<Reached, Error> {
        let reached = self.advance();
        match &reached {
            Ok(Reached::Later | Reached::Waits) => {}
            // Who drops it instead of taking over has shown the server nothing, and is met anew.
            Ok(Reached::Met(_)) => self.stage = Stage::Pauses(Instant::now()),
            Err(_) => self.stage = Stage::Over,
        }
        reached
    }

    /// Has `sender`, of the connection that was met last, send what the lost one has left. Nothing fails any more.
    pub(crate) fn take_over(&mut self, sender: &mut Sender) -> Vec<Redelivered> {
        let (Some(lost), Some((_, standings))) = (&mut self.lost, &self.claimed) else {
            unreachable!("it was met in its place");
        };
        step!("resume-connected");
        let redelivered = sender.take_over(&mut lost.sender, standings);
        step!("resume-after");
        self.lost = None;
        self.stage = Stage::Over;
        redelivered
    }

    /// What becomes readable when the server has said something. `None` between two attempts, and when it is over. Each attempt has one of its own.
    pub fn line(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Dials(dial) => dial.line(),
            Stage::Settles | Stage::Pauses(_) | Stage::Over => None,
        }
    }

    /// By when to step at the latest: of the attempt under way, which another one may follow, or of all.
    pub fn deadline(&self) -> Instant {
        match &self.stage {
            Stage::Dials(dial) => dial.deadline,
            Stage::Settles | Stage::Pauses(_) | Stage::Over => self.deadline,
        }
    }

    /// How long there is nothing to do behind a step that came to [`RedialStep::Later`]: 10 ms at most.
    pub fn pause(&self) -> Duration {
        match self.stage {
            Stage::Pauses(due) => due.saturating_duration_since(Instant::now()),
            Stage::Settles | Stage::Dials(_) | Stage::Over => AGAIN,
        }
    }

    /// Gives it up. The lost connection, as it was; `None` if it was resumed.
    pub fn into_connection(self) -> Option<Connection> {
        self.lost.map(|lost| *lost)
    }

    /// Steps until it is over.
    pub(super) fn finish(mut self) -> Result<Resumed, NotResumed> {
        loop {
            let waited = match self.step() {
                Ok(RedialStep::Done(resumed)) => return Ok(resumed),
                Ok(RedialStep::Later) => {
                    std::thread::sleep(self.pause());
                    Ok(())
                }
                Ok(RedialStep::Waits) => self.wait(),
                Err(error) => Err(error),
            };
            if let Err(error) = waited {
                let lost = self.lost.expect("what was not resumed is here");
                return Err(NotResumed::new(error, *lost));
            }
        }
    }

    fn wait(&self) -> Result<(), Error> {
        let Some(line) = self.line() else {
            return Ok(());
        };
        poll::ready(&mut [poll::entry(line.as_fd())], Some(self.deadline()))
            .map(drop)
            .map_err(|error| Error::io("waiting for the server", error))
    }

    fn advance(&mut self) -> Result<Reached, Error> {
        loop {
            let Some(lost) = self.lost.as_mut().filter(|_| !self.stage.is_over()) else {
                let text = "this resuming is over: begin another one";
                return Err(Error::new(ErrorKind::InvalidConfig, text));
            };
            if lost.sender.is_forked() {
                let text =
                    "the connection belongs to the process that forked this one; connect here";
                return Err(Error::new(ErrorKind::Forked, text));
            }
            let Some((claim, _)) = &self.claimed else {
                let Settled::Ended(lineage, standings) = settle(&self.config, lost)? else {
                    return Ok(Reached::Later);
                };
                step!("resume-before");
                let claim = Claim::after(&lineage, &standings, lost.sender.own_segment());
                self.claimed = Some((claim, standings));
                self.stage = Stage::Pauses(Instant::now());
                continue;
            };
            let attempted = match &mut self.stage {
                Stage::Pauses(due) if Instant::now() < *due => return Ok(Reached::Later),
                Stage::Dials(dial) => match dial.step() {
                    Ok(Dialled::Done(connection)) => return Ok(Reached::Met(connection)),
                    Ok(_) if Instant::now() >= dial.deadline => Err(dial.late()),
                    Ok(Dialled::Later) => return Ok(Reached::Later),
                    Ok(Dialled::Waits) => {
                        self.tried = true;
                        return Ok(Reached::Waits);
                    }
                    Err(error) => Err(error),
                },
                _ => self.address.resolve(false).map(|path| {
                    let now = Instant::now();
                    let least = if self.tried { SHORTEST } else { FIRST };
                    let until = (now + self.config.timeout).min(self.deadline.max(now + least));
                    Dial::to(&self.config, path, claim.clone(), until)
                }),
            };
            self.stage = match attempted {
                Ok(dial) => Stage::Dials(Box::new(dial)),
                Err(error) => self.next_attempt(error)?,
            };
        }
    }

    /// When it is tried again, behind an attempt that has failed so.
    fn next_attempt(&mut self, error: Error) -> Result<Stage, Error> {
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        if left.is_zero() || !passes(error.kind()) {
            return Err(error);
        }
        let due = now + self.next_pause.min(left);
        self.next_pause = (2 * self.next_pause).min(LONGEST);
        Ok(Stage::Pauses(due))
    }
}

impl Stage {
    fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

/// Whether the next attempt may succeed where one has failed so.
fn passes(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::Directory
            | ErrorKind::PeerGone
            | ErrorKind::TimedOut
            | ErrorKind::Busy
    )
}
