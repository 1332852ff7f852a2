//! Making a connection step by step, for whoever waits in a loop of its own: with a listener, or over a pair of sockets that both sides have inherited.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use super::address::Address;
use super::dial::{Dial, Dialled};
use super::handover::told;
use super::lineage::Claim;
use super::quota::Quota;
use super::server::{Host, Pending, Progress};
use super::shown::Shows;
use super::{Config, Connection};
use crate::error::{Error, ErrorKind};
use crate::sys::fork::Birth;
use crate::sys::socket;

/// A connection that is being made. No step waits for the peer. Dropping it gives it up: the peer finds the line closed.
///
/// ```
/// use ringway::{Config, Handshake, HandshakeStep};
///
/// // Each socket may be in another process by now: left open for a child, or sent to it.
/// let (ours, theirs) = Handshake::sockets()?;
/// let config = Config::new();
/// let (mut client, mut server) = (config.dial_on(ours)?, config.answer_on(theirs)?);
/// let (mut a, mut b) = (None, None);
/// while a.is_none() || b.is_none() {
///     // Where there is something else to do: poll `client.as_fd()` for readability in between.
///     for (handshake, made) in [(&mut client, &mut a), (&mut server, &mut b)] {
///         if made.is_none() {
///             if let HandshakeStep::Done(connection) = handshake.step()? {
///                 *made = Some(connection);
///             }
///         }
///     }
/// }
/// let (mut a, mut b) = (a.unwrap(), b.unwrap());
/// a.sender().send(b"hello")?;
/// assert_eq!(b.receiver().recv()?.to_vec(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until it is stepped"]
pub struct Handshake {
    side: Side,
    deadline: Option<Instant>,
    birth: Birth,
}

/// What a step came to.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "moved once per connection; a box would be a needless allocation"
)]
pub enum HandshakeStep {
    /// The listener's queue is full, and nobody tells of a place in it: step again in a millisecond.
    Later,
    /// The next step has something to do when the descriptor is readable, or the deadline has passed.
    Waits,
    /// It is made.
    Done(Connection),
}

#[derive(Debug)]
enum Side {
    Dials(Box<Dial>),
    Answers(Box<Answer>),
    /// It was made, or has failed.
    Over,
}

/// The side that is spoken to first.
#[derive(Debug)]
struct Answer {
    config: Config,
    pending: Option<Pending>,
    shows: Shows,
}

impl Config {
    /// Connects step by step, waiting for the server as long as [`Config::handshake_timeout`] says.
    ///
    /// # Errors
    /// A bad option or address.
    pub fn dial(&self, address: impl Into<Address>) -> Result<Handshake, Error> {
        self.prepare()?;
        let dial = Dial::new(self, &address.into())?;
        let deadline = Some(dial.deadline);
        Handshake::new(Side::Dials(Box::new(dial)), deadline)
    }

    /// Connects over one of two sockets ([`Handshake::sockets`]), whose other one somebody answers on ([`Config::answer_on`]): as a client, by the same rules as through a listener. There is no deadline: the other process may begin
    /// whenever it likes.
    ///
    /// # Errors
    /// A bad option; [`ErrorKind::Descriptors`]: it is no such socket.
    pub fn dial_on(&self, socket: OwnedFd) -> Result<Handshake, Error> {
        self.prepare()?;
        let dial = Dial::over(self, Claim::new(self)?, fit(socket)?);
        Handshake::new(Side::Dials(Box::new(dial)), None)
    }

    /// Answers over one of two sockets: as a server, which admits the same uids as a listener ([`Config::allow_uid`]). There is no deadline.
    ///
    /// # Errors
    /// As for [`Config::dial_on`].
    pub fn answer_on(&self, socket: OwnedFd) -> Result<Handshake, Error> {
        self.prepare()?;
        let socket = fit(socket)?;
        let birth = born()?;
        // Only a moment that never comes is later than a day, which is what a handshake's clock can say.
        let never = Instant::now() + std::time::Duration::from_secs(10 * 365 * 86_400);
        let mut pending = Pending::new(socket, never, &Quota::new(self.limits, birth));
        pending
            .begin()
            .map_err(|(_, kind, text)| Error::new(kind, text))?;
        let answer = Answer {
            config: self.clone(),
            pending: Some(pending),
            shows: Shows::default(),
        };
        Handshake::new(Side::Answers(Box::new(answer)), None)
    }
}

fn born() -> Result<Birth, Error> {
    Birth::here().map_err(|error| Error::io("preparing for forks", error))
}

fn fit(socket: OwnedFd) -> Result<OwnedFd, Error> {
    socket::adopt_end(socket).map_err(|unfit| told(unfit, "connect over", "taking a socket"))
}

impl Handshake {
    fn new(side: Side, deadline: Option<Instant>) -> Result<Self, Error> {
        let birth = born()?;
        Ok(Self {
            side,
            deadline,
            birth,
        })
    }

    /// Two sockets for [`Config::dial_on`] and [`Config::answer_on`]: whoever has one can connect to whoever has the other, and nobody else can. They are closed on `exec`.
    ///
    /// # Errors
    /// What the system answers, such as a descriptor limit.
    pub fn sockets() -> Result<(OwnedFd, OwnedFd), Error> {
        socket::asking_pair().map_err(|error| Error::io("making two sockets", error))
    }

    /// By when it is to be made: step it then, and it fails. `None`: at any time.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Goes as far as it can now.
    ///
    /// # Errors
    /// As for [`Config::connect`]; [`ErrorKind::Forked`]; and each step behind an error or the end fails.
    pub fn step(&mut self) -> Result<HandshakeStep, Error> {
        if self.birth.is_forked() {
            return Err(Error::forked("handshake"));
        }
        let stepped = match &mut self.side {
            Side::Dials(dial) => match dial.step() {
                Ok(Dialled::Done(connection)) => Ok(HandshakeStep::Done(connection)),
                Ok(_) if self.deadline.is_some_and(|by| Instant::now() >= by) => Err(dial.late()),
                Ok(Dialled::Later) => Ok(HandshakeStep::Later),
                Ok(Dialled::Waits) => Ok(HandshakeStep::Waits),
                Err(error) => Err(error),
            },
            Side::Answers(answer) => answer.step(),
            Side::Over => {
                let text = "this handshake is over: begin another one";
                Err(Error::new(ErrorKind::InvalidConfig, text))
            }
        };
        if !matches!(stepped, Ok(HandshakeStep::Later | HandshakeStep::Waits)) {
            self.side = Side::Over;
        }
        stepped
    }

    /// What becomes readable when the peer has said something. `None` before there is a line to it ([`HandshakeStep::Later`]), and when it is over. It is the same one until then.
    pub fn line(&self) -> Option<BorrowedFd<'_>> {
        match &self.side {
            Side::Dials(dial) => dial.line(),
            Side::Answers(answer) => answer.pending.as_ref().map(Pending::line),
            Side::Over => None,
        }
    }
}

impl Answer {
    fn step(&mut self) -> Result<HandshakeStep, Error> {
        let gone = || {
            let text = "the other side went away before it connected";
            Error::new(ErrorKind::PeerGone, text)
        };
        let pending = self.pending.take().ok_or_else(gone)?;
        let host = Host {
            config: &self.config,
            shows: &self.shows,
            peers: true,
        };
        match pending.advance(&host) {
            Progress::Pending(pending) => {
                self.pending = Some(pending);
                Ok(HandshakeStep::Waits)
            }
            Progress::Done(parts, line) => Ok(HandshakeStep::Done(parts.join(
                &self.config,
                None,
                line,
                Path::new(""),
            ))),
            Progress::Refused(_line, error) => Err(error),
            Progress::Silent(_line) => Err(gone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixStream;

    use crate::sys::line::Line;

    fn finish(client: &mut Handshake, server: &mut Handshake) -> (Connection, Connection) {
        let (mut a, mut b) = (None, None);
        for _ in 0..10 {
            if a.is_none() {
                if let HandshakeStep::Done(made) = client.step().unwrap() {
                    a = Some(made);
                }
            }
            if b.is_none() {
                if let HandshakeStep::Done(made) = server.step().unwrap() {
                    b = Some(made);
                }
            }
        }
        (a.unwrap(), b.unwrap())
    }

    #[test]
    fn two_sockets_make_a_connection_in_one_thread_whoever_begins() {
        for server_first in [false, true] {
            let (ours, theirs) = Handshake::sockets().unwrap();
            let config = Config::new().capacity(4096);
            let mut client = config.dial_on(ours).unwrap();
            let mut server = config.answer_on(theirs).unwrap();
            if server_first {
                assert!(matches!(server.step(), Ok(HandshakeStep::Waits)));
            }
            let line = client.line().unwrap().as_raw_fd();
            assert!(matches!(client.step(), Ok(HandshakeStep::Waits)));
            assert_eq!(client.line().unwrap().as_raw_fd(), line);
            let (mut a, mut b) = finish(&mut client, &mut server);
            b.sender().send(b"x").unwrap();
            assert_eq!(a.receiver().recv().unwrap().to_vec(), b"x");
            assert!(client.step().is_err() && client.line().is_none());
            drop(b);
            assert!(a.receiver().recv().is_err());
        }
    }

    #[test]
    fn a_dial_that_nobody_answers_ends_with_its_deadline() {
        let path = std::env::temp_dir().join(format!("ringway-dial-late-{}", std::process::id()));
        // Its queue takes clients in, and nobody serves them.
        let _listener = Config::new().bind(path.as_path()).unwrap();
        let config = Config::new().handshake_timeout(std::time::Duration::from_millis(50));
        let mut client = config.dial(path.as_path()).unwrap();
        let late = client.deadline().unwrap();
        let ended = loop {
            match client.step() {
                Ok(HandshakeStep::Waits | HandshakeStep::Later) => std::thread::yield_now(),
                other => break other.unwrap_err(),
            }
        };
        assert!(Instant::now() >= late);
        assert_eq!(ended.kind(), ErrorKind::TimedOut, "{ended}");
        assert!(client.line().is_none());
    }

    #[test]
    fn a_dial_waits_for_room_in_the_queue_until_its_deadline() {
        let path = std::env::temp_dir().join(format!("ringway-dial-full-{}", std::process::id()));
        let door = socket::listen(&path, false).unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::listen(door.as_raw_fd(), 0) }, 0);
        let mut others = Vec::new();
        while let Ok(other) = socket::connect(&path) {
            others.push(other);
        }
        let patience =
            |millis| Config::new().handshake_timeout(std::time::Duration::from_millis(millis));
        let mut client = patience(60_000).dial(path.as_path()).unwrap();
        assert!(matches!(client.step(), Ok(HandshakeStep::Later)));
        assert!(client.line().is_none());
        // A stall may last until its deadline has passed: then the next one has more time.
        let mut late = (0..8)
            .find_map(|power| {
                let mut late = patience(30 << power).dial(path.as_path()).unwrap();
                let deadline = late.deadline().unwrap();
                let step = late.step();
                if step.is_err() && Instant::now() >= deadline {
                    return None;
                }
                assert!(matches!(step, Ok(HandshakeStep::Later)));
                assert!(late.line().is_none());
                Some(late)
            })
            .expect("the deadline never comes so soon");
        let deadline = late.deadline().unwrap();
        while Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(late.step().is_err(), "for no longer than that");
        let taken = socket::accept(door.as_fd()).unwrap();
        assert!(taken.is_some());
        assert!(matches!(client.step(), Ok(HandshakeStep::Waits)));
        assert!(client.line().is_some());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_dial_to_nobody_waits_for_nothing() {
        let path = std::env::temp_dir().join(format!("ringway-dial-none-{}", std::process::id()));
        let config = Config::new().handshake_timeout(std::time::Duration::from_secs(60));
        let mut client = config.dial(path.as_path()).unwrap();
        assert_eq!(client.step().unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn an_end_that_goes_away_is_an_error_of_the_other() {
        let (ours, theirs) = Handshake::sockets().unwrap();
        let mut server = Config::new().answer_on(ours).unwrap();
        // A child of another test may have a copy, and a line ends whoever has one.
        drop(Line::new(theirs));
        assert_eq!(server.step().unwrap_err().kind(), ErrorKind::PeerGone);
        let (ours, theirs) = Handshake::sockets().unwrap();
        let mut client = Config::new().dial_on(ours).unwrap();
        assert!(matches!(client.step(), Ok(HandshakeStep::Waits)));
        drop(Line::new(theirs));
        assert_eq!(client.step().unwrap_err().kind(), ErrorKind::PeerGone);
    }

    #[test]
    fn what_is_no_such_socket_is_refused() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let refused = Config::new().dial_on(stream.into()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Descriptors);
        let file = std::fs::File::open("/dev/null").unwrap();
        let refused = Config::new().answer_on(file.into()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Descriptors);
        assert!(refused.to_string().contains("no socket"), "{refused}");
    }

    #[test]
    fn a_uid_that_is_not_ours_is_not_admitted_by_being_at_the_other_end() {
        // The other end says nothing that a Ringway says: refused like any client.
        let (ours, theirs) = Handshake::sockets().unwrap();
        let mut server = Config::new().answer_on(ours).unwrap();
        socket::nudge(theirs.as_fd()).unwrap();
        assert_eq!(server.step().unwrap_err().kind(), ErrorKind::Malformed);
    }
}
