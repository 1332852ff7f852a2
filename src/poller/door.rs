//! A listener in a poller.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::polled::Accept;
use crate::connection::Listener;
use crate::error::Error;

/// A listener that cannot accept, such as for want of descriptors, is asked again after this long.
const RETRY: Duration = Duration::from_millis(20);

/// A listener, and what becomes of its connections.
trait Leaf<C>: Send {
    fn accept(&mut self) -> Result<Option<C>, Error>;
    fn descriptor(&self) -> BorrowedFd<'_>;
    fn listener(&mut self) -> Option<&mut Listener>;
}

struct Wrapped<L, F> {
    listener: L,
    wrap: F,
}

impl<C, L: Accept + Send, F: FnMut(L::Connection) -> C + Send> Leaf<C> for Wrapped<L, F> {
    fn accept(&mut self) -> Result<Option<C>, Error> {
        Ok(self.listener.try_accept()?.map(&mut self.wrap))
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    fn listener(&mut self) -> Option<&mut Listener> {
        self.listener.listener()
    }
}

/// What an attempt to accept came to.
pub(super) enum Accepted<C> {
    Client(C),
    Nobody,
    /// It is asked again later. The error is there the first time of several in a row.
    Failed(Option<Error>),
}

pub(super) struct Door<C> {
    leaf: Box<dyn Leaf<C>>,
    /// It is in the poller's queue.
    pub(super) is_queued: bool,
    /// It is not heeded until then.
    pub(super) retry: Option<Instant>,
    /// The last attempt failed, and that was told.
    complained: bool,
}

impl<C> Door<C> {
    pub(super) fn new<L, F>(listener: L, wrap: F) -> Self
    where
        L: Accept + Send + 'static,
        F: FnMut(L::Connection) -> C + Send + 'static,
        C: 'static,
    {
        Self {
            leaf: Box::new(Wrapped { listener, wrap }),
            is_queued: false,
            retry: None,
            complained: false,
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.leaf.descriptor()
    }

    pub(super) fn listener(&mut self) -> Option<&mut Listener> {
        self.leaf.listener()
    }

    /// Whether nobody can come of it: it was handed over, and no handshake of its own is left.
    pub(super) fn is_idle(&mut self) -> bool {
        self.listener().is_some_and(|listener| listener.is_idle())
    }

    pub(super) fn accept(&mut self) -> Accepted<C> {
        match self.leaf.accept() {
            Ok(Some(client)) => Accepted::Client(client),
            Ok(None) => {
                self.complained = false;
                Accepted::Nobody
            }
            Err(error) => Accepted::Failed(self.fail(error)),
        }
    }

    /// The client is in the poller.
    pub(super) fn succeed(&mut self) {
        self.complained = false;
    }

    /// Something about accepting went wrong.
    pub(super) fn fail(&mut self, error: Error) -> Option<Error> {
        self.retry = Some(Instant::now() + RETRY);
        let first = !self.complained;
        self.complained = true;
        first.then_some(error)
    }
}
