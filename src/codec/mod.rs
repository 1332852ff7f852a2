//! Messages in formats that have to be encoded and decoded, for those who have them already.
//!
//! A [`Codec`] turns a value into the bytes of one frame and back; which one it is, is agreed on when the connection is made
//! ([`Config::codec`](crate::Config::codec)). Each is
//! behind a feature of its own: `postcard`, `messagepack` (both by serde) and `protobuf` (by prost). What they cost beside messages that
//! lie in memory as they travel (`typed`), `ringway bench codecs` shows.
//!
//! ```
//! # #[cfg(feature = "postcard")] {
//! use ringway::Config;
//! use ringway::codec::{self, Format, Postcard};
//!
//! #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
//! struct Order {
//!     symbol: String,
//!     quantity: u32,
//! }
//! # let path = std::env::temp_dir().join(format!("ringway-doc-codec-{}", std::process::id()));
//! let config = Config::new().codec(Postcard::ID);
//! let mut listener = config.bind(path.as_path())?;
//! let client = std::thread::spawn(move || {
//!     let connection = config.connect(path).expect("the listener is there");
//!     let (mut orders, _) = codec::over::<Postcard, Order, ()>(connection).split();
//!     let order = Order { symbol: "RWY".into(), quantity: 100 };
//!     orders.send(&order).expect("room in the ring");
//! });
//! let (_, mut desk) = codec::over::<Postcard, (), Order>(listener.accept()?).split();
//! assert_eq!(desk.recv()?.quantity, 100);
//! # client.join().unwrap();
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Absent on purpose: formats whose types come from a compiler that the user would have to install (Cap'n Proto, FlatBuffers): what these
//! build is bytes already, which [`Sender::send`](crate::Sender::send) takes.

mod formats;
mod halves;
mod priority;

#[cfg(feature = "postcard")]
pub use formats::Postcard;
#[cfg(feature = "messagepack")]
pub use formats::{MessagePack, MessagePackError};
#[cfg(feature = "protobuf")]
pub use formats::{Protobuf, ProtobufError};
#[cfg(feature = "tokio")]
pub(crate) use halves::decode;
pub use halves::{Connection, Receiver, RecvError, SendError, Sender, over};
pub use priority::AtPriority;

use core::fmt;

/// A way to write values of `T` as bytes, and to read them again.
///
/// The bytes that [`decode`](Codec::decode) is given come from a peer: it must answer any of them with a value or an error, and may not
/// take more memory than their number justifies.
pub trait Codec<T> {
    /// Why a value cannot be written or read.
    type Error: fmt::Debug + fmt::Display;

    /// Adds the bytes of `value` to `bytes`, which is empty.
    ///
    /// # Errors
    /// What the format says of a value that it cannot write.
    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// Reads a value that takes all of `bytes`.
    ///
    /// # Errors
    /// What the format says of bytes that are no value.
    fn decode(bytes: &[u8]) -> Result<T, Self::Error>;
}

/// A format, as the two sides of a connection agree on it.
pub trait Format {
    /// Its number in the handshake; 0 is for messages as they lie in memory. Numbers from 2³¹ on are for formats of your own.
    const ID: u32;
    /// Its name, for people.
    const NAME: &'static str;
}
