//! HTTP by [hyper] over connections: a client's [`Connector`]. A server needs nothing but a stream.
//!
#![cfg_attr(feature = "tonic", doc = "```")]
#![cfg_attr(
    not(feature = "tonic"),
    doc = "```ignore (the features of hyper that it takes come with tonic here)"
)]
//! use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::{TokioExecutor, TokioIo};
//! use ringway::hyper::Connector;
//! use ringway::tokio::any::{Listener, Targets};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("ringway-doc-hyper-{}", std::process::id()));
//! # let path = path.display();
//! let targets: Targets = format!("ring:{path}").parse()?;
//! let mut listener = Listener::bind(&targets)?;
//! tokio::spawn(async move {
//!     while let Ok(stream) = listener.accept().await {
//!         let service = service_fn(async |request: Request<Incoming>| {
//!             Ok::<_, hyper::Error>(Response::new(request.uri().path().to_owned()))
//!         });
//!         tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
//!     }
//! });
//! let client: Client<_, String> =
//!     Client::builder(TokioExecutor::new()).build(Connector::new(targets));
//! let answer = client.get("http://orders/all".parse()?).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok(())
//! # }
//! ```

mod connector;

pub use connector::Connector;
