//! The lock under which a socket is replaced or removed, so that two servers that start together cannot remove each other's.
//!
//! Whoever can open a file can hold its `flock` for ever. So it is the directory's where nobody else can open that. Elsewhere it is that of a file beside the socket, `.NAME.lock`, which is ours alone, is there for as long as it is
//! held, and is removed by who holds it. Whoever waited for it meanwhile has a file then that is nowhere, and begins again: nobody else removes it, so that two who hold one at a time hold the same.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::fstat;

use super::credentials::is_own;
use super::{again, check, last_error};

/// How long the lock of a directory is asked for that others can hold. It keeps processes out that know no other lock, and hold theirs for some instructions.
const POLITENESS: Duration = Duration::from_millis(50);

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Before the directory: it is the one that others wait for first.
    _beside: Option<Beside>,
    _directory: Option<Held>,
}

/// Why it was not taken.
#[derive(Debug)]
pub(crate) enum Unlocked {
    /// A process of our own uid has held this for as long as we were to wait.
    Held(PathBuf),
    Io(io::Error),
}

impl From<io::Error> for Unlocked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    /// Waits for the lock of the socket at `path` until `patience` has passed.
    pub(crate) fn take(path: &Path, patience: Duration) -> Result<Self, Unlocked> {
        let deadline = Instant::now() + patience;
        let folder = parent(path);
        let directory = open(folder, libc::O_RDONLY | libc::O_DIRECTORY)?;
        if is_ours_alone(&directory)? {
            let held = Held::take(directory, deadline)?;
            let held = held.ok_or_else(|| Unlocked::Held(folder.to_path_buf()))?;
            return Ok(Self {
                _beside: None,
                _directory: Some(held),
            });
        }
        // Where no file can be had (others may have laid something there, or the file system may be full), the directory's lock is all that there is, and better than to be kept out by whoever likes.
        let beside = Beside::take(path, deadline)?;
        Ok(Self {
            _beside: beside,
            _directory: Held::take(directory, Instant::now() + POLITENESS)?,
        })
    }
}

/// The directory of a socket.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The lock of a file or a directory.
#[derive(Debug)]
struct Held(OwnedFd);

impl Held {
    /// `None`: another one has it until `deadline`.
    fn take(file: OwnedFd, deadline: Instant) -> io::Result<Option<Self>> {
        loop {
            // SAFETY: no memory is passed.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(Some(Self(file)));
            }
            let error = last_error();
            if !matches!(error.raw_os_error(), Some(libc::EWOULDBLOCK | libc::EINTR)) {
                return Err(error);
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The close alone would leave it to a child that was forked meanwhile, for as long as that has a copy.
        // SAFETY: no memory is passed.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}

/// The file beside a socket, locked, and at its place.
#[derive(Debug)]
struct Beside {
    path: PathBuf,
    _held: Held,
}

impl Beside {
    /// `None`: there can be no such file of ours.
    fn take(path: &Path, deadline: Instant) -> Result<Option<Self>, Unlocked> {
        let Some(name) = path.file_name() else {
            return Ok(None);
        };
        let mut lock = std::ffi::OsString::from(".");
        lock.push(name);
        lock.push(".lock");
        let path = parent(path).join(lock);
        loop {
            // No link is followed, and no pipe waited for, that somebody has laid there. To be written, though nobody does: over NFS nothing else can be locked.
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let file = match open(&path, flags) {
                Ok(file) => file,
                Err(error) if is_no_place(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            if !is_ours_alone(&file)? {
                return Ok(None);
            }
            let Some(held) = Held::take(file, deadline)? else {
                return Err(Unlocked::Held(path));
            };
            if fstat(&held.0).map_err(io::Error::from)?.st_nlink > 0 {
                return Ok(Some(Self { path, _held: held }));
            }
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Before the lock is let go of.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether it says that no file can be had there, rather than that something is lacking for a moment. Where there is no room the socket cannot be made either, and that says so better.
fn is_no_place(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EACCES
                | libc::EPERM
                | libc::ELOOP
                | libc::EISDIR
                | libc::ENXIO
                | libc::EROFS
                | libc::ENOSPC
                | libc::EDQUOT
        )
    )
}

/// Whether nobody else can open it: it is a directory or a plain file, and its owner we. (With an access control list the group's bits are the most that the list grants anybody.)
fn is_ours_alone(file: &OwnedFd) -> io::Result<bool> {
    let status = fstat(file)?;
    let kind = status.st_mode & libc::S_IFMT;
    let is_known = matches!(kind, libc::S_IFDIR | libc::S_IFREG);
    Ok(is_known && is_own(status.st_uid) && status.st_mode & 0o066 == 0)
}

fn open(path: &Path, flags: libc::c_int) -> io::Result<OwnedFd> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let flags = flags | libc::O_CLOEXEC;
    // SAFETY: `path` is a valid NUL-terminated string for the duration of the call; the mode is looked at where a file is made.
    let fd = again(|| check(unsafe { libc::open(path.as_ptr(), flags, 0o600) }))?;
    // SAFETY: `fd` was just returned by the kernel and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    use super::*;
    use crate::sync::{AtomicU64, Ordering};

    #[test]
    fn one_has_it_at_a_time_and_nothing_is_left() {
        for mode in [0o700, 0o755] {
            let folder = format!("ringway-lock-{mode:o}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            fs::DirBuilder::new().mode(mode).create(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            // Of the directory itself it cannot be: somebody else has that.
            let stranger = (mode == 0o755).then(|| {
                let directory = open(&folder, libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
                Held::take(directory, Instant::now()).unwrap().unwrap()
            });
            let path = folder.join("socket");
            let inside = AtomicU64::new(0);
            let rounds = if stranger.is_some() { 10 } else { 200 };
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..rounds {
                            let lock = Lock::take(&path, Duration::from_secs(60)).unwrap();
                            // ORD: lock-test: SeqCst, whoever is inside sees whoever else is; partner: itself.
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            std::thread::yield_now();
                            // ORD: lock-test: SeqCst, the same; partner: itself.
                            inside.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    });
                }
            });
            drop(stranger);
            // It was empty.
            fs::remove_dir(&folder).unwrap();
        }
    }

    /// NFS makes a lock of a range of it, which whoever cannot write is refused (`EBADF`).
    #[test]
    #[allow(clippy::used_underscore_binding, reason = "else it is only held")]
    fn the_file_beside_a_socket_can_be_locked_over_a_network() {
        let folder = std::env::temp_dir().join(format!("ringway-lock-nfs-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let beside = Beside::take(&folder.join("socket"), Instant::now());
        let beside = beside.unwrap().unwrap();
        // SAFETY: no memory is passed.
        let flags = unsafe { libc::fcntl(beside._held.0.as_raw_fd(), libc::F_GETFL) };
        assert_eq!(flags & libc::O_ACCMODE, libc::O_RDWR);
        drop(beside);
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_child_that_has_a_copy_does_not_keep_it() {
        let folder = std::env::temp_dir().join(format!("ringway-lock-copy-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let directory = open(&folder, libc::O_RDONLY | libc::O_DIRECTORY).unwrap();
        let copy = directory.try_clone().unwrap();
        let held = Held::take(directory, Instant::now()).unwrap().unwrap();
        let taken = Lock::take(&folder.join("socket"), Duration::ZERO);
        assert!(matches!(taken, Err(Unlocked::Held(it)) if it == folder));
        drop(held);
        drop(Lock::take(&folder.join("socket"), Duration::ZERO).unwrap());
        drop(copy);
        fs::remove_dir(&folder).unwrap();
    }
}
