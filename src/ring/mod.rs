//! The lane's two halves: a ring of frames with one producer and one consumer, and no system call.
//!
//! The header word is the commit: the consumer polls the very word that will become the next frame's header, and zero means
//! "not yet". The terminator goes ahead: before a frame becomes visible, the word behind it is zero. From these two follows that
//! no index is shared on the fast path and nothing is wiped after reading.
//!
//! Both halves are generic over their memory (`segment`), so that the loom models in `src/model` run this source. Absent on
//! purpose: waiting, waking, mappings, and what a peer's death means.

mod ahead;
mod beside;
mod calm;
mod consumer;
mod cursor;
mod fencing;
mod manner;
#[cfg(all(any(test, fuzzing), not(any(loom, ringway_shuttle))))]
pub(crate) mod pair;
mod precedence;
mod producer;
mod several;
mod slot;
mod standing;
mod tally;
mod tap;
#[cfg(all(test, not(any(loom, ringway_shuttle))))]
mod tests;
#[cfg(all(any(test, fuzzing), not(any(loom, ringway_shuttle))))]
pub(crate) mod world;

pub(crate) use beside::Beside;
pub(crate) use consumer::{Consumer, Early, Entry, Found, Halt, say_start};
pub(crate) use fencing::FENCES;
pub(crate) use manner::Published;
pub(crate) use producer::{Carried, LARGE, Producer, Readers};
pub(crate) use several::Several;
pub(crate) use slot::{Refusal, Slot};
pub(crate) use standing::Standing;
pub(crate) use tally::{ONE, Tally};
#[cfg(all(any(test, fuzzing), not(any(loom, ringway_shuttle))))]
pub(crate) use tap::HISTORY;
pub(crate) use tap::{Tap, Told};
