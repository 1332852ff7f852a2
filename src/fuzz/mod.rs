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
mod input;
mod memory;
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
    /// The check that can be left out for it, to see that it finds that.
    check: Check,
}

const TARGETS: &[Target] = &[
    Target {
        name: "handshake",
        run: handshake::run,
        check: Check::RefusalText,
    },
    Target {
        name: "tables",
        run: tables::run,
        check: Check::BytesRoom,
    },
    Target {
        name: "words",
        run: words::run,
        check: Check::FrameBound,
    },
    Target {
        name: "program",
        run: program::run,
        check: Check::AnnouncedFrame,
    },
    Target {
        name: "tap",
        run: tap::run,
        check: Check::ExtensionRead,
    },
    // Its clients are scripted peers.
    #[cfg(feature = "hostile")]
    Target {
        name: "server",
        run: server::run,
        check: Check::HelloSense,
    },
    #[cfg(feature = "hostile")]
    Target {
        name: "client",
        run: client::run,
        check: Check::WelcomeSense,
    },
    #[cfg(feature = "hostile")]
    Target {
        name: "poller",
        run: poller::run,
        check: Check::TurnBudget,
    },
];

/// Tries one input. `planted`: with the target's check left out.
///
/// # Panics
/// When the input finds something, or no target has that name.
#[cfg_attr(
    not(fuzzing),
    allow(unreachable_pub, reason = "the fuzzer calls it, and nobody else")
)]
pub fn run(name: &str, planted: bool, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no target {name}"));
    planted::leave_out(planted.then_some(target.check));
    (target.run)(bytes);
}
