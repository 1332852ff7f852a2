//! Listening under a name, with several handshakes under way at once.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Connection;
use super::address::{Address, LOCK_PATIENCE};
use super::book::place;
use super::config::Config;
use super::handover::Succession;
use super::lack::lack;
use super::quota::{HANDSHAKES, Quota};
use super::server::{self, Host, Pending, Progress};
use super::shown::Shows;
use super::side::Parts;
use crate::error::{Error, ErrorKind};
use crate::sys::door::Door;
use crate::sys::fork::Birth;
use crate::sys::line::Line;
use crate::sys::lobby::Lobby;
use crate::sys::lock::{self, Lock, Unlocked};
use crate::sys::mode::Place;
use crate::sys::{credentials, directory, poll, socket};

/// Clients that could not be taken for a lack are asked for again after this long, at the latest.
const RETRY: Duration = Duration::from_millis(20);

/// Accepts connections under a name or path. Dropping it frees the name; connections live on.
///
/// Handshakes move on, and those that take too long end, only inside `accept`, `accept_deadline` and `try_accept`; its descriptor
/// says when one of these has something to do. Up to 64 handshakes are under way at once. A listener costs three descriptors,
/// and each handshake its socket and what a connection costs.
///
/// # In somebody else's loop
///
/// ```
/// # use std::os::fd::{AsFd, AsRawFd};
/// # let path = std::env::temp_dir().join(format!("ringway-doc-{}", std::process::id()));
/// # let mut listener = ringway::Listener::bind(path.as_path())?;
/// # let client = std::thread::spawn(move || ringway::connect(path));
/// let connection = loop {
///     # let mut entry = libc::pollfd { fd: listener.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
///     # // SAFETY: one valid entry.
///     # let mut wait_until_readable = |_: std::os::fd::BorrowedFd<'_>| unsafe { libc::poll(&raw mut entry, 1, -1) };
///     wait_until_readable(listener.as_fd()); // `poll`, `epoll` in either mode, ...
///     if let Some(connection) = listener.try_accept()? {
///         break connection;
///     }
/// };
/// # drop(connection);
/// # client.join().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    config: Config,
    path: PathBuf,
    /// The same for everybody: what its connections are counted under.
    place: PathBuf,
    /// What lies at the path, if it is ours to remove.
    identity: Option<(u64, u64)>,
    door: Door,
    pub(super) succession: Succession,
    lobby: Lobby,
    /// Handshakes under way, the next to be moved on first.
    pending: VecDeque<Pending>,
    refusals: u64,
    last_refusal: Option<Error>,
    shows: Shows,
    /// Whether clients are taken, or observers only.
    peers: bool,
    quota: Quota,
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
        let _lock = Lock::take(&path, LOCK_PATIENCE).map_err(|why| unlocked(&path, why))?;
        step!("bind-before");
        // The uid check in the handshake decides who gets in; the socket's mode must not stand in the way of those it admits.
        let to_others = !config.uids.is_empty();
        let door = bind(&path, to_others)?;
        step!("bind-after");
        let mode = if to_others { 0o666 } else { 0o600 } | directory::KEPT;
        let made = Place::of_new_socket(&path)
            .and_then(|place| place.set_mode(&path, mode).map(|()| place.identity()))
            .map_err(|error| Error::io("setting the socket's mode", error))
            .and_then(|identity| match Lobby::new(door.as_fd()) {
                Ok(lobby) => Ok((Some(identity), lobby)),
                Err(error) => Err(Error::io("watching for clients", error)),
            });
        let (identity, lobby) = match made {
            Ok(made) => made,
            Err(error) => {
                // Nobody would listen there.
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
        };
        step!("listen");
        Ok(Self::over(config, path, identity, door, lobby, birth))
    }

    /// `identity`: of the file at `path`, if the drop is to remove it.
    pub(super) fn over(
        config: Config,
        path: PathBuf,
        identity: Option<(u64, u64)>,
        door: Door,
        lobby: Lobby,
        birth: Birth,
    ) -> Self {
        let quota = Quota::new(config.limits, birth);
        Self {
            config,
            place: place(&path),
            path,
            identity,
            door,
            succession: Succession::default(),
            lobby,
            pending: VecDeque::new(),
            refusals: 0,
            last_refusal: None,
            shows: Shows::default(),
            peers: true,
            quota,
            birth,
        }
    }

    /// Waits for the next client that completes the handshake. Clients that are refused are counted ([`Listener::refusals`]) and
    /// passed over.
    ///
    /// # Errors
    /// What the system answers, such as a descriptor limit; [`ErrorKind::Busy`], at once: another process lets clients in ([`Listener::hand_over`]), and no handshake of ours is left.
    pub fn accept(&mut self) -> Result<Connection, Error> {
        loop {
            if let Some(connection) = self.step()? {
                return Ok(connection);
            }
            self.refuse_idle()?;
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
            self.refuse_idle()?;
            if Instant::now() >= deadline {
                return Err(Self::late());
            }
            self.sleep(Some(deadline))?;
        }
    }

    pub(crate) fn late() -> Error {
        let text = "no client connected before the deadline";
        Error::new(ErrorKind::TimedOut, text)
    }

    /// A client that has completed its handshake, if there is one; `None` too where none will ever be ([`Listener::is_idle`]). Never waits. Where the descriptor is watched for edges, call this
    /// until it answers `None`.
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

    /// Handshakes under way: clients that were taken from the socket's queue, and are not accepted yet.
    pub fn handshakes(&self) -> usize {
        self.pending.len()
    }

    /// # Errors
    /// [`ErrorKind::Forked`].
    pub(super) fn refuse_child(&self) -> Result<(), Error> {
        if self.birth.is_forked() {
            return Err(Error::forked("listener"));
        }
        Ok(())
    }

    /// The listening socket, for another process to which it is handed once the door is shared.
    pub(super) fn copy_door(&self) -> io::Result<OwnedFd> {
        self.door.copy()
    }

    /// The last that can fail before another process has the socket, and the first that is seen of a hand-over. Nothing has changed where it fails.
    pub(super) fn share_door(&mut self) -> io::Result<()> {
        step!("hand-over-before");
        // Before anybody has it: were we killed in between, the name would be anybody's while another process serves there.
        if let Some(identity) = self.identity {
            directory::keep_no_more(&self.path, identity)?;
        }
        self.door.share();
        Ok(())
    }

    /// What lies at the path, if it is ours to remove.
    pub(super) fn identity(&self) -> Option<(u64, u64)> {
        self.identity
    }

    /// Has the lobby tell of clients again, at the latest with the step that it asks for.
    pub(super) fn reopen(&mut self) {
        if self.identity.is_some() {
            self.door.answer_for();
        }
        if self.lobby.admit(self.door.as_fd(), true).is_err() {
            let _ = self.lobby.ring_at(Some(Instant::now()));
        }
    }

    /// Takes new clients in, moves every handshake on, and has the lobby watch for what comes next.
    fn step(&mut self) -> Result<Option<Connection>, Error> {
        self.refuse_child()?;
        let queue = self.let_in().inspect_err(|_| {
            // Who is told by edges hears once more of those who wait, as below.
            let _ = self.lobby.ring_at(Some(Instant::now() + RETRY));
        })?;
        let before = self.pending.len();
        let done = self.move_on();
        let room = self.pending.len() < HANDSHAKES && !self.succession.is_handed_over();
        // Without descriptors a look at the queue is in vain until some are given back: by a handshake that has ended, which is seen here, or by anybody else, who does not say so.
        let open = room && (queue != Queue::Stuck || self.pending.len() < before);
        // Who is told by edges must hear once more of clients that were there and were not taken; epoll makes no new edge of what is
        // readable already, a timer does.
        let alarm = if open && queue != Queue::Empty {
            Some(Instant::now())
        } else {
            let again = (queue == Queue::Stuck).then(|| Instant::now() + RETRY);
            self.pending
                .iter()
                .map(Pending::deadline)
                .chain(again)
                .min()
        };
        let watched = self
            .lobby
            .admit(self.door.as_fd(), open)
            .and_then(|()| self.lobby.ring_at(alarm));
        match (done, watched) {
            // A connection is worth more than an error that the next call will meet again.
            (Some(connection), _) => Ok(Some(connection)),
            (None, Ok(())) => Ok(None),
            (None, Err(error)) => Err(Error::io("watching for clients", error)),
        }
    }

    /// Takes clients from the kernel's queue while there is room; so many at a time, because one that is refused at once takes no room and can
    /// come again at once.
    fn let_in(&mut self) -> Result<Queue, Error> {
        if self.succession.is_handed_over() {
            return Ok(Queue::Empty);
        }
        for _ in self.pending.len()..HANDSHAKES {
            match socket::accept(self.door.as_fd()) {
                Ok(Some(line)) => {
                    let deadline = Instant::now() + self.config.timeout;
                    let mut pending = Pending::new(line, deadline, &self.quota);
                    let begun = pending.begin().and_then(|()| {
                        self.lobby.add(pending.line()).map_err(|error| {
                            server::resources(&Error::io("watching a client", error))
                        })
                    });
                    match begun {
                        Ok(()) => self.pending.push_back(pending),
                        Err(refused) => drop(self.settle(pending.refuse(refused))),
                    }
                }
                Ok(None) => return Ok(Queue::Empty),
                Err(error) if self.pending.is_empty() => {
                    return Err(lack("accepting a client", error));
                }
                // Such as a lack of descriptors: handshakes under way may finish and free some.
                Err(_) => return Ok(Queue::Stuck),
            }
        }
        Ok(Queue::Waiting)
    }

    /// Moves handshakes on, in the order of their coming, until one is done; the others keep the lobby readable, and are the first the next
    /// time.
    fn move_on(&mut self) -> Option<Connection> {
        for _ in 0..self.pending.len() {
            let pending = self.pending.pop_front()?;
            let progress = pending.advance(&Host {
                config: &self.config,
                shows: &self.shows,
                peers: self.peers,
            });
            if let Some(connection) = self.settle(progress) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a handshake that goes on. One that does not is no longer watched.
    fn settle(&mut self, progress: Progress) -> Option<Connection> {
        match progress {
            Progress::Pending(pending) => self.pending.push_back(pending),
            Progress::Done(parts, line) => {
                self.lobby.remove(line.as_fd());
                return Some(self.join(parts, line));
            }
            Progress::Silent(line) => self.lobby.remove(line.as_fd()),
            Progress::Refused(line, error) => {
                self.lobby.remove(line.as_fd());
                self.pass_over(error);
            }
        }
        None
    }

    /// Nothing comes of a client, for this reason.
    pub(crate) fn pass_over(&mut self, error: Error) {
        self.refusals += 1;
        self.last_refusal = Some(error);
    }

    fn join(&mut self, parts: Parts, line: Line) -> Connection {
        parts.join(&self.config, Some(&mut self.shows), line, &self.place)
    }

    /// The process that made it.
    pub(super) fn birth(&self) -> Birth {
        self.birth
    }

    /// Refuses clients from now on, those whose handshakes are under way too.
    pub(super) fn take_no_more(&mut self) {
        self.peers = false;
    }

    fn sleep(&self, deadline: Option<Instant>) -> Result<(), Error> {
        poll::ready(&mut [poll::entry(self.lobby.as_fd())], deadline)
            .map(drop)
            .map_err(|error| Error::io("waiting for clients", error))
    }
}

/// What is left in the kernel's queue of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Empty,
    /// Perhaps more, for whom there was no room.
    Waiting,
    /// More, who cannot be taken now.
    Stuck,
}

/// Why the lock was not taken: mostly because the directory is not there.
fn unlocked(path: &Path, why: Unlocked) -> Error {
    let shown = path.display();
    match why {
        Unlocked::Held(lock) => {
            let text = format!(
                "cannot listen at {shown}: another process of this user has held the lock {} for {LOCK_PATIENCE:?}; it was stopped, or has no processor, while it binds a name or gives one up: let it go on, or end it",
                lock.display()
            );
            Error::new(ErrorKind::Io, text)
        }
        Unlocked::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = format!(
                "cannot listen at {shown}: the directory {} does not exist",
                lock::parent(path).display()
            );
            Error::new(ErrorKind::Directory, text)
        }
        Unlocked::Io(error) => Error::io(&format!("locking the directory of {shown}"), error),
    }
}

/// Binds, replacing a socket whose listener is dead. The caller holds the lock.
fn bind(path: &Path, to_others: bool) -> Result<Door, Error> {
    match Door::open(path, to_others) {
        Ok(door) => return Ok(door),
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {}
        Err(error) => return Err(no_socket(path, error)),
    }
    let taken = |what: &str| {
        Err(Error::new(
            ErrorKind::NameTaken,
            format!("{} {what}", path.display()),
        ))
    };
    match socket::connect(path) {
        Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
        Ok(socket) => {
            let ended = credentials::ended_listener(socket.as_fd());
            // Whoever listens there may have sent us something already.
            drop(Line::new(socket));
            let Some(pid) = ended else {
                return taken("is taken by a listener that is alive: stop it, or use another name");
            };
            // Else only children of that process have the socket, and a child lets nobody in.
            if !directory::is_kept(path) {
                let text = format!(
                    "is taken: process {pid}, which listened there last, has ended, but its socket was handed over once, and another process still has it, one that it was handed to or a forked child: end that one, or use another name"
                );
                return taken(&text);
            }
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {
            return taken("is taken by a listener whose queue is full");
        }
        Err(_) => return taken("is another program's socket: use another name or path"),
    }
    let is_socket = std::fs::symlink_metadata(path)
        .is_ok_and(|status| std::os::unix::fs::FileTypeExt::is_socket(&status.file_type()));
    if !is_socket {
        let text = format!(
            "{} is not a socket: use another name or path",
            path.display()
        );
        return Err(Error::new(ErrorKind::Io, text));
    }
    std::fs::remove_file(path)
        .map_err(|error| Error::io("removing a dead listener's socket", error))?;
    step!("bind-removed");
    Door::open(path, to_others).map_err(|error| no_socket(path, error))
}

/// Why no socket could be made there.
fn no_socket(path: &Path, error: std::io::Error) -> Error {
    let doing = format!("listening at {}", path.display());
    match directory::full(&error) {
        Some(full) => Error::new(ErrorKind::Resources, format!("{doing}: {full}")),
        None => Error::io(&doing, error),
    }
}

impl AsFd for Listener {
    /// Readable when [`Listener::try_accept`] has something to do: a client waits, the next message of a handshake under way has come, or
    /// the time of one is up. Not every such call yields a connection.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lobby.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.birth.is_forked() {
            return;
        }
        if self.identity.is_none() || self.succession.leaves_name() {
            return;
        }
        // Only what is still ours: another listener may have taken the name since somebody removed our socket.
        if let Ok(_lock) = Lock::take(&self.path, LOCK_PATIENCE) {
            if directory::identity(&self.path) == self.identity {
                step!("unbind-before");
                let _ = std::fs::remove_file(&self.path);
                step!("unbind-after");
            }
        }
    }
}
