//! Accepting from several targets, side by side.

use core::task::{Context, Poll};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use ::tokio::net::TcpListener;

use super::super::ByteListener;
use super::super::ours::Ours;
use super::super::runtime::{Lack, within};
use super::unix::UnixDoor;
use super::{Stream, Target, Targets, config};
use crate::connection::Config;
use crate::error::{Error, ErrorKind};

/// Accepts clients at several targets at once: over rings, Unix sockets and TCP.
///
/// Whoever stops listening at a target stops admitting clients there; those that are connected stay.
#[derive(Debug)]
pub struct Listener {
    doors: Vec<Door>,
    /// Which of them is asked first: the one behind that which let somebody in.
    next: usize,
}

#[derive(Debug)]
enum Door {
    Ring(Box<ByteListener>),
    Unix(UnixDoor),
    Tcp(Ours<TcpListener>),
}

impl Listener {
    /// Listens at all of `targets`, with [`any::config`](super::config).
    ///
    /// # Errors
    /// As for [`Listener::bind_with`].
    pub fn bind(targets: &Targets) -> Result<Self, Error> {
        Self::bind_with(&config(), targets)
    }

    /// The same, with these options for rings.
    ///
    /// Uids are a ring's matter ([`Config::allow_uid`]): who may connect to a Unix socket its mode decides, and to TCP anybody may who reaches the address.
    ///
    /// # Errors
    /// One of them cannot be listened at, which is named; then none is. [`ErrorKind::InvalidConfig`]: there are none, or a TCP address is given by a name and not by a number. [`ErrorKind::Runtime`]: outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn bind_with(config: &Config, targets: &Targets) -> Result<Self, Error> {
        let doors: Vec<Door> = targets
            .iter()
            .map(|target| Door::open(config, target))
            .collect::<Result<_, _>>()?;
        if doors.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                "there is no target to listen at: name at least one",
            ));
        }
        Ok(Self { doors, next: 0 })
    }

    /// Waits for the next client at any target. Each has its turn, so that one at which many come makes nobody wait at another.
    ///
    /// Cancel-safe: a client is accepted by the poll that returns it.
    ///
    /// # Errors
    /// What the system answers, such as a descriptor limit. A listener of Ringway that was handed over is left out, and [`ErrorKind::Busy`] says that none is left.
    pub async fn accept(&mut self) -> Result<Stream, Error> {
        while !self.doors.is_empty() {
            let (door, accepted) = self.any().await;
            match accepted {
                Err(error) if error.kind() == ErrorKind::Busy => {
                    self.doors.remove(door);
                    self.next = 0;
                }
                accepted => {
                    self.next = (door + 1) % self.doors.len();
                    return accepted;
                }
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            "every listener was handed over: another process lets clients in",
        ))
    }

    /// The addresses at which it listens by TCP, in the order of the targets: they tell the ports that were given for a port 0.
    ///
    /// # Errors
    /// What the system answers.
    pub fn tcp_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.doors.iter().filter_map(|door| match door {
            Door::Tcp(listener) => Some(listener.local_addr()),
            Door::Ring(_) | Door::Unix(_) => None,
        });
        addresses.collect()
    }

    /// Whoever comes first, and through which door.
    async fn any(&mut self) -> (usize, Result<Stream, Error>) {
        let first = self.next;
        let mut waits: Vec<Wait<'_>> = self.doors.iter_mut().map(Door::accept).collect();
        poll_fn(|cx| {
            let count = waits.len();
            for door in (first..first + count).map(|place| place % count) {
                if let Poll::Ready(accepted) = waits[door].as_mut().poll(cx) {
                    return Poll::Ready((door, accepted));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl From<ByteListener> for Listener {
    fn from(listener: ByteListener) -> Self {
        Self {
            doors: vec![Door::Ring(Box::new(listener))],
            next: 0,
        }
    }
}

type Wait<'a> = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send + 'a>>;

impl Door {
    fn open(config: &Config, target: &Target) -> Result<Self, Error> {
        let doing = format!("listening at {target}");
        match target {
            Target::Ring(address) => {
                let config = config.clone().lanes(1);
                let listener = ByteListener::bind_with(&config, address.clone())?;
                Ok(Self::Ring(Box::new(listener)))
            }
            Target::Unix(path) => within(|| UnixDoor::bind(path))
                .map(Self::Unix)
                .map_err(|lack| unbound(&doing, lack)),
            Target::Tcp(place) => {
                let place: SocketAddr = place.parse().map_err(|_| {
                    let text = format!("{doing}: give a number, such as tcp:127.0.0.1:50051");
                    Error::new(ErrorKind::InvalidConfig, text)
                })?;
                within(|| Ours::new(listen(place)?))
                    .map(Self::Tcp)
                    .map_err(|lack| unbound(&doing, lack))
            }
        }
    }

    fn accept(&mut self) -> Wait<'_> {
        match self {
            Self::Ring(listener) => {
                Box::pin(async move { listener.accept().await.map(Stream::from) })
            }
            Self::Unix(door) => Box::pin(async move {
                refuse_child(&door.listener)?;
                let accepted = lasting(|cx| door.listener.poll_accept(cx)).await;
                Ok(Stream::Unix(accepted?.0))
            }),
            Self::Tcp(listener) => Box::pin(async move {
                refuse_child(listener)?;
                let (stream, _) = lasting(|cx| listener.poll_accept(cx)).await?;
                // Whoever has gone already is found so by the first read.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }),
        }
    }
}

fn refuse_child<T>(listener: &Ours<T>) -> Result<(), Error> {
    if listener.is_forked() {
        return Err(Error::forked("listener"));
    }
    Ok(())
}

/// Accepts, and passes over clients that went away before it.
async fn lasting<T>(
    mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Result<T, Error> {
    loop {
        match poll_fn(&mut accept).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            accepted => return accepted.map_err(|error| Error::io("accepting a client", error)),
        }
    }
}

/// As `TcpListener::bind` does, without the wait for a name's address.
fn listen(place: SocketAddr) -> io::Result<TcpListener> {
    let socket = if place.is_ipv4() {
        ::tokio::net::TcpSocket::new_v4()
    } else {
        ::tokio::net::TcpSocket::new_v6()
    }?;
    // A port whose last connections still linger can be listened at again.
    socket.set_reuseaddr(true)?;
    socket.bind(place)?;
    socket.listen(1024)
}

fn unbound(doing: &str, lack: Lack) -> Error {
    let error = match lack {
        Lack::Other(error) => error,
        lack => return lack.error(doing),
    };
    let kind = match error.kind() {
        io::ErrorKind::AddrInUse => ErrorKind::NameTaken,
        io::ErrorKind::NotFound => ErrorKind::Directory,
        _ => return Error::io(doing, error),
    };
    Error::caused(kind, doing, error)
}
