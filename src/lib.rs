//! Shared-memory IPC for Linux.
#![allow(dead_code, unused_imports, reason = "being built")]
mod layout;
#[cfg(all(test, loom))]
mod model;
mod ring;
mod segment;
mod sync;
#[cfg(not(loom))]
mod sys;
