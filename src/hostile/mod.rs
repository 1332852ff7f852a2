//! A peer that keeps no rule unless its script says so, to attack one's own service with in tests. With the feature `hostile`, which is for tests only.
//!
//! It speaks the handshake message by message, hands over descriptors of any kind, and writes what it likes into any word of its own segment at any time, with the
//! offsets that the library itself uses. What a service must answer is its own error, or the name of a rule ([`Violation`](crate::Violation)); what it must never do is panic, hang,
//! or serve others worse.
//!
//! ```
//! use ringway::hostile::{self, Word};
//! use ringway::{Listener, RecvError, Violation};
//!
//! # let path = std::env::temp_dir().join(format!("ringway-doc-hostile-{}", std::process::id()));
//! let mut listener = Listener::bind(path.as_path())?;
//! let hostile = std::thread::spawn(move || hostile::join(&path));
//! let mut victim = listener.accept()?;
//! let hostile = hostile.join().unwrap();
//! // A frame that reaches past the ring, and an epoch out of order.
//! hostile.own.say(Word::ReceiverEpoch, 7);
//! hostile.own.ring(0, hostile::FRAME | 0xffff);
//! let end = victim.receiver().recv().map(drop);
//! assert!(matches!(end, Err(RecvError::Protocol(Violation::FrameTooLong { .. }))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | by |
//! | --- | --- |
//! | any message, with any bytes changed and any descriptors attached | [`hello`], [`welcome`], [`attach`], [`ready`], [`refuse`], [`Message`], [`send`] |
//! | descriptors of every wrong kind | [`Gift`], [`memory`] |
//! | a good handshake, and then anything | [`join()`], [`serve`], [`Segment::say`], [`Segment::set`] |
//! | lies in every word, at full rate, replayed and with holes punched | [`Liar`] |
//! | bells that are drained, filled, made blocking, or rung without end | [`Spoil`] |
//! | bells that nobody can have watched over another `epoll` instance any more | [`join_tangled`] |
//! | handshakes that stop half way | [`HalfOpen`] |
//!
//! A call that its host does not let it make panics: a script that did not do what it says proves nothing. Waits end after a minute, with a panic. Nothing here can do
//! what another process could not; but what it is aimed at should have no users.

#![allow(
    clippy::missing_panics_doc,
    reason = "the module says so for all: what cannot be set up is a panic"
)]

mod bell;
mod gift;
mod half;
mod join;
mod liar;
mod line;
mod message;
mod rare;
mod segment;
mod word;

pub use bell::Spoil;
pub use gift::{Gift, eventfd, memory, pipe};
pub use half::HalfOpen;
pub use join::{
    Hostile, greet, greet_for, join, join_as, join_for, join_from, join_tangled, join_with, serve,
    serve_with,
};
pub use liar::{Liar, Lies};
pub use line::{accept, dial, is_gone, listen, readable, receive, send, try_dial, wait_readable};
pub use message::{Message, attach, hello, ready, reason, refusal, refuse, welcome};
pub use segment::{Segment, Shown};
pub use word::{ALL_WORDS, Word};

use crate::layout;
use crate::layout::header::{FLAG_EXPIRES, FLAG_FRAME, FLAG_PAD};

/// Seals that a segment must have: shrink, grow, future write, seal.
pub const SEALS: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
/// Bytes before the first ring: a page.
pub const CONTROL: usize = layout::control::CONTROL;
/// The ring of a script that asks for nothing else, in bytes.
pub const RING: usize = layout::geometry::MIN_CAPACITY as usize;
/// The header of an ordinary frame of kind 0, but for its length.
pub const FRAME: u64 = (FLAG_FRAME as u64) << 48;
/// The same of a pad.
pub const PAD: u64 = ((FLAG_FRAME | FLAG_PAD) as u64) << 48;
/// The same of a frame that expires.
pub const EXPIRING: u64 = ((FLAG_FRAME | FLAG_EXPIRES) as u64) << 48;
