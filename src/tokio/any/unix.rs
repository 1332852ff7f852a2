//! A Unix socket to listen at: it replaces what a killed server left, and takes its own away.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use ::tokio::net::UnixListener;

use super::super::ours::Ours;
use crate::sys::directory::identity;
use crate::sys::socket;

/// A listener whose socket file goes with it.
#[derive(Debug)]
pub(super) struct UnixDoor {
    pub(super) listener: Ours<UnixListener>,
    path: PathBuf,
    /// Which file it is: somebody else's may lie there when ours goes.
    file: Option<(u64, u64)>,
}

impl UnixDoor {
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
                std::fs::remove_file(path)?;
                UnixListener::bind(path)
            }
            bound => bound,
        }?;
        // Our working directory may change.
        let path = std::path::absolute(path)?;
        let file = identity(&path);
        Ok(Self {
            listener: Ours::new(listener)?,
            path,
            file,
        })
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        if !self.listener.is_forked() && self.file.is_some() && identity(&self.path) == self.file {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether a socket lies there at which nobody listens any more.
fn is_stale(path: &Path) -> bool {
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|status| status.file_type().is_socket());
    // Behind whoever listens and accepts nobody a connect that waits would wait for ever.
    is_socket
        && socket::knock(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
