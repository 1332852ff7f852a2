//! What stands around a service: it echoes metadata, as the case `custom_metadata` wants it, and tells what its process knows of a call.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use ringway::tokio::any::Peer;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response};
use tonic::server::NamedService;

/// Echoed with the first metadata of the answer.
pub const ECHO_INITIAL: &str = "x-grpc-test-echo-initial";
/// Echoed with the last.
pub const ECHO_TRAILING: &str = "x-grpc-test-echo-trailing-bin";
/// By what a call came: `ring`, `unix` or `tcp`.
pub const CAME_BY: &str = "x-came-by";
/// The process id of who called, where the kernel tells it.
pub const CALLER: &str = "x-caller";
/// How many other calls this server has begun and not ended.
pub const OPEN_CALLS: &str = "x-open-calls";

/// A service, observed.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    inner: S,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    /// One reference for each call, and this one.
    open: Arc<()>,
}

impl<S> Observed<S> {
    /// Around `inner`.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            calls: Arc::default(),
        }
    }
}

impl<S: NamedService> NamedService for Observed<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let others = Arc::strong_count(&self.calls.open) - 1;
        let open = Arc::clone(&self.calls.open);
        let initial = request.headers().get(ECHO_INITIAL).cloned();
        let trailing = request.headers().get(ECHO_TRAILING).cloned();
        let peer = request.extensions().get::<Option<Peer>>().copied();
        let answered = self.inner.call(request);
        Box::pin(async move {
            let mut response = answered.await?;
            let headers = response.headers_mut();
            if let Some(initial) = initial {
                headers.insert(ECHO_INITIAL, initial);
            }
            if let Some(Some(peer)) = peer {
                headers.insert(CAME_BY, HeaderValue::from_static(name(&peer)));
                if let Some(pid) = peer.pid() {
                    headers.insert(CALLER, pid.into());
                }
            }
            headers.insert(OPEN_CALLS, others.into());
            Ok(response.map(|body| {
                // The call is open until its body is gone.
                let body = body.map_frame(move |frame| {
                    let _ = &open;
                    frame
                });
                let Some(trailing) = trailing else {
                    return Body::new(body);
                };
                let trailers = HeaderMap::from_iter([(ECHO_TRAILING.parse().unwrap(), trailing)]);
                Body::new(body.with_trailers(ready(Some(Ok(trailers)))))
            }))
        })
    }
}

fn name(peer: &Peer) -> &'static str {
    match peer {
        Peer::Ring(_) => "ring",
        Peer::Unix(_) => "unix",
        Peer::Tcp(_) => "tcp",
        _ => "unknown",
    }
}
