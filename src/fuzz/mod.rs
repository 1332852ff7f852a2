//! What fuzzed bytes are tried on: everything that reads what a peer wrote, and both halves of a lane against a model.
//!
//! Each target is a function of bytes that panics where something is not as it should be. The fuzzer (the package in the folder `fuzz`, outside of the workspace) looks for bytes that make
//! it; what it has found worth keeping lies under `fuzz/corpus`, and the tests here run all of that with every `cargo test`. Absent on purpose: randomness, and anything
//! that an input's bytes do not decide.

#[cfg(feature = "hostile")]
mod client;
mod handshake;
#[cfg(feature = "hostile")]
mod hostile_client;
#[cfg(feature = "hostile")]
mod hostile_listener;
mod input;
mod memory;
#[cfg(feature = "hostile")]
mod observer;
#[cfg(feature = "hostile")]
mod poller;
mod program;
#[cfg(feature = "hostile")]
mod server;
#[cfg(feature = "hostile")]
mod speaker;
mod tables;
mod tap;
#[cfg(test)]
mod tests;
mod words;

use crate::planted::{self, Check};

/// What is tried with an input.
struct Target {
    /// Its name, and that of the folder with its corpus.
    name: &'static str,
    run: fn(&[u8]),
    /// The checks that can be left out for it, one at a time, to see that it finds that.
    checks: &'static [Check],
}

const TARGETS: &[Target] = &[
    Target {
        name: "handshake",
        run: handshake::run,
        checks: &[Check::RefusalText],
    },
    Target {
        name: "tables",
        run: tables::run,
        checks: &[Check::BytesRoom],
    },
    Target {
        name: "words",
        run: words::run,
        checks: &[Check::FrameBound],
    },
    Target {
        name: "program",
        run: program::run,
        checks: &[Check::AnnouncedFrame],
    },
    Target {
        name: "tap",
        run: tap::run,
        checks: &[Check::ExtensionRead],
    },
    // Its clients are scripted peers.
    #[cfg(feature = "hostile")]
    Target {
        name: "server",
        run: server::run,
        checks: &[Check::HelloSense],
    },
    #[cfg(feature = "hostile")]
    Target {
        name: "client",
        run: client::run,
        checks: &[Check::WelcomeSense, Check::ShownOrder],
    },
    #[cfg(feature = "hostile")]
    Target {
        name: "poller",
        run: poller::run,
        checks: &[Check::TurnBudget],
    },
];

/// Tries one input. `planted`: with one of the target's checks left out, by its number from 1 on; 0: with all.
///
/// # Panics
/// When the input finds something, or no target has that name, or no such check.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzzer calls it, and nobody else")
)]
pub fn run(name: &str, planted: usize, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no target {name}"));
    let check = planted.checked_sub(1).map(|index| target.checks[index]);
    planted::leave_out(check);
    (target.run)(bytes);
}
