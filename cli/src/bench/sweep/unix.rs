//! A Unix socket of either kind, waiting in the kernel or never.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, connect, listen,
    recv, send, setsockopt, socket, sockopt,
};

use super::super::kit::Side;
use super::super::work::Link;
use super::super::{Failure, fail};

/// One end.
#[derive(Debug)]
pub(super) struct Unix {
    socket: OwnedFd,
    packets: bool,
    flags: MsgFlags,
}

impl Unix {
    /// `busy`: calls that find nothing, or no room, are made again at once.
    pub(super) fn new(socket: OwnedFd, packets: bool, busy: bool) -> Self {
        let mut flags = MsgFlags::MSG_NOSIGNAL;
        flags.set(MsgFlags::MSG_DONTWAIT, busy);
        Self {
            socket,
            packets,
            flags,
        }
    }
}

/// Connects the two sides: the follower listens at `address`.
pub(super) fn meet(packets: bool, address: &Path, side: Side) -> Result<OwnedFd, Failure> {
    let kind = if packets {
        SockType::SeqPacket
    } else {
        SockType::Stream
    };
    let make = || socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None);
    let place = UnixAddr::new(address)?;
    if side == Side::Follow {
        use std::os::fd::FromRawFd;
        let door = make()?;
        bind(door.as_raw_fd(), &place)?;
        listen(&door, Backlog::new(1)?)?;
        let accepted = accept4(door.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
        // SAFETY: the kernel has just returned it, and nothing else owns it.
        return Ok(unsafe { OwnedFd::from_raw_fd(accepted) });
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let own = make()?;
        match connect(own.as_raw_fd(), &place) {
            Ok(()) => return Ok(own),
            Err(Errno::ENOENT | Errno::ECONNREFUSED) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks for a buffer of so many bytes; the kernel gives what `net.core.wmem_max` permits.
pub(super) fn widen(socket: &OwnedFd, bytes: usize) -> Result<(), Failure> {
    Ok(setsockopt(socket, sockopt::SndBuf, &bytes)?)
}

impl Link for Unix {
    #[inline(always)]
    fn send(&mut self, mut payload: &[u8]) {
        while !payload.is_empty() {
            match send(self.socket.as_raw_fd(), payload, self.flags) {
                Ok(sent) => payload = &payload[sent..],
                Err(Errno::EAGAIN) => std::hint::spin_loop(),
                Err(Errno::EINTR) => {}
                Err(error) => fail(&error),
            }
        }
    }

    #[inline(always)]
    fn recv(&mut self, payload: &mut [u8]) {
        let mut filled = 0;
        while filled < payload.len() {
            match recv(self.socket.as_raw_fd(), &mut payload[filled..], self.flags) {
                Ok(0) => fail(&"the other side has gone"),
                Ok(length) if self.packets && length != payload.len() => {
                    fail(&format!("a packet of {length} bytes"));
                }
                Ok(length) => filled += length,
                Err(Errno::EAGAIN) => std::hint::spin_loop(),
                Err(Errno::EINTR) => {}
                Err(error) => fail(&error),
            }
        }
    }
}
