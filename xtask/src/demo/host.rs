//! Typed messages: the example `host`, which is two processes by itself.

use std::time::Duration;

use crate::output::say;
use crate::place;
use crate::process::{self, End};

use super::BUILD_LIMIT;

/// It samples for a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Builds and runs it. `Ok(false)`: it failed, and has said why.
pub(super) fn run() -> Result<bool, String> {
    say!(
        "\nTyped messages: one process samples this machine's counters for a second, another adds them up (examples/host.rs):\n"
    );
    let mut build = place::cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "ringway",
        "--example",
        "host",
    ]);
    ends_well(
        process::run(&mut build, BUILD_LIMIT, || ()),
        "the build of the example",
    )?;
    let mut host = place::command(place::target().join("release/examples/host"));
    let ran = ends_well(process::run(&mut host, LIMIT, || ()), "the example");
    if let Err(why) = &ran {
        say!("{why}");
    }
    Ok(ran.is_ok())
}

fn ends_well(end: std::io::Result<End>, what: &str) -> Result<(), String> {
    match end {
        Ok(End::Exit(status, _)) if status.success() => Ok(()),
        Ok(end) => Err(format!("{what} failed: {end:?}")),
        Err(error) => Err(format!("{what} failed: {error}")),
    }
}
