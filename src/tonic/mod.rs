//! gRPC by [tonic] over connections: services and clients as they are, with another listener and another connector.
//!
//! - A server takes [`incoming()`] of a listener: `Server::builder().add_service(service).serve_with_incoming(incoming(listener))`.
//! - A client's channel takes a [`Connector`]: `Endpoint::from_static("http://orders").connect_with_connector(Connector::parse("ring:orders")?)`. It goes through the connector again after each
//!   connection that ends.
//!
//! Who called is in the extensions of a request: an [`any::Peer`], or a [`Peer`] where the listener is a [`ByteListener`](crate::tokio::ByteListener).

mod incoming;

pub use crate::hyper::Connector;
pub use incoming::{Accept, Incoming, incoming};

use ::tonic::transport::server::Connected;

use crate::connection::Peer;
use crate::tokio::ByteStream;
use crate::tokio::any::{self, Stream};

impl Connected for ByteStream {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        *self.peer()
    }
}

impl Connected for Stream {
    /// `None`: the client went away before the kernel could say who it was.
    type ConnectInfo = Option<any::Peer>;

    fn connect_info(&self) -> Option<any::Peer> {
        self.peer().ok()
    }
}
