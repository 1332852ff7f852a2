//! The listening socket, whose queue holds clients that may have sent something already.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::{Shutdown, shutdown};

use super::fork::Birth;
use super::{aside, poll, socket};

/// A listening socket. Dropping it turns away who waits.
#[derive(Debug)]
pub(crate) struct Door {
    socket: ManuallyDrop<OwnedFd>,
    birth: Birth,
}

impl Door {
    /// Binds and listens. The path must not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let birth = Birth::here()?;
        let socket = ManuallyDrop::new(socket::listen(path)?);
        Ok(Self { socket, birth })
    }

    fn nobody_waits(&self) -> bool {
        // In a forked child clients wait for the parent, but if that has closed its copy, they go with ours.
        if self.birth.is_forked() {
            return !poll::readable(self.as_fd());
        }
        // From here on nobody can connect.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        match socket::accept(self.as_fd()) {
            Ok(None) => true,
            Ok(Some(client)) => {
                aside::close(vec![client]);
                false
            }
            // Such as a lack of descriptors.
            Err(_) => false,
        }
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let nobody = self.nobody_waits();
        // SAFETY: it is taken here only, and nobody uses `self` afterwards.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if nobody {
            drop(socket);
        } else {
            aside::close(vec![socket]);
        }
    }
}
