//! What a client of hyper, or a channel of tonic, connects by.

use core::task::{Context, Poll};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::connection::Config;
use crate::tokio::ByteStream;
use crate::tokio::any::{self, BadTarget, Stream, Targets, Unreachable};

/// Connects to the first of its targets that there is, each time that a connection is wanted: so a client goes back to the ring with the first connection behind that to another target.
///
/// The address of a request leads nowhere: it names the host in what is sent (`Host`, `:authority`), and which requests share a connection. Dropping the future gives the attempt up.
///
/// A clone costs a reference.
#[derive(Clone, Debug)]
pub struct Connector {
    shared: Arc<(Config, Targets)>,
}

impl Connector {
    /// To these, with [`any::config`].
    pub fn new(targets: impl Into<Targets>) -> Self {
        Self::with(any::config(), targets)
    }

    /// The same, with these options for rings.
    pub fn with(config: Config, targets: impl Into<Targets>) -> Self {
        Self {
            shared: Arc::new((config, targets.into())),
        }
    }

    /// To what a configuration says, such as `ring:orders, tcp:127.0.0.1:50051`.
    ///
    /// # Errors
    /// The text is none of [`Targets`].
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        text.parse::<Targets>().map(Self::new)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unreachable>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (config, targets) = &*shared;
            any::connect_with(config, targets).await.map(TokioIo::new)
        })
    }
}

impl Connection for ByteStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
