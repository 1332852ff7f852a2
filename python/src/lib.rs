//! The native part of the Python package `ringway`: connections as Python objects.
//!
//! Absent on purpose: what the bytes mean (`ringway.message` and NumPy are Python's business) and event loops, which wait by descriptors. A call looks first, spins
//! for at most [`waits::HELD`] with the interpreter's lock held, and releases that lock for whatever takes longer.

mod buffer;
mod connection;
mod deadline;
mod direct;
mod dlpack;
mod errors;
mod faults;
mod flag;
mod forked;
mod glimpse;
mod half;
mod handover;
mod handshake;
mod inbox;
mod last;
mod lease;
mod listener;
mod module;
mod observe;
mod options;
mod outbox;
mod pair;
#[cfg(ringway_planted = "panics")]
mod panics;
mod pipe;
mod receiver;
mod records;
mod redial;
mod reservation;
mod schema;
mod sender;
mod turn;
mod view;
mod waits;
