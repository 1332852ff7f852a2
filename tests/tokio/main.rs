//! Connections in tasks of tokio.
#![cfg(feature = "tokio")]

mod basics;
mod scene;
mod stream;
