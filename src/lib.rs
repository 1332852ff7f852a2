//! Shared-memory IPC for Linux.
#![allow(dead_code, unused_imports, reason = "being built")]
mod layout;
mod ring;
mod segment;
mod sync;
mod sys;
