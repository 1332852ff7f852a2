//! `cargo counters`: what it costs to count, by the same stream in two builds of the command, one of which counts nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::output::say;
use crate::place;
use crate::process::{self, End};

/// A first build may have to fetch and compile every dependency.
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// Four runs under callgrind take some seconds.
const COUNT_LIMIT: Duration = Duration::from_secs(120);

/// What leaves the counters out (`src/ring/tally.rs`).
const WITHOUT: &str = "--cfg ringway_uncounted";

/// `Ok(false)`: the target was missed, or nothing could be counted; the row says which.
pub(crate) fn run() -> Result<bool, String> {
    let target = place::target();
    let without = target.join("uncounted");
    say!("Building the command `ringway` twice (release), with counters and without ...");
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    build(&target, &flags)?;
    flags.push(' ');
    flags.push_str(WITHOUT);
    build(&without, &flags)?;
    let mut bench = place::command(target.join("release/ringway"));
    bench.args(["bench", "counters", "--check", "--uncounted"]);
    finish(bench.arg(without.join("release/ringway")), COUNT_LIMIT)
}

fn build(target: &Path, flags: &str) -> Result<(), String> {
    let mut cargo = place::cargo();
    cargo.args(["build", "--release", "--package", "ringway-cli"]);
    cargo
        .arg("--target-dir")
        .arg(target)
        .env("RUSTFLAGS", flags);
    if finish(&mut cargo, BUILD_LIMIT)? {
        Ok(())
    } else {
        Err("the build failed".to_owned())
    }
}

fn finish(command: &mut Command, limit: Duration) -> Result<bool, String> {
    match process::run(command, limit, || ()) {
        Ok(End::Exit(status, _)) => Ok(status.success()),
        Ok(End::Overstayed) => Err(format!("no end within {} s", limit.as_secs())),
        Err(error) => Err(error.to_string()),
    }
}
