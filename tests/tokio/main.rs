//! Connections in tasks of tokio.
#![cfg(feature = "tokio")]

mod basics;
mod child;
mod crowd;
mod dropped;
mod ends;
mod hostile;
mod messages;
mod neighbours;
mod pressure;
mod runtimes;
mod scene;
mod stream;
mod stream_hostile;
