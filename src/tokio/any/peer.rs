//! Who is at the other end, of whatever kind of stream.

use std::net::SocketAddr;

use crate::connection;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Of a ring: the process that speaks.
    Ring(connection::Peer),
    /// Of a Unix socket: whoever connected or listened, by the kernel's word, and perhaps no longer holds it.
    Unix(connection::Peer),
    /// Of TCP: an address, and nobody who vouches for it.
    Tcp(SocketAddr),
}

impl Peer {
    /// Its user id, if the kernel told one.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Self::Ring(peer) | Self::Unix(peer) => Some(peer.uid),
            Self::Tcp(_) => None,
        }
    }

    /// Its process id, if the kernel told one that means something here.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Ring(peer) | Self::Unix(peer) => peer.pid,
            Self::Tcp(_) => None,
        }
    }
}
