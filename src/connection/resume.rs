//! Resuming a connection whose server is gone: what it had not finished with is sent to the next one.
//!
//! Nothing of the old connection changes before the new one is made. The new lanes begin where the server had released the old ones, with copies of what it had not, in a group that is published when
//! nothing can fail any more. So an attempt that fails has shown nobody a frame, and the next one begins where it began.

use core::fmt;
use std::time::Instant;

use super::address::Address;
use super::config::Config;
use super::lineage::Lineage;
use super::polled::Look;
use super::receiver::Receiver;
use super::sender::Sender;
use super::{Connection, RecvError};
use crate::error::{Error, ErrorKind};
use crate::layout::violation::Violation;
use crate::ring::{Carried, Standing};
use crate::sys::memfd::Identity;

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

impl NotResumed {
    pub(super) fn new(error: Error, connection: Connection) -> Self {
        Self {
            error,
            connection: Box::new(connection),
        }
    }
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
    /// While nobody listens there, or the directory for names is not fit for use, or whoever listens goes away in the handshake, does not answer in time or takes no clients now, it is tried again until `deadline`; once in any case. The first attempt that finds a server there has 100 ms, whatever the deadline (or the time for a handshake, if that is less). Whether the server has
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
        self.redial(address, lost, deadline)?.finish()
    }
}

/// What is known of a connection that is to be resumed.
pub(super) enum Settled {
    /// It has ended for good: which line it belongs to, and where each lane stands.
    Ended(Lineage, Vec<Standing>),
    /// It is about to, which is told within 200 ms: ask again in a millisecond.
    Fading,
}

/// Whether it can be resumed, and has ended for good.
pub(super) fn settle(config: &Config, lost: &mut Connection) -> Result<Settled, Error> {
    if !config.resumable {
        let text = "the options do not let a connection be resumed: Config::resumable(true)";
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    }
    let standings = lost.sender.standings();
    let (Some(lineage), Some(_)) = (lost.lineage(), standings) else {
        let text = "only a client resumes a connection, and only one that it made with Config::resumable(true)";
        return Err(Error::new(ErrorKind::InvalidConfig, text));
    };
    if !is_read_to_end(&mut lost.receiver)? {
        return Ok(Settled::Fading);
    }
    if !lost.sender.has_said_goodbye(&mut lost.receiver) && !lost.sender.is_over() {
        return Err(lives());
    }
    // Only now are the words final.
    match lost.sender.standings() {
        Some(standings) => Ok(Settled::Ended(lineage, standings)),
        None => Err(lives()),
    }
}

/// Whether the receiver has received everything that there is and will be; `false`: what will be is told soon.
fn is_read_to_end(receiver: &mut Receiver) -> Result<bool, Error> {
    // What it last heard may be old.
    receiver.resting().told();
    let look = match receiver.look() {
        Look::Nothing => receiver.look_for_end(),
        other => other,
    };
    match look {
        Look::Ended(RecvError::Forked) => unreachable!("asked before"),
        Look::Ended(_) => Ok(true),
        Look::Something => {
            let text = "frames of the lost connection have not been received: receive until it says how it ended";
            Err(Error::new(ErrorKind::Unread, text))
        }
        Look::Nothing if receiver.resting().is_fading() => Ok(false),
        Look::Nothing => Err(lives()),
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
    use std::time::Duration;

    use super::*;
    use crate::connection::{Listener, RedialStep};
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
        let mut redial = config.redial(path.as_path(), lost, soon()).unwrap();
        loop {
            assert!(matches!(redial.step(), Ok(RedialStep::Waits)));
            if let Some(server) = listener.try_accept().unwrap() {
                drop(server);
                break;
            }
        }
        let Ok(RedialStep::Done(turned_away)) = redial.step() else {
            panic!("it was let in");
        };
        let sent = turned_away.redelivered;
        let mut next = turned_away.connection;
        let unseen: Vec<_> = sent.iter().map(|lane| lane.unseen).collect();
        assert_eq!(unseen, [2, 0, 1]);
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
