//! The client's half of the handshake: Hello, Welcome, Attach, Ready, with one deadline for all of it. Where the client ends it,
//! the server is told why.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::Connection;
use super::address::Address;
use super::config::Config;
use super::lineage::Claim;
use super::schemas::{self, Side};
use super::shake::{self, Agreed};
use super::side;
use crate::error::{self, Error, ErrorKind};
use crate::layout::handshake::{self, Hello, Kind, Prefix, Reason, Refuse, Welcome};
use crate::layout::schemas::Announced;
use crate::layout::{OLDEST_VERSION, VERSION};
use crate::planted::{self, Check};
use crate::sys::aside::Descriptors;
use crate::sys::credentials::Speaker;
use crate::sys::line::Line;
use crate::sys::message::{self, Loss, Received};
use crate::sys::{directory, poll, socket};

/// The Hello that `config` leads to.
pub(super) fn hello(config: &Config, announced: &Announced) -> Hello {
    Hello {
        prefix: Prefix::new::<Hello>(Kind::Hello),
        oldest_version: OLDEST_VERSION,
        newest_version: VERSION,
        role: handshake::ROLE_PEER,
        lanes: config.lanes as u16,
        features: side::features(config),
        required_features: 0,
        send_capacity: config.capacity as u64,
        receive_capacity: config.peer_capacity as u64,
        receive_limit: config.max_capacity as u64,
        waits: side::waits(config),
        codec: config.codec,
        schema_fingerprint: announced.fingerprint,
        schema_bytes: announced.bytes,
        priorities: [0; 4],
        resume_token: [0; 16],
        resume_position: 0,
        generation: 0,
        reserved_first: [0; 4],
        observes: 0,
        reserved: [0; 4],
        after: 0,
        reserved_too: [0; 112],
    }
}

pub(crate) fn connect(
    config: &Config,
    address: &Address,
    deadline: Instant,
) -> Result<Connection, Error> {
    let path = address.resolve(false)?;
    let claim = Claim::new(config)?;
    let line = dial(&path, deadline)?;
    match shake(config, &claim, &line, deadline) {
        Ok(agreed) => agreed.join(config, &claim, line, &path),
        Err(ended) => Err(ended.told(&line)),
    }
}

/// A line to the listener at `path`.
pub(super) fn dial(path: &Path, deadline: Instant) -> Result<Line, Error> {
    loop {
        match socket::connect(path) {
            Ok(socket) => return Ok(Line::new(socket)),
            Err(error)
                if error.raw_os_error() == Some(libc::EAGAIN) && Instant::now() < deadline =>
            {
                // The listener's queue is full; the kernel offers nothing to wait on for a place in it.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(error) => return Err(unreachable_peer(path, error)),
        }
    }
}

/// A handshake that ended without a connection.
pub(super) enum Ended {
    /// The server has ended it or is gone: there is nobody to tell.
    Theirs(Error),
    /// We end it: why, what the server is told, and what our caller is told.
    Ours(Reason, String, Error),
}

impl Ended {
    /// Tells the server if it is we who end it. Returns what our caller is told.
    pub(super) fn told(self, line: &Line) -> Error {
        match self {
            Self::Theirs(error) => error,
            Self::Ours(reason, told, error) => {
                let refuse = Refuse::new(reason, &error::told(&told));
                let _ = message::send(line.as_fd(), refuse.as_bytes(), &[]);
                error
            }
        }
    }
}

/// The messages, in order. Whatever is wrong is said by the caller, in one place.
fn shake(config: &Config, claim: &Claim, line: &Line, deadline: Instant) -> Result<Agreed, Ended> {
    let greeted = shake::greet(config, claim, line)?;
    let mut buffer = [0u8; handshake::LONGEST];
    let first = receive(line, &mut buffer, deadline)?;
    let attached = greeted.welcomed(config, claim, line, first, &buffer)?;
    let second = receive(line, &mut buffer, deadline)?;
    attached.ready(second, &buffer)
}

/// The server's answer to a Hello, if a server whom we admit gives it.
pub(super) fn welcomed(
    config: &Config,
    line: &Line,
    buffer: &mut [u8; handshake::LONGEST],
    deadline: Instant,
) -> Result<(Welcome, Speaker, Descriptors), Ended> {
    let first = receive(line, buffer, deadline)?;
    shake::admit(config, first, buffer)
}

/// What a Welcome says, to a client that asked for the features `asked`, apart from the server's offer. Fields that version 1 reserves are not looked at, except those that
/// would change what the rest means.
pub(super) fn judge(config: &Config, asked: u64, welcome: &Welcome) -> Result<(), side::Refused> {
    let malformed = |text: String| (Reason::Malformed, ErrorKind::Malformed, text);
    judge_version(welcome)?;
    let unknown = welcome.features & !asked;
    if unknown != 0 {
        let text = format!("the server chose features {unknown:#x}, which the client lacks");
        return Err((Reason::Feature, ErrorKind::Feature, text));
    }
    schemas::check_announced(config, Side::Server, welcome.codec, welcome.schema_bytes)?;
    if welcome.waits & !handshake::WAITS != 0 {
        let text = format!("the Welcome's waits, {:#x}, make no sense", welcome.waits);
        return Err(malformed(text));
    }
    let makes_sense = (1..=config.lanes).contains(&usize::from(welcome.lanes));
    if !makes_sense && !planted::is_left_out(Check::WelcomeSense) {
        let text = format!(
            "the server grants {} lanes, {} were asked for",
            welcome.lanes, config.lanes
        );
        return Err(malformed(text));
    }
    if welcome.send_capacity > config.capacity as u64 {
        let text = format!(
            "the server grants a ring of {} bytes, more than was asked for",
            welcome.send_capacity
        );
        return Err((Reason::Geometry, ErrorKind::Geometry, text));
    }
    Ok(())
}

/// Whether the server speaks as we do.
pub(super) fn judge_version(welcome: &Welcome) -> Result<(), side::Refused> {
    if (OLDEST_VERSION..=VERSION).contains(&welcome.version) {
        return Ok(());
    }
    let text = format!(
        "the server chose version {}, the client speaks {OLDEST_VERSION} to {VERSION}",
        welcome.version
    );
    Err((Reason::Version, ErrorKind::Version, text))
}

pub(super) fn unreachable_peer(path: &Path, error: std::io::Error) -> Error {
    let shown = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ECONNREFUSED) => Error::new(
            ErrorKind::NotFound,
            format!(
                "nobody listens at {shown}: start the listener first{}",
                directory::agreement(path)
            ),
        ),
        Some(libc::EACCES) => Error::new(
            ErrorKind::UidRefused,
            format!("we may not connect to {shown}: its listener must allow our uid"),
        ),
        Some(libc::EAGAIN) => Error::new(
            ErrorKind::TimedOut,
            format!("the listener at {shown} does not accept: its queue is full"),
        ),
        Some(libc::EPROTOTYPE) => Error::new(
            // Not `NotFound`: whoever tries until somebody listens would try for ever.
            ErrorKind::Io,
            format!("the socket at {shown} is another program's: use another name or path"),
        ),
        _ => Error::io(&format!("connecting to {shown}"), error),
    }
}

pub(super) fn send(
    line: &Line,
    bytes: &[u8],
    descriptors: &[std::os::fd::BorrowedFd<'_>],
) -> Result<(), Ended> {
    match message::send(line.as_fd(), bytes, descriptors) {
        // The server may have refused and gone: its Refuse is then what tells why.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => {
            Ok(())
        }
        Err(error) => Err(failure(Error::io("speaking to the server", error))),
        Ok(()) => Ok(()),
    }
}

fn receive(line: &Line, buffer: &mut [u8], deadline: Instant) -> Result<Received, Ended> {
    receive_or_end(line, buffer, deadline)?.ok_or_else(went_away)
}

/// The server closed the line before the handshake was over.
pub(super) fn went_away() -> Ended {
    Ended::Theirs(Error::new(
        ErrorKind::PeerGone,
        "the server went away during the handshake",
    ))
}

/// The server's next message. `None`: it has closed the line.
pub(super) fn receive_or_end(
    line: &Line,
    buffer: &mut [u8],
    deadline: Instant,
) -> Result<Option<Received>, Ended> {
    loop {
        if let Some(received) = receive_now(line, buffer)? {
            return Ok(Some(received).filter(|received| received.length > 0));
        }
        if Instant::now() >= deadline {
            return Err(unanswered());
        }
        poll::ready(&mut [poll::entry(line.as_fd())], Some(deadline))
            .map_err(|error| failure(Error::io("waiting for the server", error)))?;
    }
}

/// The server's next message, if it has come. One without a byte: it has closed the line.
pub(super) fn receive_now(line: &Line, buffer: &mut [u8]) -> Result<Option<Received>, Ended> {
    message::receive(line.as_fd(), buffer)
        .map_err(|error| failure(Error::io("listening to the server", error)))
}

/// The server has not answered before the deadline.
pub(super) fn unanswered() -> Ended {
    Ended::Ours(
        Reason::Deadline,
        "the client waited for the server until its deadline".to_owned(),
        Error::new(
            ErrorKind::TimedOut,
            "the server did not answer in time: is it calling accept?",
        ),
    )
}

/// Checks that a message arrived whole and is of `kind`, and returns its descriptors; a refusal becomes the error that it names.
pub(super) fn expect(kind: Kind, received: Received, buffer: &[u8]) -> Result<Descriptors, Ended> {
    let descriptors = received.descriptors;
    let bytes = &buffer[..received.length];
    let wrong = if received.truncated {
        malformed("a message is longer than any")
    } else if let Some(loss) = received.lost {
        differing(lost(loss, "client"))
    } else if handshake::kind(bytes) == Some(kind) {
        return Ok(descriptors);
    } else {
        match Refuse::read_from_bytes(bytes) {
            Ok(refuse) if handshake::kind(bytes) == Some(Kind::Refuse) => {
                Ended::Theirs(refused("server", &refuse))
            }
            _ => malformed(&format!(
                "a {kind:?} was expected, and the server sent something that is no answer"
            )),
        }
    };
    Err(wrong)
}

/// The error for a refusal that the peer sent; `peer` is what it is.
pub(crate) fn refused(peer: &str, refuse: &Refuse) -> Error {
    let kind = match Reason::from_wire(refuse.reason) {
        Some(Reason::Uid) => ErrorKind::UidRefused,
        Some(Reason::Version) => ErrorKind::Version,
        Some(Reason::Feature | Reason::Role) => ErrorKind::Feature,
        Some(Reason::Descriptors | Reason::Bell) => ErrorKind::Descriptors,
        Some(Reason::Segment) => ErrorKind::Segment,
        Some(Reason::Geometry) => ErrorKind::Geometry,
        Some(Reason::Resources) => ErrorKind::Resources,
        Some(Reason::Deadline) => ErrorKind::TimedOut,
        Some(Reason::Schema) => ErrorKind::Schema,
        Some(Reason::Busy) => ErrorKind::Busy,
        Some(Reason::Malformed) | None => ErrorKind::Malformed,
    };
    Error::new(kind, format!("the {peer} refused: {}", refuse.text()))
}

/// What lost descriptors mean to whoever should have received them.
pub(crate) fn lost(loss: Loss, receiver: &str) -> side::Refused {
    match loss {
        Loss::TooMany => (
            Reason::Descriptors,
            ErrorKind::Descriptors,
            "more descriptors were sent than any message has".to_owned(),
        ),
        Loss::NoRoom => (
            Reason::Resources,
            ErrorKind::Resources,
            format!("the {receiver} has no descriptor left: raise its `ulimit -n`"),
        ),
    }
}

/// Something of the server's that we do not accept.
pub(super) fn differing((reason, kind, text): side::Refused) -> Ended {
    let error = Error::new(kind, format!("the server's offer is refused: {text}"));
    Ended::Ours(reason, text, error)
}

/// Something of our own that failed.
pub(super) fn failure(error: Error) -> Ended {
    let reason = match error.kind() {
        ErrorKind::Geometry => Reason::Geometry,
        _ => Reason::Resources,
    };
    Ended::Ours(reason, format!("it cannot go on: {error}"), error)
}

pub(super) fn malformed(what: &str) -> Ended {
    let error = Error::new(
        ErrorKind::Malformed,
        format!("the handshake went wrong: {what}"),
    );
    Ended::Ours(Reason::Malformed, what.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever tries again does so by the kind: with a listener that is not there yet, or has too much to do.
    #[test]
    fn why_a_listener_cannot_be_reached_is_told_by_its_kind_and_in_words() {
        for (errno, kind, words) in [
            (libc::ENOENT, ErrorKind::NotFound, "start the listener"),
            (
                libc::ECONNREFUSED,
                ErrorKind::NotFound,
                "start the listener",
            ),
            (libc::EACCES, ErrorKind::UidRefused, "allow our uid"),
            (libc::EAGAIN, ErrorKind::TimedOut, "its queue is full"),
            (libc::EPROTOTYPE, ErrorKind::Io, "another program's"),
            (libc::ENOTDIR, ErrorKind::Io, "connecting to /a/path"),
        ] {
            let error = std::io::Error::from_raw_os_error(errno);
            let error = unreachable_peer(Path::new("/a/path"), error);
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("/a/path"), "{text}");
            assert!(!text.contains("RINGWAY_DIR"), "of a path: {text}");
        }
    }
}
