//! Listening under a name, with several handshakes under way at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Connection;
use super::address::{Address, LOCK_PATIENCE};
use super::config::Config;
use super::server::{Pending, Progress};
use crate::error::{Error, ErrorKind};
use crate::sys::fork::Birth;
use crate::sys::{directory, poll, socket};

/// Handshakes under way at once; further clients wait in the kernel's queue.
const HANDSHAKES: usize = 64;

/// Accepts connections under a name or path. Dropping it frees the name; connections live on.
///
/// Handshakes move on only inside `accept`, `accept_deadline` and `try_accept`: a listener that is not asked keeps up to 64 of them open.
#[derive(Debug)]
pub struct Listener {
    config: Config,
    path: PathBuf,
    identity: Option<(u64, u64)>,
    socket: OwnedFd,
    pending: Vec<Pending>,
    refusals: u64,
    last_refusal: Option<Error>,
    birth: Birth,
}

impl Listener {
    /// Listens with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::bind`].
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Config::new().bind(address)
    }

    pub(crate) fn with(config: Config, address: &Address) -> Result<Self, Error> {
        let birth = Birth::here().map_err(|error| Error::io("preparing for forks", error))?;
        let path = address.resolve(true)?;
        let _lock = directory::Lock::take(parent(&path), LOCK_PATIENCE).map_err(|error| {
            Error::io(
                &format!("locking the directory of {}", path.display()),
                error,
            )
        })?;
        let socket = bind(&path)?;
        // The uid check in the handshake decides who gets in; the socket's mode must not stand in the way of those it admits.
        let mode = if config.uids.is_empty() { 0o600 } else { 0o666 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .map_err(|error| Error::io("setting the socket's mode", error))?;
        let identity = directory::identity(&path);
        Ok(Self {
            config,
            path,
            identity,
            socket,
            pending: Vec::new(),
            refusals: 0,
            last_refusal: None,
            birth,
        })
    }

    /// Waits for the next client that completes the handshake. Clients that are refused are counted ([`Listener::refusals`]) and
    /// passed over.
    ///
    /// # Errors
    /// What the system answers, such as a descriptor limit.
    pub fn accept(&mut self) -> Result<Connection, Error> {
        loop {
            if let Some(connection) = self.step()? {
                return Ok(connection);
            }
            self.sleep(None)?;
        }
    }

    /// As [`Listener::accept`], until `deadline`.
    ///
    /// # Errors
    /// Also [`ErrorKind::TimedOut`].
    pub fn accept_deadline(&mut self, deadline: Instant) -> Result<Connection, Error> {
        loop {
            if let Some(connection) = self.step()? {
                return Ok(connection);
            }
            if Instant::now() >= deadline {
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    "no client connected before the deadline",
                ));
            }
            self.sleep(Some(deadline))?;
        }
    }

    /// A client that has completed its handshake, if there is one. Never waits.
    ///
    /// # Errors
    /// As for [`Listener::accept`].
    pub fn try_accept(&mut self) -> Result<Option<Connection>, Error> {
        self.step()
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Clients whose handshake was refused or failed.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Why the last one was refused.
    pub fn last_refusal(&self) -> Option<&Error> {
        self.last_refusal.as_ref()
    }

    /// Takes new clients in and moves every handshake on.
    fn step(&mut self) -> Result<Option<Connection>, Error> {
        if self.birth.is_forked() {
            return Err(Error::new(
                ErrorKind::Forked,
                "the listener belongs to the process that forked this one",
            ));
        }
        while self.pending.len() < HANDSHAKES {
            match socket::accept(self.socket.as_fd()) {
                Ok(Some(line)) => self
                    .pending
                    .push(Pending::new(line, Instant::now() + self.config.timeout)),
                Err(error) if self.pending.is_empty() => {
                    return Err(Error::io("accepting a client", error));
                }
                // Nobody, or an error such as a lack of descriptors: handshakes under way may finish and free some.
                Ok(None) | Err(_) => break,
            }
        }
        for index in (0..self.pending.len()).rev() {
            match self.pending.swap_remove(index).advance(&self.config) {
                Progress::Pending(pending) => self.pending.push(pending),
                Progress::Done(connection) => return Ok(Some(connection)),
                Progress::Silent => {}
                Progress::Refused(error) => {
                    self.refusals += 1;
                    self.last_refusal = Some(error);
                }
            }
        }
        Ok(None)
    }

    fn sleep(&self, deadline: Option<Instant>) -> Result<(), Error> {
        let mut fds: Vec<_> = self
            .pending
            .iter()
            .map(|pending| poll::entry(pending.line()))
            .collect();
        if self.pending.len() < HANDSHAKES {
            fds.push(poll::entry(self.socket.as_fd()));
        }
        let until = self
            .pending
            .iter()
            .map(Pending::deadline)
            .chain(deadline)
            .min();
        poll::ready(&mut fds, until)
            .map(drop)
            .map_err(|error| Error::io("waiting for clients", error))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Binds, replacing a socket whose listener is dead. The caller holds the directory's lock.
fn bind(path: &Path) -> Result<OwnedFd, Error> {
    match socket::listen(path) {
        Ok(socket) => return Ok(socket),
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {}
        Err(error) => {
            return Err(Error::io(
                &format!("listening at {}", path.display()),
                error,
            ));
        }
    }
    let taken = |what: &str| {
        Err(Error::new(
            ErrorKind::NameTaken,
            format!("{} {what}", path.display()),
        ))
    };
    match socket::connect(path) {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
        Ok(_) => {
            return taken("is taken by a listener that is alive: stop it, or use another name");
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
            return taken("is taken by a listener whose queue is full");
        }
        Err(_) => return taken("exists and is no socket of ours: remove it, or use another name"),
    }
    let is_socket = std::fs::symlink_metadata(path)
        .is_ok_and(|status| std::os::unix::fs::FileTypeExt::is_socket(&status.file_type()));
    if !is_socket {
        return taken("exists and is no socket: remove it, or use another name");
    }
    std::fs::remove_file(path)
        .map_err(|error| Error::io("removing a dead listener's socket", error))?;
    socket::listen(path)
        .map_err(|error| Error::io(&format!("listening at {}", path.display()), error))
}

impl AsFd for Listener {
    /// Readable when a client waits. Handshakes under way are not behind it: poll with a short timeout while there are some, or
    /// give the listener a thread.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.birth.is_forked() {
            return;
        }
        // Only what is still ours: another listener may have taken the name since somebody removed our socket.
        if let Ok(_lock) = directory::Lock::take(parent(&self.path), LOCK_PATIENCE) {
            if directory::identity(&self.path) == self.identity {
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }
}
