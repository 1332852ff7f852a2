//! Resuming a connection whose server is gone: what it had not finished with is sent to the next one.
//!
//! Nothing of the old connection changes before the new one is made. The new lanes begin where the server had released the old ones, with copies of what it had not, in a group that is published when
//! nothing can fail any more. So an attempt that fails has shown nobody a frame, and the next one begins where it began.

use core::fmt;
use std::time::{Duration, Instant};

use super::address::Address;
use super::client;
use super::config::Config;
use super::lineage::{Claim, Lineage};
use super::polled::Look;
use super::receiver::Receiver;
use super::sender::Sender;
use super::{Connection, RecvError};
use crate::error::{Error, ErrorKind};
use crate::layout::violation::Violation;
use crate::ring::{Carried, Standing};
use crate::sys::memfd::Identity;

/// The first pause between two attempts, and the longest: each is twice the one before.
const SHORTEST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(10);

/// A connection that was resumed.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the connection is in it"]
pub struct Resumed<C = Connection> {
    /// The new connection. What was sent again is on its way.
    pub connection: C,
    /// What was sent again, by priority.
    pub redelivered: Vec<Redelivered>,
}

impl<C> Resumed<C> {
    /// The same, with what `wrap` makes of the connection.
    pub(crate) fn map<D>(self, wrap: impl FnOnce(C) -> D) -> Resumed<D> {
        Resumed {
            connection: wrap(self.connection),
            redelivered: self.redelivered,
        }
    }

    /// Frames that were sent again and that nobody had seen, of all priorities.
    pub fn unseen(&self) -> u64 {
        self.redelivered.iter().map(|lane| lane.unseen).sum()
    }

    /// Frames that were sent again and that an incarnation of the server may have seen, of all priorities.
    pub fn in_doubt(&self) -> u64 {
        self.redelivered.iter().map(|lane| lane.in_doubt).sum()
    }
}

/// What was sent again at one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redelivered {
    /// The position of the first frame: the server had finished with everything before it.
    pub from: u64,
    /// Up to here the last server has taken frames. One before it is in doubt; one at or behind it is unseen, unless it was in doubt already when it came to that server.
    pub taken: u64,
    /// The position behind the last frame. The next one that is sent has it.
    pub to: u64,
    /// Frames that no incarnation of the server has seen.
    pub unseen: u64,
    /// Frames that one may have seen.
    pub in_doubt: u64,
    /// The rule that the last server's words about what it has taken and released have broken: everything that it did not deny is in doubt then.
    pub broken: Option<Violation>,
}

impl Redelivered {
    pub(super) fn new(standing: &Standing, carried: Carried) -> Self {
        Self {
            from: standing.start,
            taken: standing.taken,
            to: standing.sent,
            unseen: carried.unseen,
            in_doubt: carried.in_doubt,
            broken: standing.broken,
        }
    }
}

/// A connection that was not resumed, as it was.
#[derive(Debug)]
pub struct NotResumed<C = Connection> {
    error: Error,
    connection: Box<C>,
}

impl<C> NotResumed<C> {
    /// The same, with what `wrap` makes of the connection.
    pub(crate) fn map<D>(self, wrap: impl FnOnce(C) -> D) -> NotResumed<D> {
        NotResumed {
            error: self.error,
            connection: Box::new(wrap(*self.connection)),
        }
    }

    /// Why.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The connection, to be resumed by another call, or to be read to its end. Nothing of it was lost.
    pub fn into_connection(self) -> C {
        *self.connection
    }
}

impl<C> fmt::Display for NotResumed<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl<C: fmt::Debug> std::error::Error for NotResumed<C> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

/// Halves that are not of one connection.
#[derive(Debug)]
pub struct Unrelated<S = Sender, R = Receiver> {
    /// The half that sends.
    pub sender: Box<S>,
    /// The half that receives.
    pub receiver: Box<R>,
}

impl<S, R> Unrelated<S, R> {
    pub(crate) fn new(sender: S, receiver: R) -> Self {
        Self {
            sender: Box::new(sender),
            receiver: Box::new(receiver),
        }
    }
}

impl<S, R> fmt::Display for Unrelated<S, R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the two halves are of different connections")
    }
}

impl<S: fmt::Debug, R: fmt::Debug> std::error::Error for Unrelated<S, R> {}

impl Connection {
    /// Puts the halves together that [`Connection::split`] took apart.
    ///
    /// # Errors
    /// They are of different connections: they are given back.
    pub fn reunite(sender: Sender, receiver: Receiver) -> Result<Self, Unrelated> {
        if sender.is_of(&receiver) {
            return Ok(Self::new(sender, receiver));
        }
        Err(Unrelated::new(sender, receiver))
    }

    /// The line of connections that this one belongs to, if it can be resumed ([`Config::resumable`]).
    pub fn lineage(&self) -> Option<Lineage> {
        self.sender.lineage()
    }
}

impl Config {
    /// Connects anew, in the place of `lost`, whose server is gone, and sends again what that one had not finished with: to the one that listens there now, or will before
    /// `deadline`.
    ///
    /// The frames come first, in their order, at the same positions and priorities, with their kinds and the moments at which they expire. Each is said to be
    /// [unseen or in doubt](crate::Redelivery), here in sum and to the server by [`Frame::redelivery`](crate::Frame::redelivery). What a group or a batcher had accepted when the server ended is among
    /// them, whatever publishes it; what a `send` has not taken (an error) is the caller's to send again.
    ///
    /// `lost` was made by [`Config::connect`], or by this, with [`Config::resumable`]; its halves, if it was split, are put together by [`Connection::reunite`]. It has to be at its end: its
    /// receiver has received everything, and says [`PeerDied`](crate::RecvError::PeerDied), [`Closed`](crate::RecvError::Closed) or [`PeerClosed`](crate::RecvError::PeerClosed) (a
    /// [`Poller`](crate::Poller) gives it back in [`Ended`](crate::Ended)). A server that is stopped, or merely silent, is not gone.
    ///
    /// While nobody listens there, or the directory for names is not fit for use, or whoever listens goes away in the handshake, does not answer in time or takes no clients now, it is tried again until `deadline`; once in any case. Whether the server has
    /// ended can take up to 200 ms to be told, whatever the deadline.
    ///
    /// ```
    /// # use ringway::{Config, RecvError, Redelivery};
    /// # use std::time::{Duration, Instant};
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-resume-{}", std::process::id()));
    /// let config = Config::new().resumable(true);
    /// let mut listener = config.bind(path.as_path())?;
    /// # let client = std::thread::spawn({ let (config, path) = (config.clone(), path.clone()); move || config.connect(path) });
    /// let mut server = listener.accept()?;
    /// # let mut connection = client.join().unwrap()?;
    /// connection.sender().send(b"handled")?;
    /// connection.sender().send(b"not handled")?;
    /// drop(server.receiver().recv()?);
    /// drop(server);
    /// assert_eq!(connection.receiver().recv().err(), Some(RecvError::Closed));
    ///
    /// # let next = std::thread::spawn(move || listener.accept().unwrap());
    /// let resumed = config.resume(path, connection, Instant::now() + Duration::from_secs(5))?;
    /// assert_eq!((resumed.unseen(), resumed.in_doubt()), (1, 0));
    /// # let mut server = next.join().unwrap();
    /// let frame = server.receiver().recv()?;
    /// assert_eq!((frame.redelivery(), frame.to_vec()), (Redelivery::Unseen, b"not handled".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Each gives `lost` back as it was. [`ErrorKind::PeerLives`], [`ErrorKind::Unread`]: it is not at its end. [`ErrorKind::InvalidConfig`]: it cannot be resumed. Else as for
    /// [`Config::connect`]; a server that does not take frames again, or grants fewer lanes or smaller rings than are needed, is refused.
    pub fn resume(
        &self,
        address: impl Into<Address>,
        lost: Connection,
        deadline: Instant,
    ) -> Result<Resumed, NotResumed> {
        let mut lost = lost;
        match resume(self, &address.into(), &mut lost, deadline) {
            Ok(resumed) => Ok(resumed),
            Err(error) => Err(NotResumed {
                error,
                connection: Box::new(lost),
            }),
        }
    }
}

fn resume(
    config: &Config,
    address: &Address,
    lost: &mut Connection,
    deadline: Instant,
) -> Result<Resumed, Error> {
    config.prepare()?;
    let (before, standings) = settle(config, lost)?;
    step!("resume-before");
    let claim = Claim::after(&before, &standings, lost.sender.own_segment());
    let mut connection = reconnect(config, address, &claim, deadline)?;
    step!("resume-connected");
    let redelivered = connection.sender.take_over(&mut lost.sender, &standings);
    step!("resume-after");
    Ok(Resumed {
        connection,
        redelivered,
    })
}

/// Tries until `deadline`.
fn reconnect(
    config: &Config,
    address: &Address,
    claim: &Claim,
    deadline: Instant,
) -> Result<Connection, Error> {
    let mut pause = SHORTEST;
    loop {
        let now = Instant::now();
        let until = (now + config.timeout).min(deadline.max(now + SHORTEST));
        let error = match address
            .resolve(false)
            .and_then(|path| client::attempt(config, &path, until, claim))
        {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !passes(error.kind()) {
            return Err(error);
        }
        std::thread::sleep(pause.min(left));
        pause = (2 * pause).min(LONGEST);
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

/// Which line it belongs to and where each lane stands, if it can be resumed and has ended for good.
fn settle(config: &Config, lost: &mut Connection) -> Result<(Lineage, Vec<Standing>), Error> {
    if lost.sender.is_forked() {
        let text = "the connection belongs to the process that forked this one; connect here";
        return Err(Error::new(ErrorKind::Forked, text));
    }
    if !config.resumable {
        let text = "the options do not let a connection be resumed: Config::resumable(true)";
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    let standings = lost.sender.standings();
    let (Some(lineage), Some(_)) = (lost.lineage(), standings) else {
        let text = "only a client resumes a connection, and only one that it made with Config::resumable(true)";
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    };
    read_to_end(&mut lost.receiver)?;
    if !lost.sender.has_said_goodbye(&mut lost.receiver) && !lost.sender.is_over() {
        return Err(lives());
    }
    // Only now are the words final.
    match lost.sender.standings() {
        Some(standings) => Ok((lineage, standings)),
        None => Err(lives()),
    }
}

/// Whether the receiver has received everything that there is and will be.
fn read_to_end(receiver: &mut Receiver) -> Result<(), Error> {
    loop {
        // What it last heard may be old.
        receiver.resting().told();
        let look = match receiver.look() {
            Look::Nothing => receiver.look_for_end(),
            other => other,
        };
        match look {
            Look::Ended(RecvError::Forked) => unreachable!("asked before"),
            Look::Ended(_) => return Ok(()),
            Look::Something => {
                let text = "frames of the lost connection have not been received: receive until it says how it ended";
                return Err(Error::new(ErrorKind::Unread, text));
            }
            Look::Nothing if receiver.resting().is_fading() => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Look::Nothing => return Err(lives()),
        }
    }
}

fn lives() -> Error {
    let text = "the peer lives: a connection is resumed when its server's process has ended, or has closed both halves";
    Error::new(ErrorKind::PeerLives, text)
}

impl Sender {
    /// Which file our segment is.
    pub(crate) fn own_segment(&self) -> Identity {
        self.link().kept.own
    }

    pub(crate) fn lineage(&self) -> Option<Lineage> {
        self.link().kept.lineage
    }

    pub(crate) fn is_of(&self, receiver: &Receiver) -> bool {
        crate::sync::Arc::ptr_eq(self.link(), receiver.link())
    }

    /// Whether both halves of the peer's have been closed in order.
    fn has_said_goodbye(&mut self, receiver: &mut Receiver) -> bool {
        self.resting().hears_goodbye() && receiver.resting().hears_goodbye()
    }

    /// Whether no half of the peer's is left.
    fn is_over(&self) -> bool {
        self.link().is_over()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::thread;

    use super::*;
    use crate::connection::Listener;
    use crate::layout::redelivery::Redelivery;

    #[test]
    fn what_was_not_resumed_has_the_cause_of_its_error() {
        let cause = std::io::Error::from_raw_os_error(libc::EMFILE);
        let error = Error::caused(ErrorKind::Resources, "no descriptor", cause);
        let not = NotResumed {
            error,
            connection: Box::new(()),
        };
        let source = not.source().unwrap().to_string();
        assert_eq!(source, not.error().source().unwrap().to_string());
        assert_eq!(not.to_string(), not.error().to_string());
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// The server's end, and what the client makes of its own.
    fn meet<T: Send>(
        listener: &mut Listener,
        client: impl FnOnce(&std::path::Path) -> T + Send,
    ) -> (Connection, T) {
        let path = listener.path().to_path_buf();
        thread::scope(|scope| {
            let client = scope.spawn(|| client(&path));
            let server = listener.accept_deadline(soon()).unwrap();
            (server, client.join().unwrap())
        })
    }

    fn end(connection: &mut Connection) {
        while connection.receiver().recv_deadline(soon()).is_ok() {}
    }

    /// It was let in, and is turned away before it has sent anything again: whatever lane the goodbye is met behind.
    #[test]
    fn a_server_that_closes_at_once_behind_the_handshake_is_resumed_as_any_other() {
        let path = std::env::temp_dir().join(format!("ringway-resume-shut-{}", std::process::id()));
        let config = Config::new()
            .resumable(true)
            .lanes(3)
            .handshake_timeout(Duration::from_secs(20));
        let mut listener = config.bind(path.as_path()).unwrap();
        let (server, mut lost) = meet(&mut listener, |path| config.connect(path).unwrap());
        for priority in [0, 0, 2] {
            lost.sender().at(priority).unwrap().send(b"x").unwrap();
        }
        drop(server);
        end(&mut lost);
        let (before, standings) = settle(&config, &mut lost).unwrap();
        let claim = Claim::after(&before, &standings, lost.sender.own_segment());
        let (server, mut next) = meet(&mut listener, |path| {
            let path = path.to_path_buf().into();
            reconnect(&config, &path, &claim, soon()).unwrap()
        });
        drop(server);
        let sent = next.sender.take_over(&mut lost.sender, &standings);
        let unseen: Vec<_> = sent.iter().map(|lane| lane.unseen).collect();
        assert_eq!(unseen, [2, 0, 1]);
        drop(lost);
        assert!(next.sender().send(b"refused").is_err());
        end(&mut next);
        let (mut server, resumed) = meet(&mut listener, |path| {
            config.resume(path, next, soon()).unwrap()
        });
        assert_eq!(resumed.unseen(), 3);
        for priority in [0, 0, 2] {
            let frame = server.receiver().recv_deadline(soon()).unwrap();
            let said = (frame.priority(), frame.redelivery(), frame.to_vec());
            assert_eq!(said, (priority, Redelivery::Unseen, b"x".to_vec()));
        }
    }
}
