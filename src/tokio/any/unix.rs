//! A Unix socket to listen at: it replaces what a killed server left, and takes its own away.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tokio::net::UnixListener;

use super::super::ours::Ours;
use crate::sys::directory::identity;
use crate::sys::lock::{Lock, Unlocked};
use crate::sys::socket;

/// Whoever listens holds its lock for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

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
        let listener = locked(path)?;
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

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Listens there, and takes the place of what a killed server left. One at a time: a socket that is bound and not listened at yet looks as one that was left.
fn locked(path: &Path) -> io::Result<UnixListener> {
    let _lock = match Lock::take(path, LOCK_PATIENCE) {
        Ok(lock) => Some(lock),
        Err(Unlocked::Held(_)) => return Err(io::ErrorKind::AddrInUse.into()),
        // Where its directory cannot be read, there is none.
        Err(Unlocked::Io(_)) => None,
    };
    match UnixListener::bind(path) {
        Err(error) if is_taken(&error) && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has found a dead socket waits for whoever is replacing it, and finds that one there.
    #[test]
    fn of_two_that_replace_a_dead_socket_one_is_told_that_the_name_is_taken() {
        let folder = std::env::temp_dir().join(format!("ringway-unix-door-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("door");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let lock = Lock::take(&path, LOCK_PATIENCE).unwrap();
        let late = std::thread::scope(|scope| {
            let late = scope.spawn(|| {
                let mut runtime = ::tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_io().build().unwrap();
                runtime.block_on(async { UnixDoor::bind(&path).map(drop) })
            });
            // Longer than it takes to come to the lock, or to do without.
            std::thread::sleep(Duration::from_millis(100));
            assert!(is_stale(&path), "it is replaced by whoever has the lock");
            std::fs::remove_file(&path).unwrap();
            let _first = std::os::unix::net::UnixListener::bind(&path).unwrap();
            drop(lock);
            let late = late.join().unwrap();
            assert!(!is_stale(&path), "the first one has the name");
            late
        });
        assert!(is_taken(&late.unwrap_err()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
