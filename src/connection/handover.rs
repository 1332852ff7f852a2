//! A listening socket that changes hands: from systemd or a supervisor, or from a server to its successor.
//!
//! The socket's queue belongs to whoever holds it, so a client that connects in between waits there and is let in by whichever process comes next: nobody is refused, and the
//! name is never free. Connections do not change hands: their segments are the old process's own. Their clients reconnect.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;

use super::{Config, Listener};
use crate::error::{Error, ErrorKind};
use crate::sys::door::{Door, Unfit};
use crate::sys::fork::Birth;
use crate::sys::inherit::{self, Inherited};
use crate::sys::lobby::Lobby;

impl Config {
    /// Listens on a socket that listens already: a Unix socket of type `SOCK_SEQPACKET` with a path, which some other process has made, or handed over
    /// ([`Listener::hand_over`]). The descriptor is made non-blocking, and closed on `exec`.
    ///
    /// The name and the socket's mode are the other process's: dropping the listener removes nothing and turns nobody away.
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
    /// What a predecessor has handed over has this process's name on it from then on: dropping the listener removes it. systemd's stays.
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
    /// As for [`Config::listen_on`]. All of them are closed then.
    pub fn inherit(&self) -> Result<Vec<Listener>, Error> {
        self.prepare()?;
        let adopted = |one: Inherited| adopt(self, one.socket, one.name);
        inherit::take().into_iter().map(adopted).collect()
    }
}

fn adopt(
    config: &Config,
    socket: OwnedFd,
    identity: Option<(u64, u64)>,
) -> Result<Listener, Error> {
    let birth = Birth::here().map_err(|error| Error::io("preparing for forks", error))?;
    let (door, path) = Door::adopt(socket).map_err(|unfit| match unfit {
        Unfit::Kind(what) => Error::new(
            ErrorKind::Descriptors,
            format!("cannot listen on the descriptor that was given: {what}"),
        ),
        Unfit::Io(error) => Error::io("taking a listening socket", error),
    })?;
    let lobby =
        Lobby::new(door.as_fd()).map_err(|error| Error::io("watching for clients", error))?;
    Ok(Listener::over(
        config.clone(),
        path,
        identity,
        door,
        lobby,
        birth,
    ))
}

impl Listener {
    /// Hands the listening socket over: takes no more clients, and gives a descriptor with which another process takes them
    /// ([`Config::listen_on`]), sent to it in whatever way. Clients that connect meanwhile wait in the socket's queue.
    ///
    /// Handshakes that have begun are this process's: `accept` and its kin go on with them, until [`Listener::handshakes`] is 0. Dropping this listener then turns nobody away, and leaves the name
    /// alone.
    ///
    /// ```
    /// # use ringway::{Config, Listener, connect};
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-handover-{}", std::process::id()));
    /// let mut old = Listener::bind(path.as_path())?;
    /// let socket = old.hand_over()?;
    /// # let client = std::thread::spawn(move || connect(path));
    /// while old.handshakes() > 0 {
    ///     let _connection = old.accept()?;
    /// }
    /// drop(old);
    /// let mut new = Config::new().listen_on(socket)?; // mostly in another process
    /// let connection = new.accept()?;
    /// # drop(connection);
    /// # client.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Forked`], or what the system answers, such as a descriptor limit. Nothing has changed then.
    pub fn hand_over(&mut self) -> Result<OwnedFd, Error> {
        self.refuse_child()?;
        let socket = self.share_door()?;
        self.set_handed_over(true);
        Ok(socket)
    }

    /// As [`Listener::hand_over`], to the process that `command` starts, which takes it by [`Config::inherit`], and the name with it. Several listeners may be passed to one.
    ///
    /// Where it does not start, or ends before it has listened: [`Listener::take_back`].
    ///
    /// # Errors
    /// As for [`Listener::hand_over`].
    pub fn pass_to(&mut self, command: &mut Command) -> Result<(), Error> {
        let socket = self.hand_over()?;
        inherit::leave(command, socket, self.identity()).map_err(|error| {
            self.set_handed_over(false);
            Error::io("leaving a socket to another process", error)
        })
    }

    /// Takes clients again after it was handed over: the other process did not come up. While both take clients, each client is let in by one of them. The name is removed by the drop again,
    /// if it would have been before.
    pub fn take_back(&mut self) {
        self.set_handed_over(false);
        self.reopen();
    }
}
