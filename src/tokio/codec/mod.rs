//! Messages that are encoded, in tasks: [`ringway::codec`](crate::codec), whose waits are futures.
//!
//! ```
//! # #[cfg(feature = "postcard")] {
//! use futures_util::StreamExt;
//! use ringway::Config;
//! use ringway::codec::{Format, Postcard};
//! use ringway::tokio::{Listener, codec, connect_with};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("ringway-doc-tokio-codec-{}", std::process::id()));
//! let config = Config::new().codec(Postcard::ID); // both sides agree on it
//! let mut listener = Listener::new(config.bind(path.as_path())?)?;
//! let (client, server) = tokio::join!(connect_with(&config, path), listener.accept());
//! let (mut orders, _) = codec::over::<Postcard, (String, u32), ()>(client?).split();
//! let (_, mut desk) = codec::over::<Postcard, (), (String, u32)>(server?).split();
//! orders.send(&("RWY".to_owned(), 100)).await?;
//! assert_eq!(desk.next().await.unwrap()?.1, 100);
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```

mod halves;

pub use halves::{Connection, Receiver, Sender, over};
