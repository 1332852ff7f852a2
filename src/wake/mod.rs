//! When to spin, when to sleep, and how never to miss a wake.
//!
//! [`park`] and [`fences`] are the protocol between two processes, generic over their words so that the models run them. [`ladder`] with its [`patience`], [`budget`] and `linger`, [`slip`], [`gap`],
//! [`heat`], [`quiet`], [`ration`], [`drain`] and [`early`] are policies, of which three try things in a `series`: pure, fed with counts and times, tested without a clock. Absent on purpose: the bell itself (`sys`) and what is waited
//! for (`connection`).

pub(crate) mod budget;
pub(crate) mod drain;
pub(crate) mod early;
pub(crate) mod fences;
pub(crate) mod gap;
pub(crate) mod heat;
pub(crate) mod ladder;
mod linger;
pub(crate) mod park;
pub(crate) mod patience;
pub(crate) mod quiet;
pub(crate) mod ration;
mod series;
pub(crate) mod slip;
