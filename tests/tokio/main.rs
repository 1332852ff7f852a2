//! Connections in tasks of tokio.
#![cfg(feature = "tokio")]

mod basics;
mod child;
mod crowd;
mod dropped;
mod ends;
mod forked;
mod hostile;
mod left;
mod messages;
mod neighbours;
mod pressure;
#[path = "../crash/process.rs"]
mod process;
mod runtimes;
mod scene;
mod stream;
