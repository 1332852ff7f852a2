//! One stream of bytes over a ring, a Unix socket or TCP, whichever there is: for services that move from one to another while they run.
//!
//! Where a service listens and where its clients look for it is text ([`Targets`]): `ring:orders, tcp:127.0.0.1:50051`. A [`Listener`] serves all of its targets side by side;
//! [`connect()`] takes the first that there is.
//!
//! ```
//! use ringway::tokio::any::{self, Listener, Targets};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("ringway-doc-any-{}", std::process::id()));
//! # let path = path.display();
//! let served: Targets = format!("unix:{path}").parse()?; // no ring yet
//! let wanted: Targets = format!("ring:{path}.ring, unix:{path}").parse()?;
//! let mut listener = Listener::bind(&served)?;
//! let (client, server) = tokio::join!(any::connect(&wanted), listener.accept());
//! let (mut client, mut server) = (client?, server?);
//! client.write_all(b"by the socket, then").await?;
//! client.shutdown().await?;
//! let mut text = String::new();
//! server.read_to_string(&mut text).await?;
//! assert_eq!(text, "by the socket, then");
//! # Ok(())
//! # }
//! ```
//!
//! # When the next target is tried
//!
//! A target is passed over when nobody is there who would serve us: nobody listens, or whoever does went away, takes nobody more, does not answer in time
//! ([`Config::handshake_timeout`]), speaks another version or lacks a feature that we need; and when this process has no memory for a ring.
//!
//! Everything else ends the search, for the next target would hide it. Above all **a uid that is refused**, here or there: a stranger under the name is to be heard of, and TCP asks nobody
//! for his uid. So do a peer that breaks a rule of the handshake, a listener that is of another kind (a name that was mistyped), and what is wrong with our own options or directories.
//!
//! # Cancel safety
//!
//! [`Listener::accept`] loses nobody when it is dropped. [`connect()`] gives the attempt up.

mod connect;
mod listener;
mod peer;
mod stream;
mod target;
mod unix;

pub use connect::{Unreachable, connect, connect_with};
pub use listener::Listener;
pub use peer::Peer;
pub use stream::Stream;
pub use target::{BadTarget, Target, Targets};

use crate::connection::Config;

/// The options by default: rings of 1 MiB in each direction. That is what hyper's servers let a client have under way to them (`DEFAULT_CONN_WINDOW`): who has leave to send then finds room in the ring, and
/// need not wait for the reader's turn.
///
/// They cost 2 MiB for each connection. HTTP/1 and small messages need no more than the 256 KiB that a [`Config`] has by itself; for messages of megabytes, take what two of them need, up to
/// the listener's [`Config::max_capacity`] (64 MiB by default). A client asks for the rings of both directions, a listener only limits them.
pub fn config() -> Config {
    const WINDOW: usize = 1 << 20;
    Config::new().capacity(WINDOW).peer_capacity(WINDOW)
}
