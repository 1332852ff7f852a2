//! Ringway for C: what `libringway` exports and `ringway.h` declares.
//!
//! Each function is a few lines around one of the library's, and all keep the same rules, which `ffi/README.md` tells to C programmers:
//!
//! - A handle that a parameter takes as `Option<&T>` or `Option<&mut T>` is lent for the call; one that it takes as `Option<Box<T>>` is given up. Outputs are
//!   written on success only, and a handle that is written there belongs to the caller.
//! - NULL is refused with `RINGWAY_INVALID_ARGUMENT`, except beside a length of 0: an empty payload, or no room; the functions that free take it and do nothing.
//! - A panic ends at the boundary (`boundary.rs`) and becomes `RINGWAY_PANICKED`.
//!
//! What cannot be checked is the contract of all of these functions, and the reason for which those that take addresses of bytes are `unsafe`: a pointer that is not NULL
//! is one that the library gave and nobody has freed, or that of as many bytes as the call says; and one thread at a time uses a handle.
//!
//! Deliberately absent: logic. What a call means is decided in the library.

#![allow(
    non_camel_case_types,
    reason = "the names are those of the header, which is made of this source"
)]
#![allow(
    unreachable_pub,
    reason = "what is exported is for C, and the header's generator looks for `pub`"
)]
#![allow(
    clippy::missing_safety_doc,
    reason = "the contract is one, and is told above"
)]

mod arm;
mod batch;
mod boundary;
mod config;
mod connection;
mod counters;
mod error;
mod field;
mod frame;
mod group;
mod handover;
mod interrupter;
mod listener;
mod receiver;
mod record;
mod reservation;
mod resume;
mod schema;
mod sender;
mod status;
mod ty;
mod version;
mod wait;
