//! The client's half of the handshake: Hello, Welcome, Attach, Ready, with one deadline for all of it.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use zerocopy::{FromBytes, IntoBytes};

use super::Connection;
use super::address::Address;
use super::config::Config;
use super::link::Peer;
use super::side::{self, Own, Theirs};
use crate::error::{Error, ErrorKind};
use crate::layout::handshake::{self, Attach, Hello, Kind, Prefix, Reason, Refuse, Welcome};
use crate::layout::{OLDEST_VERSION, VERSION};
use crate::sys::message::{self, Received};
use crate::sys::{close_aside, poll, socket};

/// The Hello that `config` leads to.
pub(crate) fn hello(config: &Config) -> Hello {
    Hello {
        prefix: Prefix::new::<Hello>(Kind::Hello),
        oldest_version: OLDEST_VERSION,
        newest_version: VERSION,
        role: handshake::ROLE_PEER,
        lanes: 1,
        features: handshake::FEATURES,
        required_features: 0,
        send_capacity: config.capacity as u64,
        receive_capacity: config.peer_capacity as u64,
        receive_limit: config.max_capacity as u64,
        waits: side::waits(config),
        codec: 0,
        schema_fingerprint: [0; 16],
        schema_bytes: 0,
        priorities: [0; 4],
        resume_token: [0; 16],
        resume_position: 0,
        clock_offset: 0,
        counters: 0,
        reserved: [0; 124],
    }
}

pub(crate) fn connect(
    config: &Config,
    address: &Address,
    deadline: Instant,
) -> Result<Connection, Error> {
    let path = address.resolve(false)?;
    let line = loop {
        match socket::connect(&path) {
            Ok(line) => break line,
            Err(error)
                if error.raw_os_error() == Some(libc::EAGAIN) && Instant::now() < deadline =>
            {
                // The listener's queue is full; the kernel offers nothing to wait on for a place in it.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(error) => return Err(unreachable_peer(&path, error)),
        }
    };
    send(&line, hello(config).as_bytes(), &[])?;
    let mut buffer = [0u8; handshake::LONGEST];
    let mut first = receive(&line, &mut buffer, deadline)?;
    let mut speaker = first
        .speaker
        .take()
        .ok_or_else(|| malformed("the kernel did not say who speaks"))?;
    if !config.allows(speaker.uid) {
        close_aside(first.descriptors);
        let text = format!(
            "the server runs as uid {}, which is not allowed here: see Config::allow_uid",
            speaker.uid
        );
        return Err(Error::new(ErrorKind::UidRefused, text));
    }
    speaker.open_pidfd();
    let descriptors = expect(&buffer[..first.length], Kind::Welcome, first.descriptors)?;
    let welcome =
        Welcome::read_from_bytes(&buffer[..first.length]).map_err(|_| malformed("Welcome"))?;
    if welcome.version != VERSION
        || welcome.lanes != 1
        || welcome.features & !handshake::FEATURES != 0
    {
        close_aside(descriptors);
        return Err(Error::new(
            ErrorKind::Version,
            format!(
                "the server chose version {} and features {:#x}, which we do not speak",
                welcome.version, welcome.features
            ),
        ));
    }
    if welcome.send_capacity > config.capacity as u64 {
        close_aside(descriptors);
        return Err(Error::new(
            ErrorKind::Geometry,
            "the server grants more than was asked for".to_owned(),
        ));
    }
    let refuse = |(reason, kind, text): side::Refused| {
        let _ = message::send(line.as_fd(), Refuse::new(reason, &text).as_bytes(), &[]);
        Error::new(kind, format!("the server's offer is refused: {text}"))
    };
    let largest = config.max_capacity as u64;
    let theirs = Theirs::judge(config, &welcome.offer, welcome.waits, largest, descriptors)
        .map_err(refuse)?;
    let own = Own::new(config, welcome.send_capacity, welcome.features)?;
    let attach = Attach {
        prefix: Prefix::new::<Attach>(Kind::Attach),
        offer: own.offer(),
        reserved: [0; 64],
    };
    send(&line, attach.as_bytes(), &own.descriptors())?;
    let second = receive(&line, &mut buffer, deadline)?;
    // The second message rules out that the pid was reused between the first and the opening of the pidfd.
    if second
        .speaker
        .as_ref()
        .is_none_or(|again| again.pid != speaker.pid || again.uid != speaker.uid)
    {
        close_aside(second.descriptors);
        return Err(malformed(
            "the server's two messages come from two processes",
        ));
    }
    let rest = expect(&buffer[..second.length], Kind::Ready, second.descriptors)?;
    close_aside(rest);
    socket::refuse_descriptors(&line);
    let peer = Peer {
        uid: speaker.uid,
        pid: speaker.pid,
    };
    side::assemble(
        config,
        own,
        theirs,
        welcome.waits,
        line,
        speaker.pidfd,
        peer,
    )
}

fn unreachable_peer(path: &std::path::Path, error: std::io::Error) -> Error {
    let shown = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ECONNREFUSED) => Error::new(
            ErrorKind::NotFound,
            format!("nobody listens at {shown}: start the listener first"),
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
            ErrorKind::NotFound,
            format!("the socket at {shown} is not Ringway's"),
        ),
        _ => Error::io(&format!("connecting to {shown}"), error),
    }
}

fn send(
    line: &OwnedFd,
    bytes: &[u8],
    descriptors: &[std::os::fd::BorrowedFd<'_>],
) -> Result<(), Error> {
    match message::send(line.as_fd(), bytes, descriptors) {
        // The server may have refused and gone: its Refuse is then what tells why.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => {
            Ok(())
        }
        Err(error) => Err(Error::io("speaking to the server", error)),
        Ok(()) => Ok(()),
    }
}

fn receive(line: &OwnedFd, buffer: &mut [u8], deadline: Instant) -> Result<Received, Error> {
    loop {
        match message::receive(line.as_fd(), buffer) {
            Ok(Some(received)) if received.length == 0 => {
                return Err(Error::new(
                    ErrorKind::PeerGone,
                    "the server went away during the handshake",
                ));
            }
            Ok(Some(received)) if received.truncated => {
                close_aside(received.descriptors);
                return Err(malformed("a message is longer than any"));
            }
            Ok(Some(received)) if received.descriptors_lost => {
                close_aside(received.descriptors);
                let text = "descriptors were lost on the way: raise `ulimit -n`, or the server sent too many";
                return Err(Error::new(ErrorKind::Descriptors, text));
            }
            Ok(Some(received)) => return Ok(received),
            Ok(None) => {}
            Err(error) => return Err(Error::io("listening to the server", error)),
        }
        if Instant::now() >= deadline {
            return Err(Error::new(
                ErrorKind::TimedOut,
                "the server did not answer in time: is it calling accept?",
            ));
        }
        poll::ready(&mut [poll::entry(line.as_fd())], Some(deadline))
            .map_err(|error| Error::io("waiting for the server", error))?;
    }
}

/// Checks that a message is of `kind`; a refusal becomes the error that it names.
fn expect(bytes: &[u8], kind: Kind, descriptors: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Error> {
    match handshake::kind(bytes) {
        Some(found) if found == kind => return Ok(descriptors),
        _ => close_aside(descriptors),
    }
    match Refuse::read_from_bytes(bytes) {
        Ok(refuse) if handshake::kind(bytes) == Some(Kind::Refuse) => Err(refused(&refuse)),
        _ => Err(malformed("the server sent something that is no answer")),
    }
}

/// The error for a refusal that the peer sent.
pub(crate) fn refused(refuse: &Refuse) -> Error {
    let kind = match Reason::from_wire(refuse.reason) {
        Some(Reason::Uid) => ErrorKind::UidRefused,
        Some(Reason::Version) => ErrorKind::Version,
        Some(Reason::Feature | Reason::Role) => ErrorKind::Feature,
        Some(Reason::Descriptors | Reason::Bell) => ErrorKind::Descriptors,
        Some(Reason::Segment) => ErrorKind::Segment,
        Some(Reason::Geometry) => ErrorKind::Geometry,
        Some(Reason::Resources) => ErrorKind::Resources,
        Some(Reason::Malformed) | None => ErrorKind::Malformed,
    };
    Error::new(kind, format!("the peer refused: {}", refuse.text()))
}

fn malformed(what: &str) -> Error {
    Error::new(
        ErrorKind::Malformed,
        format!("the handshake went wrong: {what}"),
    )
}
