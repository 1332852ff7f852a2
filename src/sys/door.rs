//! The listening socket, whose queue holds clients that may have sent something already. It is made here, or by whoever started this process.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::socket::{Shutdown, SockType, UnixAddr, getsockname, getsockopt, shutdown, sockopt};

use super::fork::Birth;
use super::socket::Unfit;
use super::{aside, poll, socket};

/// So many of those who wait are told by the drop itself, each of whom takes a descriptor until it is closed; the others by the close of the socket, on another thread.
const TOLD: usize = 64;

/// A listening socket. Dropping it turns away who waits.
#[derive(Debug)]
pub(crate) struct Door {
    socket: ManuallyDrop<OwnedFd>,
    birth: Birth,
    /// Another process has it too: whoever waits is let in there.
    shared: bool,
}

/// Where a socket of our kind listens.
pub(crate) fn listens_at(socket: BorrowedFd<'_>) -> Result<PathBuf, Unfit> {
    let kind = match getsockopt(&socket, sockopt::SockType) {
        Err(nix::Error::ENOTSOCK) => return Err(Unfit::Kind("it is no socket")),
        kind => kind?,
    };
    let address = match getsockname::<UnixAddr>(socket.as_raw_fd()) {
        Err(nix::Error::EINVAL) => return Err(Unfit::Kind("it is no Unix socket")),
        address => address?,
    };
    if kind != SockType::SeqPacket {
        let text = "it is a Unix socket of another type (`SOCK_SEQPACKET` is wanted; systemd: `ListenSequentialPacket=`)";
        return Err(Unfit::Kind(text));
    }
    if !getsockopt(&socket, sockopt::AcceptConn)? {
        return Err(Unfit::Kind("it does not listen"));
    }
    let path = address.path().map(Path::to_path_buf);
    path.ok_or(Unfit::Kind("it has no path"))
}

impl Door {
    /// Binds and listens. The path must not exist. `to_others`: whatever its user, a client finds the way open from the first moment on.
    pub(crate) fn open(path: &Path, to_others: bool) -> io::Result<Self> {
        let birth = Birth::here()?;
        let socket = ManuallyDrop::new(socket::listen(path, to_others)?);
        Ok(Self {
            socket,
            birth,
            shared: false,
        })
    }

    /// Takes a socket that listens already. Returns its path too.
    pub(crate) fn adopt(socket: OwnedFd) -> Result<(Self, PathBuf), Unfit> {
        let birth = Birth::here().map_err(Unfit::Io)?;
        let path = listens_at(socket.as_fd())?;
        socket::take_over(&socket)?;
        let door = Self {
            socket: ManuallyDrop::new(socket),
            birth,
            // Whoever made it may have it still.
            shared: true,
        };
        Ok((door, path))
    }

    /// The same socket, to be handed to another process once it is shared.
    pub(crate) fn copy(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    /// Another process is about to have it: it is not shut with ours from now on.
    pub(crate) fn share(&mut self) {
        self.shared = true;
    }

    /// Whoever asks the kernel who listens there is told of this process from now on, and not of one that may have ended. Where a sandbox forbids it, such an advice is less good.
    pub(crate) fn answer_for(&self) {
        let _ = socket::listen_anew(self.as_fd());
    }

    fn nobody_waits(&self) -> bool {
        // In a forked child clients wait for the parent, but if that has closed its copy, they go with ours.
        if self.birth.is_forked() {
            return !poll::readable(self.as_fd());
        }
        // From here on nobody can connect.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        for _ in 0..TOLD {
            match socket::accept(self.as_fd()) {
                Ok(None) => return true,
                Ok(Some(client)) => {
                    // Now, and not when a thread comes to it: all of them may hang, or none can be had.
                    let _ = shutdown(client.as_raw_fd(), Shutdown::Both);
                    aside::close(vec![client]);
                }
                // Such as a lack of descriptors.
                Err(_) => break,
            }
        }
        false
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // What is shared is not shut; and if ours is the last copy after all, who waits goes with it.
        let nobody = !self.shared && self.nobody_waits();
        // SAFETY: it is taken here only, and nobody uses `self` afterwards.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if nobody {
            drop(socket);
        } else {
            aside::close(vec![socket]);
        }
    }
}
