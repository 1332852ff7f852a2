//! Where the clients of a bridge come from: TCP, or Ringway.

use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;

use nix::libc;
use ringway::Listener;
use ringway::stream::ByteStream;

use super::passage::Passage;
use super::tcp::Tcp;
use super::unended::Unended;
use crate::exit::{Code, Failure};

/// What a look at a door has found.
#[derive(Debug)]
pub(super) enum Found<C> {
    Client(C),
    Nobody,
    /// Why nobody can be let in now: no descriptors, no memory, a network that fails. Others go when some have gone, so that it is tried again, but not at once.
    Lack(String),
}

/// A listener that never waits in `accept`. Clients are broken off where they are dropped.
pub(super) trait Door: AsFd {
    /// Who comes.
    type Client: Send + 'static;
    /// Whom it is joined with.
    type Other;

    /// The next client, if there is one.
    fn accept(&mut self) -> Result<Found<Self::Client>, Failure>;
    /// Joins the two.
    fn passage(client: Self::Client, other: Self::Other) -> Passage;
}

impl Door for TcpListener {
    type Client = Tcp;
    type Other = Unended<ByteStream>;

    fn accept(&mut self) -> Result<Found<Tcp>, Failure> {
        match TcpListener::accept(self) {
            Ok((client, _)) => Ok(Found::Client(Tcp::new(client))),
            Err(error) => match error.kind() {
                // One that has gone again is nobody, and the next one is found by the next look.
                io::ErrorKind::WouldBlock
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::Interrupted => Ok(Found::Nobody),
                _ => lack_or_end(error.raw_os_error(), &error),
            },
        }
    }

    fn passage(tcp: Tcp, ring: Unended<ByteStream>) -> Passage {
        Passage { tcp, ring }
    }
}

impl Door for Listener {
    type Client = Unended<ByteStream>;
    type Other = Tcp;

    fn accept(&mut self) -> Result<Found<Unended<ByteStream>>, Failure> {
        let accepted = match self.try_accept() {
            Ok(None) => return Ok(Found::Nobody),
            Ok(Some(connection)) => ByteStream::over(connection),
            Err(error) => Err(error),
        };
        match accepted {
            Ok(stream) => Ok(Found::Client(Unended::new(stream))),
            Err(error) => lack_or_end(system_error(&error), &error),
        }
    }

    fn passage(ring: Unended<ByteStream>, tcp: Tcp) -> Passage {
        Passage { tcp, ring }
    }
}

/// The system's number behind an error of the library.
pub(super) fn system_error(error: &ringway::Error) -> Option<i32> {
    let system = error.source()?.downcast_ref::<io::Error>();
    system.and_then(io::Error::raw_os_error)
}

/// Only what says that the listener itself is none is the end: everything else is one client's, or passes.
fn lack_or_end<C>(number: Option<i32>, error: &dyn Error) -> Result<Found<C>, Failure> {
    let told = format!("cannot accept a client: {error}");
    match number {
        Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT) => {
            Err(Failure::new(Code::Failed, told))
        }
        _ => Ok(Found::Lack(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_listener_ends_the_bridge() {
        let judge = |number| {
            let error = io::Error::from_raw_os_error(number);
            lack_or_end::<()>(Some(number), &error)
        };
        for number in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EFAULT] {
            assert!(judge(number).is_err(), "{number}");
        }
        let passing = [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EPROTO,
            libc::EPERM,
            libc::ENETDOWN,
            libc::EHOSTUNREACH,
            libc::ETIMEDOUT,
        ];
        for number in passing {
            assert!(matches!(judge(number), Ok(Found::Lack(_))), "{number}");
        }
    }
}
