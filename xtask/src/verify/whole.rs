//! The build that most steps share: every target of the workspace, compiled by clippy's driver, so that lints take no second pass over all that it is made of.
//!
//! The driver is the compiler with lints, and `cargo clippy` starts it in this way too, for metadata alone. Where it is not there, the compiler takes its place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::job::{Job, Stop, seconds};
use crate::place;

/// The driver, beside its compiler.
static DRIVER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let asked = place::command("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let root = String::from_utf8(asked.stdout).ok()?;
    let driver = Path::new(root.trim()).join("bin/clippy-driver");
    place::answers(&driver, &["--version"]).then_some(driver)
});

/// Whether what is built is linted.
pub(super) fn is_linted() -> bool {
    DRIVER.is_some()
}

/// `cargo test` of everything that can be run.
pub(super) fn all(job: &Job) -> Command {
    let mut cargo = linted(job, "test");
    cargo.args(["--workspace", "--lib", "--bins", "--tests", "--benches"]);
    cargo.arg("--examples");
    cargo
}

/// Builds whatever is no test: libraries, programs and examples, all of which [`all`] has too.
pub(super) fn programs(job: &mut Job) -> Result<(), Stop> {
    let mut cargo = linted(job, "build");
    cargo.args(["--workspace", "--lib", "--bins", "--examples"]);
    job.run(&mut cargo, seconds(600)).map(drop)
}

/// `cargo SUBCOMMAND`, which builds packages of this workspace as [`all`] does.
pub(super) fn linted(job: &Job, subcommand: &str) -> Command {
    let mut cargo = job.cargo(subcommand);
    if let Some(driver) = &*DRIVER {
        cargo.env("RUSTC_WORKSPACE_WRAPPER", driver);
        // As `cargo clippy` hands on what is behind `--`. In `RUSTFLAGS` it would rebuild every dependency.
        let refused = if job.ci() {
            "-Dwarnings__CLIPPY_HACKERY__"
        } else {
            ""
        };
        cargo.env("CLIPPY_ARGS", refused);
    }
    cargo
}
