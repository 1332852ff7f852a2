//! A listening socket that changes hands: from systemd or a supervisor, or from a server to its successor.
//!
//! The socket's queue belongs to whoever holds it, so a client that connects in between waits there and is let in by whichever process comes next: nobody is refused, and the
//! name is never free. Connections do not change hands: their segments are the old process's own. Their clients reconnect.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use super::{Config, Listener};
use crate::error::{Error, ErrorKind};
use crate::sys::directory;
use crate::sys::door::Door;
use crate::sys::elder::{Elder, Tenure};
use crate::sys::fork::Birth;
use crate::sys::inherit::{self, Bequest, Inherited, Name};
use crate::sys::lobby::Lobby;
use crate::sys::socket::Unfit;

/// Where a listener stands among those that have its socket, one after the other.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// Another process lets clients in.
    handed_over: bool,
    /// Who had the name before us. While one of them has its listener it may take it back, and the name is not ours to remove.
    elders: Vec<Elder>,
    /// As an elder ourselves.
    tenure: Option<Tenure>,
}

impl Succession {
    pub(super) fn is_handed_over(&self) -> bool {
        self.handed_over
    }

    /// Whether the name is somebody else's to remove.
    pub(super) fn leaves_name(&self) -> bool {
        self.handed_over || !self.elders.iter().all(Elder::has_left)
    }

    /// Those before the next one: who is left of ours, and we.
    fn elders_of_next(&mut self) -> io::Result<Vec<Elder>> {
        if self.tenure.is_none() {
            self.tenure = Some(Tenure::begin()?);
        }
        self.elders.retain(|elder| !elder.has_left());
        let before = self.elders.iter().map(Elder::try_clone);
        let last = self.tenure.as_ref().map(Tenure::elder);
        before.chain(last).collect()
    }
}

impl Config {
    /// Listens on a socket that listens already: a Unix socket of type `SOCK_SEQPACKET` with a path, which some other process has made, or handed over
    /// ([`Listener::hand_over`]). The descriptor is made non-blocking, and closed on `exec`.
    ///
    /// The name and the socket's mode are the other process's: dropping the listener removes nothing and turns nobody away. If that process is no more, the file stays, leads to nobody, and is replaced by
    /// whoever binds the name next (a few milliseconds after the drop: the socket is closed in the background); [`Listener::pass_to`] hands the name over too.
    ///
    /// # Errors
    /// A bad option; [`ErrorKind::Descriptors`]: it is no such socket; or what the system answers.
    pub fn listen_on(&self, socket: OwnedFd) -> Result<Listener, Error> {
        self.prepare()?;
        adopt(self, socket, None)
    }

    /// Listens on each socket that whoever started this process has left open for it: a predecessor ([`Listener::pass_to`]), or systemd by socket activation
    /// (`LISTEN_FDS` and `LISTEN_PID`, a unit with `ListenSequentialPacket=`). [`Listener::path`] tells them apart. None where there are none, so that a server
    /// binds what it does not find; and none the second time, since they are taken. Sockets of other kinds that systemd has left open are not touched.
    ///
    /// To be called early: whoever started this process names the descriptors by number, and what has been opened since may have such a number. Numbers that are closed on `exec`, as all are that Rust's standard
    /// library or this one opens, are not taken. A program that runs with more rights than whoever starts it does not call this: the sockets are that one's, and so is every client.
    ///
    /// A name that a predecessor has passed on is this process's once the predecessor has dropped its listener or ended: dropping the listener removes it then, and leaves it before, since the predecessor may take it
    /// back. The name of systemd's socket stays, in every generation.
    ///
    /// ```
    /// # use ringway::{Config, Error, Listener};
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-inherit-{}", std::process::id()));
    /// let config = Config::new();
    /// let listener = match config.inherit()?.pop() {
    ///     Some(listener) => listener,
    ///     None => config.bind(path.as_path())?,
    /// };
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Config::listen_on`]. All of them are closed then, and the names are left as by a drop: a predecessor that has its listener still can take it back. But where the system does not say what was left open (a
    /// lack of memory, a sandbox), nothing is closed, and another call may find it.
    pub fn inherit(&self) -> Result<Vec<Listener>, Error> {
        self.prepare()?;
        let adopted = |one: Inherited| adopt(self, one.socket, one.name);
        let inherited = inherit::take()
            .map_err(|error| Error::io("asking what was left open for this process", error))?;
        inherited.into_iter().map(adopted).collect()
    }
}

/// Why a descriptor that was given is not taken.
pub(super) fn told(unfit: Unfit, purpose: &str, doing: &str) -> Error {
    match unfit {
        Unfit::Kind(what) => {
            let text = format!("cannot {purpose} the descriptor that was given: {what}");
            Error::new(ErrorKind::Descriptors, text)
        }
        Unfit::Io(error) => Error::io(doing, error),
    }
}

fn adopt(config: &Config, socket: OwnedFd, name: Option<Name>) -> Result<Listener, Error> {
    let birth = Birth::here().map_err(|error| Error::io("preparing for forks", error))?;
    let told = |unfit| told(unfit, "listen on", "taking a listening socket");
    step!("inherit-before");
    let (door, path) = Door::adopt(socket).map_err(told)?;
    let lobby =
        Lobby::new(door.as_fd()).map_err(|error| Error::io("watching for clients", error))?;
    let identity = name.as_ref().map(|name| name.identity);
    if identity.is_some() {
        door.answer_for();
    }
    let mut listener = Listener::over(config.clone(), path, identity, door, lobby, birth);
    listener.succession.elders = name.map_or_else(Vec::new, |name| name.elders);
    step!("inherit-after");
    Ok(listener)
}

impl Listener {
    /// Hands the listening socket over: takes no more clients, and gives a descriptor with which another process takes them
    /// ([`Config::listen_on`]), sent to it in whatever way. Clients that connect meanwhile wait in the socket's queue.
    ///
    /// Handshakes that have begun are this process's: `accept` and its kin go on with them, and answer [`ErrorKind::Busy`] when none is left ([`Listener::handshakes`]; `try_accept` answers `None`). A handshake need not become a
    /// connection. Dropping this listener then turns nobody away, and leaves the name alone.
    ///
    /// ```
    /// # use ringway::{Config, ErrorKind, Listener, connect};
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-handover-{}", std::process::id()));
    /// let mut old = Listener::bind(path.as_path())?;
    /// let socket = old.hand_over()?;
    /// # let left = path.clone();
    /// # let client = std::thread::spawn(move || connect(path));
    /// loop {
    ///     match old.accept() {
    ///         Ok(connection) => { /* serve it */ }
    ///         Err(error) if error.kind() == ErrorKind::Busy => break, // none is left
    ///         Err(error) => return Err(error.into()),
    ///     }
    /// }
    /// drop(old);
    /// let mut new = Config::new().listen_on(socket)?; // mostly in another process
    /// let connection = new.accept()?;
    /// # drop(connection);
    /// # client.join().unwrap()?;
    /// # std::fs::remove_file(left)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Forked`], or what the system answers, such as a descriptor limit. Nothing has changed then.
    pub fn hand_over(&mut self) -> Result<OwnedFd, Error> {
        self.refuse_child()?;
        let socket = self
            .copy_door()
            .and_then(|socket| self.share_door().map(|()| socket))
            .map_err(|error| Error::io("handing a listener over", error))?;
        self.succession.handed_over = true;
        step!("hand-over-after");
        Ok(socket)
    }

    /// As [`Listener::hand_over`], to the process that `command` starts, which takes it by [`Config::inherit`], and the name with it if it was ours to remove. Several listeners may be passed to one. It costs two
    /// descriptors more until this listener is dropped; by these its successor hears of that.
    ///
    /// Where it does not start, or ends before it has listened: [`Listener::take_back`]. `command` has a copy of the socket for as long as it lives: drop it when the process has been started. If nobody else has the
    /// socket any more, clients would wait in its queue instead of hearing that nobody listens.
    ///
    /// # Errors
    /// As for [`Listener::hand_over`].
    pub fn pass_to(&mut self, command: &mut Command) -> Result<(), Error> {
        self.refuse_child()?;
        let bequest = self
            .bequest(command)
            .and_then(|bequest| self.share_door().map(|()| bequest))
            .map_err(|error| Error::io("leaving a socket to another process", error))?;
        bequest.leave(command);
        self.succession.handed_over = true;
        step!("hand-over-after");
        Ok(())
    }

    /// Takes clients again after it was handed over: the other process did not come up. While both take clients, each client is let in by one of them. The name is removed by the drop again,
    /// if it would have been before. A process to which it was passed ([`Listener::pass_to`]) leaves the name there, however it ends, until this listener is dropped.
    ///
    /// One thing stays as the hand-over has made it, since the kernel tells nobody who else has a copy of a socket: where this process ends without dropping the listener, the name is taken for as long as anybody has one,
    /// though it be a forked child, which lets nobody in. The same goes for whoever has taken a listener over.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]: the name, which was ours, is gone or leads elsewhere, so that nobody would come: drop this listener and bind the name again. [`ErrorKind::Forked`], or what the system answers. Nothing has changed then.
    pub fn take_back(&mut self) -> Result<(), Error> {
        self.refuse_child()?;
        if self.identity().is_some() {
            let there = directory::found(self.path())
                .map_err(|error| Error::io("asking what lies at the listener's path", error))?;
            if there != self.identity() {
                let text = format!(
                    "{} leads to this listener no more: drop it, and bind the name again",
                    self.path().display()
                );
                return Err(Error::new(ErrorKind::NotFound, text));
            }
        }
        self.succession.handed_over = false;
        step!("take-back");
        self.reopen();
        Ok(())
    }

    /// Whether nobody can come any more: it was handed over, and no handshake of its own is left. Then it may be dropped, or taken back.
    pub fn is_idle(&self) -> bool {
        self.succession.handed_over && self.handshakes() == 0
    }

    /// # Errors
    /// [`ErrorKind::Busy`]: nobody will ever come.
    pub(crate) fn refuse_idle(&self) -> Result<(), Error> {
        if self.is_idle() {
            let text = "the listener was handed over, and no handshake of its own is left: drop it, or take it back";
            return Err(Error::new(ErrorKind::Busy, text));
        }
        Ok(())
    }

    /// What `command` is to inherit, made whole before any of it is given.
    fn bequest(&mut self, command: &Command) -> io::Result<Bequest> {
        let name = match self.identity() {
            Some(identity) => {
                let elders = self.succession.elders_of_next()?;
                Some(Name { identity, elders })
            }
            None => None,
        };
        Bequest::new(command, self.copy_door()?, name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A child that another test has forked has a copy of its tenure, for as long as that child is there.
    fn until_it_has_left(elder: &Elder) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !elder.has_left() {
            assert!(Instant::now() < limit, "it never leaves");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_next_one_knows_of_all_who_may_take_the_name_back() {
        let [lives, left] = [(); 2].map(|()| Tenure::begin().unwrap());
        let mut succession = Succession {
            elders: vec![lives.elder().unwrap(), left.elder().unwrap()],
            ..Succession::default()
        };
        drop(left);
        until_it_has_left(&succession.elders[1]);
        let next = succession.elders_of_next().unwrap();
        assert_eq!(next.len(), 2, "the one who lives, and we");
        assert!(!next.iter().any(Elder::has_left));
        drop(lives);
        until_it_has_left(&next[0]);
        assert!(!next[1].has_left());
    }
}
