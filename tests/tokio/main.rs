//! Connections in tasks of tokio.
#![cfg(feature = "tokio")]

mod basics;
mod child;
mod crowd;
mod doors;
mod dropped;
mod ends;
mod expiring;
mod forked;
#[path = "../given/mod.rs"]
mod given;
mod hostile;
#[cfg(feature = "postcard")]
mod kinds;
mod left;
mod messages;
mod neighbours;
mod pressure;
#[path = "../crash/process.rs"]
mod process;
mod resumed;
mod runtimes;
mod scene;
mod stream;
mod stream_hostile;
