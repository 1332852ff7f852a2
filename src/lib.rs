//! Shared-memory IPC for Linux: frames between processes at the speed of a cache line.
//!
//! Each side creates one segment, which its peer can map read-only and nothing else. Frames travel through a lock-free ring in the
//! sender's segment; every shared word has exactly one writer. A peer can be killed at any instruction, or lie about any word:
//! the other side gets what was committed, and then an error that says what happened.
//!
//! ```
//! # let name = std::env::temp_dir().join(format!("ringway-doc-{}", std::process::id()));
//! let mut listener = ringway::Listener::bind(name.as_path())?;
//! let client = std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//!     let (mut sender, _receiver) = ringway::connect(name)?.split();
//!     sender.send(b"hello")?;
//!     Ok(())
//! });
//! let (_sender, mut receiver) = listener.accept()?.split();
//! assert_eq!(receiver.recv()?.to_vec(), b"hello");
//! # client.join().unwrap().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How an end is told
//!
//! | what the peer did | what its opposite hears, behind the last committed frame |
//! | --- | --- |
//! | dropped the half, in order | `Closed` |
//! | ended: killed, `exit` without a drop, a panic that ended the process | `PeerDied` |
//! | let a panic drop a half and lives on, or executed another program | `PeerClosed`, 200 ms later |
//! | broke a rule | `Protocol`, which names it |
//!
//! A receiver hears by itself. A sender that is not waiting hears when it looks: [`Sender::send`] says when that is, [`Sender::check`] looks. `docs/RELIABILITY.md`
//! has every step.
//!
//! A client that outlives its server goes on with the next one: [`Config::resume`].
//!
//! Start with [`Listener`] and [`connect`]; options are in [`Config`]. `docs/PROTOCOL.md` has every byte, `docs/SAFETY.md` the argument
//! that no byte of a peer's can harm us.

#![cfg_attr(
    any(loom, ringway_shuttle),
    allow(
        dead_code,
        unused_imports,
        reason = "the models build the lane and the wakes only"
    )
)]
#![cfg_attr(
    not(target_pointer_width = "64"),
    doc = "Only 64-bit targets are supported."
)]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little"
)))]
compile_error!("Ringway needs Linux on a 64-bit little-endian machine");

/// A labelled step of `ringway chaos`. Nothing at all without the feature.
macro_rules! step {
    ($label:literal) => {
        #[cfg(all(feature = "chaos", not(any(loom, ringway_shuttle))))]
        $crate::chaos::step(concat!("ringway.", $label));
    };
}

#[cfg(not(any(loom, ringway_shuttle)))]
pub mod batch;
#[cfg(all(feature = "chaos", not(any(loom, ringway_shuttle))))]
pub mod chaos {
    //! Steps at which `ringway chaos` may kill, stop or slow this process: the library's own, and those that a program names.
    pub use crate::sys::chaos::{die_at, step};
}
#[cfg(not(any(loom, ringway_shuttle)))]
pub mod codec;
#[cfg(not(any(loom, ringway_shuttle)))]
mod connection;
mod error;
#[cfg(all(any(test, fuzzing), not(any(loom, ringway_shuttle))))]
mod fuzz;
#[cfg(all(feature = "hostile", not(loom)))]
pub mod hostile;
#[cfg(all(feature = "hyper", not(any(loom, ringway_shuttle))))]
pub mod hyper;
mod layout;
#[cfg(all(test, any(loom, ringway_shuttle)))]
mod model;
mod planted;
#[cfg(not(any(loom, ringway_shuttle)))]
mod poller;
#[cfg(all(test, ringway_tsan))]
#[path = "model/racing.rs"]
mod racing;
mod ring;
#[cfg(not(any(loom, ringway_shuttle)))]
pub mod schema;
mod segment;
#[cfg(not(any(loom, ringway_shuttle)))]
pub mod stream;
mod sync;
#[cfg(not(any(loom, ringway_shuttle)))]
mod sys;
#[cfg(not(any(loom, ringway_shuttle)))]
pub mod thread;
#[cfg(all(feature = "tokio", not(any(loom, ringway_shuttle))))]
pub mod tokio;
#[cfg(all(feature = "tonic", not(any(loom, ringway_shuttle))))]
pub mod tonic;
#[cfg(not(any(loom, ringway_shuttle)))]
pub mod typed;
mod wake;

#[cfg(not(any(loom, ringway_shuttle)))]
pub use connection::{
    Address, Arm, AtPriority, Attendant, Config, Connection, ConnectionCounters, Counters,
    Direction, Frame, Frames, Group, Handshake, HandshakeStep, Interrupter, LaneCounters, Limits,
    Lineage, Listener, Lost, NotResumed, Observed, Owed, Peer, PriorityCounters, Receiver,
    RecvError, Redelivered, Redial, RedialStep, Reservation, Resumed, Room, SendError, Sender,
    SharedSender, Tap, TapFrame, TapLane, Unrelated, connect,
};
pub use error::{Error, ErrorKind};
/// Tries an input on a target of that name: what the fuzzers in the folder `fuzz` call. Only in a build with `--cfg fuzzing`.
#[cfg(all(fuzzing, not(any(loom, ringway_shuttle))))]
pub use fuzz::run as fuzz;
#[cfg(not(any(loom, ringway_shuttle)))]
pub use layout::redelivery::Redelivery;
pub use layout::violation::Violation;
#[cfg(not(any(loom, ringway_shuttle)))]
pub use poller::{Accept, Ended, Event, Polled, Poller, Token, Turn};
pub use wake::ladder::Wait;
/// The crate whose traits vouch for the bytes of messages ([`typed`]).
#[cfg(not(any(loom, ringway_shuttle)))]
pub use zerocopy;

/// The examples of the page on tasks are tests.
#[cfg(all(doctest, feature = "tokio", not(any(loom, ringway_shuttle))))]
#[doc = include_str!("../docs/tokio.md")]
struct Tasks;

/// So are the README's.
#[cfg(all(doctest, not(any(loom, ringway_shuttle))))]
#[doc = include_str!("../README.md")]
struct Readme;
