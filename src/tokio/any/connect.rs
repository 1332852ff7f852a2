//! Connecting to the first target that there is.

use core::fmt;
use std::future::Future;
use std::io;

use ::tokio::net::{TcpStream, UnixStream};
use ::tokio::time::timeout;

use super::super::ByteStream;
use super::super::runtime;
use super::{Stream, Target, Targets, config};
use crate::connection::Config;
use crate::error::{Error, ErrorKind};

/// Why no target could be connected to: which were tried, and what became of each.
#[derive(Debug)]
pub struct Unreachable {
    tried: Vec<(Target, Error)>,
    /// Some are left that were not tried.
    is_ended: bool,
}

/// Connects to the first of `targets` that there is, with [`any::config`](super::config).
///
/// # Errors
/// As for [`connect_with`].
pub async fn connect(targets: &Targets) -> Result<Stream, Unreachable> {
    connect_with(&config(), targets).await
}

/// The same, with these options for a ring. [`Config::handshake_timeout`] holds for each target by itself, of whichever kind.
///
/// # Errors
/// No target could be connected to, or one that is there refused us: the [module](super) says when the next is tried. [`ErrorKind::Runtime`]: outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
pub async fn connect_with(config: &Config, targets: &Targets) -> Result<Stream, Unreachable> {
    let mut tried = Vec::new();
    let mut left = targets.iter();
    for target in left.by_ref() {
        let error = match dial(config, target).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let kind = error.kind();
        tried.push((target.clone(), error));
        if !passes_on(kind) {
            break;
        }
    }
    let is_ended = left.next().is_some();
    Err(Unreachable { tried, is_ended })
}

async fn dial(config: &Config, target: &Target) -> Result<Stream, Error> {
    match target {
        Target::Ring(address) => {
            let config = config.clone().lanes(1);
            let stream = ByteStream::connect_with(&config, address.clone()).await?;
            Ok(stream.into())
        }
        Target::Unix(path) => {
            runtime::probe("connecting")?;
            within(config, UnixStream::connect(path))
                .await
                .map(Stream::Unix)
        }
        Target::Tcp(place) => {
            runtime::probe("connecting")?;
            let stream = within(config, TcpStream::connect(place)).await?;
            // Without it small messages wait for each other, as they do not in a ring.
            stream.set_nodelay(true).map_err(unconnected)?;
            Ok(Stream::Tcp(stream))
        }
    }
}

async fn within<T>(config: &Config, made: impl Future<Output = io::Result<T>>) -> Result<T, Error> {
    match timeout(config.timeout, made).await {
        Ok(made) => made.map_err(unconnected),
        Err(_) => Err(Error::new(ErrorKind::TimedOut, "nobody answers in time")),
    }
}

fn unconnected(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => ErrorKind::NotFound,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => ErrorKind::PeerGone,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        io::ErrorKind::WouldBlock => ErrorKind::Busy, // the queue of a Unix socket is full
        io::ErrorKind::PermissionDenied => ErrorKind::UidRefused,
        _ => return Error::io("connecting", error),
    };
    Error::caused(kind, "connecting", error)
}

/// Whether the next target is tried behind such an error. The module says why.
fn passes_on(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::PeerGone
        | ErrorKind::Busy
        | ErrorKind::TimedOut
        | ErrorKind::Version
        | ErrorKind::Feature
        | ErrorKind::Resources => true,
        // A planted fault, which interop/tests/services must find: a stranger under the name is passed over.
        #[cfg(ringway_planted = "hidden_refusal")]
        ErrorKind::UidRefused => true,
        ErrorKind::InvalidConfig
        | ErrorKind::InvalidName
        | ErrorKind::NameTooLong
        | ErrorKind::NameTaken
        | ErrorKind::Directory
        | ErrorKind::Malformed
        | ErrorKind::Descriptors
        | ErrorKind::Segment
        | ErrorKind::Geometry
        | ErrorKind::Schema
        | ErrorKind::Forked
        | ErrorKind::PeerLives
        | ErrorKind::Unread
        | ErrorKind::Clock
        | ErrorKind::Runtime
        | ErrorKind::Io => false,
        #[cfg(not(ringway_planted = "hidden_refusal"))]
        ErrorKind::UidRefused => false,
    }
}

impl Unreachable {
    /// What was tried, in order, and why it failed.
    pub fn tried(&self) -> &[(Target, Error)] {
        &self.tried
    }

    /// What kind of error ended the search: that of the last target that was tried. `InvalidConfig`: there were none.
    pub fn kind(&self) -> ErrorKind {
        self.tried
            .last()
            .map_or(ErrorKind::InvalidConfig, |(_, error)| error.kind())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tried.is_empty() {
            return out.write_str("there is no target to connect to: name at least one");
        }
        out.write_str("no connection to any target: ")?;
        for (number, (target, error)) in self.tried.iter().enumerate() {
            let before = if number == 0 { "" } else { "; " };
            write!(out, "{before}{target}: {error}")?;
        }
        if self.is_ended {
            out.write_str("; those behind it are not tried after such an answer")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (_, error) = self.tried.last()?;
        Some(error)
    }
}
