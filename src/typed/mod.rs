//! Messages: Rust types whose bytes are the payload of a frame, copied out and checked when they are received.
//!
//! A message is a `#[repr(C)]` struct that derives [`Message`](derive@Message) and four traits of [`zerocopy`], which vouch for its bytes:
//! there is no padding in it, and nothing that means something in one process only. Sending it costs what sending bytes costs; receiving it
//! costs a look at every `bool`, enumeration and text, and nothing for plain numbers.
//!
//! ```
//! use ringway::typed::{self, Message, Nothing, Text};
//! use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
//!
//! /// The best price at which something can be bought now.
//! #[derive(Clone, Copy, Debug, PartialEq, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[zerocopy(crate = "ringway::zerocopy")]
//! #[repr(C)]
//! struct Quote {
//!     symbol: Text<8>,
//!     price: f64,
//!     size: u64,
//! }
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-typed-{}", std::process::id()));
//! // This side sends nothing, and receives quotes.
//! let mut listener = typed::Listener::<Nothing, Quote>::bind(path.as_path())?;
//! let client = std::thread::spawn(move || {
//!     let mut feed = typed::connect::<Quote, Nothing>(path).expect("the listener is there");
//!     let quote = Quote { symbol: Text::literal("EURUSD"), price: 1.17, size: 100 };
//!     feed.sender().send(&quote).expect("room in the ring");
//! });
//! let quote = listener.accept()?.receiver().recv()?;
//! assert_eq!((quote.symbol.as_str(), quote.size), ("EURUSD", 100));
//! # client.join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a lane carries
//!
//! One type of message, or an enum of several, whose number is in each frame's header; or [`Nothing`]. Receiving gives the enum, for `match`;
//! sending takes any of the types that its variants hold.
//!
//! ```
//! # use ringway::typed::{self, Message, Received, Text};
//! # use ringway::zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};
//! #[derive(Debug, Message, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
//! # #[zerocopy(crate = "ringway::zerocopy")]
//! #[repr(C)]
//! struct Cancel { order: u64 }
//!
//! /// With a list: as many legs as it takes.
//! #[derive(Debug, Message, TryFromBytes, Immutable, KnownLayout)]
//! # #[zerocopy(crate = "ringway::zerocopy")]
//! #[repr(C)]
//! struct Order { number: u64, legs: [u64] }
//!
//! #[derive(Debug, Message)]
//! enum Request {
//!     #[message(kind = 1)]
//!     Cancel(Cancel),
//!     #[message(kind = 2)]
//!     Order(Received<Order>),
//! }
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-enum-{}", std::process::id()));
//! # let mut listener = typed::Listener::<Request, Request>::bind(path.as_path())?;
//! # let client = std::thread::spawn(move || typed::connect::<Request, Request>(path).unwrap());
//! # let mut server = listener.accept()?;
//! # let mut client = client.join().unwrap();
//! client.sender().send(&Cancel { order: 7 })?;
//! client.sender().send_with::<Order>(&OrderHead { number: 8 }, &[1, 2, 3])?;
//! for _ in 0..2 {
//!     match server.receiver().recv()? {
//!         Request::Cancel(cancel) => assert_eq!(cancel.order, 7),
//!         Request::Order(order) => assert_eq!((order.number, &order.legs), (8, &[1, 2, 3][..])),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Growing apart
//!
//! Fields are only ever appended, each with the version that added it: `#[message(since = 2, default = 1.0)]`, or `#[message(since = 2)]` and
//! the type [`Maybe`]. Of an older peer such a field has its default; what a newer peer knows and we do not is skipped.
//!
//! Absent on purpose: other encodings, and who may call whom.

mod batch;
mod bytes;
mod connection;
mod deprecated;
mod error;
mod field;
mod group;
mod inbox;
mod invalid;
mod maybe;
mod message;
mod plan;
mod polled;
mod priority;
mod received;
mod receiver;
mod redial;
mod reserved;
mod resume;
mod sender;
mod shared;
#[cfg(all(test, feature = "derive"))]
mod tests;
mod text;
mod view;

#[doc(hidden)]
#[path = "derived.rs"]
pub mod __derived;

pub use batch::{Batch, Iter};
pub use bytes::Bytes;
#[cfg(feature = "tokio")]
pub(crate) use connection::carrying;
pub use connection::{Connection, Listener, connect, connect_with};
pub use deprecated::Deprecated;
pub use error::RecvError;
pub use field::{Field, Flag};
pub use group::Group;
pub use invalid::{Fault, Invalid};
pub use maybe::Maybe;
pub use message::{Carries, Fixed, Message, Messages, Nothing, Part, Payload, Tailed, TooLong};
pub use priority::AtPriority;
pub use received::Received;
pub use receiver::Receiver;
pub use redial::Redial;
pub use reserved::Reserved;
#[cfg(feature = "tokio")]
pub(crate) use reserved::align as reserved_align;
#[cfg(feature = "derive")]
pub use ringway_derive::{Enumeration, Message};
pub use sender::Sender;
pub use shared::SharedSender;
pub use text::Text;
pub use view::View;
