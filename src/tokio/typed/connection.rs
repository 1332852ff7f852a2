//! Connections that carry messages, in a task.

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::{Receiver, Sender};
use crate::connection::{Address, Config, Peer, Resumed};
use crate::error::Error;
use crate::tokio::{self, connect::dial, resume::resume_as};
use crate::typed::{self, Messages};

/// A connection on which we send the messages of `S` and receive those of `R`, in a task.
#[derive(Debug)]
pub struct Connection<S: Messages + ?Sized, R: Messages + ?Sized> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Connection<S, R> {
    /// Has the runtime watch both halves of `connection` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch more descriptors.
    pub fn new(connection: typed::Connection<S, R>) -> Result<Self, Error> {
        let (sender, receiver) = connection.split();
        Ok(Self {
            sender: Sender::new(sender)?,
            receiver: Receiver::new(receiver)?,
        })
    }

    /// Takes the halves apart: each may live in a task of its own.
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }

    /// The half that sends.
    pub fn sender(&mut self) -> &mut Sender<S> {
        &mut self.sender
    }

    /// The half that receives.
    pub fn receiver(&mut self) -> &mut Receiver<R> {
        &mut self.receiver
    }

    /// Both halves at once.
    pub fn halves(&mut self) -> (&mut Sender<S>, &mut Receiver<R>) {
        (&mut self.sender, &mut self.receiver)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        self.sender.peer()
    }
}

/// Connects with the default [`Config`], to send the messages of `S` and receive those of `R`.
///
/// # Errors
/// As for [`connect_with`].
pub async fn connect<S: Messages + ?Sized, R: Messages + ?Sized>(
    address: impl Into<Address>,
) -> Result<Connection<S, R>, Error> {
    connect_with(&Config::new(), address).await
}

/// As [`connect`], with other options: see [`ringway::tokio::connect_with`](crate::tokio::connect_with). Cancel-safe, as that is.
///
/// # Errors
/// As for [`Config::connect`]. [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
pub async fn connect_with<S: Messages + ?Sized, R: Messages + ?Sized>(
    config: &Config,
    address: impl Into<Address>,
) -> Result<Connection<S, R>, Error> {
    let connection = dial(&typed::carrying::<S, R>(config), address.into()).await?;
    Connection::new(typed::Connection::new(connection))
}

/// Resumes a connection in a task: [`ringway::typed::Connection::resume`](crate::typed::Connection::resume), which holds no thread up.
///
/// Cancel-safe: `redial` goes on where it was when it is given again, and [`into_connection`](typed::Redial::into_connection) gives the lost connection back.
///
/// ```
/// use ringway::{Config, typed::Nothing};
/// # use std::time::{Duration, Instant};
/// # use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
/// # #[derive(FromBytes, IntoBytes, Immutable, KnownLayout, ringway::typed::Message)]
/// # #[zerocopy(crate = "ringway::zerocopy")]
/// # #[repr(C)]
/// # struct Order { number: u64 }
/// # #[::tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("ringway-doc-tokio-typed-resume-{}", std::process::id()));
/// let config = Config::new().resumable(true);
/// let listener = ringway::typed::Listener::bind_with(&config, path.as_path())?;
/// let mut listener = ringway::tokio::typed::Listener::<Nothing, Order>::new(listener)?;
/// # let (client, server) = ::tokio::join!(ringway::tokio::typed::connect_with::<Order, Nothing>(&config, path.as_path()), listener.accept());
/// # let (client, server) = (client?, server?);
/// let (mut sender, mut receiver) = client.split();
/// sender.send(&Order { number: 7 }).await?;
/// drop(server);
/// assert!(receiver.recv().await.is_err());
///
/// // What the sender had in hand, as a sink, is ours to send again.
/// let (sender, _in_hand) = sender.into_inner();
/// let lost = ringway::typed::Connection::reunite(sender, receiver.into_inner())?;
/// let deadline = Instant::now() + Duration::from_secs(30);
/// let mut redial = ringway::typed::Connection::redial(&config, path, lost, deadline)?;
/// // The next server: here it is the same program.
/// let (resumed, server) = ::tokio::join!(ringway::tokio::typed::resume(&mut redial), listener.accept());
/// assert_eq!(resumed?.unseen(), 1);
/// assert_eq!(server?.receiver().recv().await?.number, 7);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As for [`ringway::tokio::resume`](crate::tokio::resume()).
pub async fn resume<S: Messages + ?Sized, R: Messages + ?Sized>(
    redial: &mut typed::Redial<S, R>,
) -> Result<Resumed<Connection<S, R>>, Error> {
    let watched = |connection| Connection::new(typed::Connection::new(connection));
    resume_as(&mut redial.inner, watched, |connection| {
        connection.sender.fed.lane.half.untyped()
    })
    .await
}

/// Waits in a task for clients, to each of which it sends the messages of `S`, and from which it receives those of `R`.
pub struct Listener<S: ?Sized, R: ?Sized> {
    inner: tokio::Listener,
    sends: PhantomData<fn(&S)>,
    expects: PhantomData<fn(&R)>,
}

impl<S: Messages + ?Sized, R: Messages + ?Sized> Listener<S, R> {
    /// Listens with the default [`Config`].
    ///
    /// # Errors
    /// As for [`Config::bind`]. [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder).
    pub fn bind(address: impl Into<Address>) -> Result<Self, Error> {
        Self::new(typed::Listener::bind(address)?)
    }

    /// Has the runtime watch `listener` from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime): outside of a runtime, or in one without I/O or time (`enable_all` of its builder); what the system answers where it cannot watch one more descriptor.
    pub fn new(listener: typed::Listener<S, R>) -> Result<Self, Error> {
        Ok(Self {
            inner: tokio::Listener::new(listener.into_untyped())?,
            sends: PhantomData,
            expects: PhantomData,
        })
    }

    /// Waits for the next client that completes the handshake. Cancel-safe, as [`ringway::tokio::Listener::accept`](crate::tokio::Listener::accept) is.
    ///
    /// # Errors
    /// As for that.
    pub async fn accept(&mut self) -> Result<Connection<S, R>, Error> {
        let make = |accepted| Connection::new(typed::Connection::new(accepted));
        self.inner.accept_as(make).await
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        self.inner.path()
    }
}

impl<S: ?Sized, R: ?Sized> AsFd for Listener<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Listener<S, R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Listener").field(&self.inner).finish()
    }
}
