//! A listener as the stream of connections that a server of tonic takes.

use core::fmt;
use core::task::{Context, Poll, ready};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use ::tokio::time::sleep;
use futures_core::Stream;

use crate::error::{Error, ErrorKind};
use crate::tokio::any;
use crate::tokio::{ByteListener, ByteStream};

/// How long nobody is accepted when the system has nothing left for one more.
const PAUSE: Duration = Duration::from_millis(100);

/// What accepts: an [`any::Listener`], or a [`ByteListener`]. Nobody else implements it.
pub trait Accept: sealed::Sealed + Send + 'static {
    /// What is accepted.
    type Stream: Send + 'static;

    /// As the listener's own.
    #[doc(hidden)]
    fn next(&mut self) -> impl Future<Output = Result<Self::Stream, Error>> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::tokio::ByteListener {}
    impl Sealed for crate::tokio::any::Listener {}
}

impl Accept for ByteListener {
    type Stream = ByteStream;

    async fn next(&mut self) -> Result<ByteStream, Error> {
        self.accept().await
    }
}

impl Accept for any::Listener {
    type Stream = any::Stream;

    async fn next(&mut self) -> Result<any::Stream, Error> {
        self.accept().await
    }
}

/// The clients of a listener: see [`incoming()`].
pub struct Incoming<L: Accept> {
    /// `None`: it is over.
    next: Option<Next<L>>,
}

type Next<L> = Pin<Box<dyn Future<Output = Accepted<L>> + Send>>;
type Accepted<L> = (L, Result<<L as Accept>::Stream, Error>);

/// The clients of `listener`, for `serve_with_incoming`, which ends a server with the first error. So no client's bad luck is one, and while the system has no descriptor or no memory left,
/// nobody is accepted, and the next attempt is 100 ms later. It ends when the listener was handed over and nobody more comes.
pub fn incoming<L: Accept>(listener: L) -> Incoming<L> {
    Incoming {
        next: Some(Box::pin(accept(listener))),
    }
}

async fn accept<L: Accept>(mut listener: L) -> Accepted<L> {
    loop {
        match listener.next().await {
            Err(error) if is_a_lack(&error) => sleep(PAUSE).await,
            accepted => return (listener, accepted),
        }
    }
}

fn is_a_lack(error: &Error) -> bool {
    // A planted fault, which interop/tests/services must find: it ends the server.
    #[cfg(ringway_planted = "ended_by_lack")]
    return error.kind() == ErrorKind::Forked;
    #[cfg(not(ringway_planted = "ended_by_lack"))]
    {
        error.kind() == ErrorKind::Resources
    }
}

impl<L: Accept> Stream for Incoming<L> {
    type Item = Result<L::Stream, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let (listener, accepted) = ready!(next.as_mut().poll(cx));
        self.next = None;
        match accepted {
            Ok(stream) => {
                self.next = Some(Box::pin(accept(listener)));
                Poll::Ready(Some(Ok(stream)))
            }
            Err(error) if error.kind() == ErrorKind::Busy => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl<L: Accept> fmt::Debug for Incoming<L> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Incoming")
            .field("is_over", &self.next.is_none())
            .finish_non_exhaustive()
    }
}
