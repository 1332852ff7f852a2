//! When to spin, when to sleep, and how never to miss a wake.
//!
//! [`park`] is the protocol between two processes, generic over its words so that the models run it. [`ladder`] with its [`patience`] and [`budget`], [`slip`], [`gap`],
//! [`heat`], [`quiet`] and [`drain`] are policies: pure, fed with counts and times, tested without a clock. Absent on purpose: the bell itself (`sys`) and what is waited
//! for (`connection`).

pub(crate) mod budget;
pub(crate) mod drain;
pub(crate) mod gap;
pub(crate) mod heat;
pub(crate) mod ladder;
pub(crate) mod park;
pub(crate) mod patience;
pub(crate) mod quiet;
pub(crate) mod slip;
