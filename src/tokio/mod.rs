//! Connections in tasks of [tokio]: the same halves, whose waits are futures. `docs/tokio.md` has more than this page.
//!
//! ```
//! use ringway::tokio::{Listener, connect};
//!
//! # #[::tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = std::env::temp_dir().join(format!("ringway-doc-tokio-{}", std::process::id()));
//! let mut listener = Listener::bind(name.as_path())?;
//! let client = ::tokio::spawn(async move {
//!     let (mut sender, _receiver) = connect(name).await?.split();
//!     sender.send(b"hello").await?;
//!     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
//! });
//! let (_sender, mut receiver) = listener.accept().await?.split();
//! assert_eq!(receiver.recv().await?.to_vec(), b"hello");
//! # client.await?.unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel-safety
//!
//! Each future may be dropped at any await point: a frame is taken, sent or reserved by the poll that returns it, and of a call that was dropped before that nothing was done. It leaves no
//! waiter with the runtime, and the peer rings nobody for it.
//!
//! # What is spun
//!
//! A poll that finds nothing looks again for at most 2 µs, and not where that has been in vain lately; the other tasks have their turn between any two polls. When it has waited for longer than
//! spinning is learned to pay for (64 µs at the most, 128 while it finds out), the task sleeps. One that never waits gives way behind some 2,000 frames or 2 MiB.
//!
//! # Runtimes
//!
//! Both kinds, with I/O and time. Halves are `Send`. A half whose runtime has been shut down goes on in the one in which it is polled next.
//!
//! Absent on purpose: threads and tasks of ours. What waits, waits in its caller's future.

mod alarm;
pub mod any;
mod attended;
mod batcher;
pub mod codec;
mod connect;
mod connection;
mod expiring;
mod feeding;
mod frames;
mod glance;
mod halves;
mod listener;
mod ours;
mod pace;
mod pool;
mod priority;
mod receiver;
mod resume;
mod runtime;
mod sender;
mod sink;
mod stream;
pub mod typed;
mod vigil;
mod watched;

pub use batcher::{Batcher, Unsettled};
pub use connect::{connect, connect_with};
pub use connection::Connection;
pub use frames::StreamOf;
pub use listener::Listener;
pub use priority::AtPriority;
pub use receiver::Receiver;
pub use resume::resume;
pub use sender::Sender;
pub use sink::SinkOf;
pub use stream::{ByteListener, ByteReader, ByteStream, ByteWriter};
