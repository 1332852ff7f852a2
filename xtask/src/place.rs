//! Where things are, and how to start cargo there.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // The variable is set by `cargo run`; the constant serves a binary that was started by hand.
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or(here.clone(), Path::to_path_buf)
}

/// The directory that everything is built in.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// What has cargo prepare for the next build of what is built. From nothing such a build of this workspace's tests takes 1.6 times the processor time.
const INCREMENTAL: &str = "CARGO_INCREMENTAL";

/// Whether nobody has built here so that a next build has use of it: then ours need not either, and do not undo what others did.
static BARE: LazyLock<bool> = LazyLock::new(|| {
    let prepared = std::fs::read_dir(target().join("debug/incremental"));
    let mut names = prepared
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    env::var_os(INCREMENTAL).is_none()
        && !names.any(|name| name.to_string_lossy().starts_with("ringway-"))
});

/// Whether a variable of our own environment is kept from whatever we start. What `cargo run` put there for ourselves: a build that
/// sees it could differ from the same build started by hand, and then everything would be built twice. And what says how much tests do: who once asked for less must not have a check pass that did less.
fn is_kept_back(name: &str) -> bool {
    let starts = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "RINGWAY_",
        "PROPTEST_",
        "LOOM_",
    ];
    let needed = [
        "RINGWAY_DIR",
        "RINGWAY_TEST_PATIENCE",
        crate::process::VARIABLE,
    ];
    !needed.contains(&name) && starts.iter().any(|start| name.starts_with(start))
}

/// `program`, started in the root, without what is kept back of our environment.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if is_kept_back(text) {
            command.env_remove(&name);
        }
    }
    if *BARE {
        command.env(INCREMENTAL, "0");
    }
    command
}

/// The cargo that started us.
pub(crate) fn cargo() -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Output goes to a file first; colours would be noise there.
    cargo
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never");
    cargo
}

/// Whether a tool answers: `program` with `words` exits with success.
pub(crate) fn answers(program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> bool {
    use std::process::Stdio;
    let mut command = command(program);
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What git says about the workspace.
pub(crate) fn git(words: &[&str]) -> io::Result<String> {
    let output = command("git").args(words).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(format!(
            "git {}: {error}",
            words.join(" ")
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::is_kept_back;

    #[test]
    fn nobody_s_wish_for_less_reaches_a_check() {
        for name in [
            "RINGWAY_KILLS",
            "RINGWAY_PLANTED",
            "PROPTEST_CASES",
            "LOOM_MAX_PREEMPTIONS",
        ] {
            assert!(is_kept_back(name), "{name}");
        }
        for name in ["RINGWAY_DIR", "RINGWAY_XTASK_JOB", "CARGO_TARGET_DIR"] {
            assert!(!is_kept_back(name), "{name}");
        }
    }
}
