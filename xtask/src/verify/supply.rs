//! The steps about what we depend on and what we publish.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::job::{Job, Stop, seconds};
use crate::{place, tools};

pub(super) fn deny(job: &mut Job) -> Result<String, Stop> {
    // CI fetches the tool by itself; a person is asked first.
    let found = if job.ci() {
        tools::fetched(tools::deny)
    } else {
        tools::deny().ok_or_else(|| tools::INSTALL.into())
    };
    let deny = found.map_err(|install| Stop::Missing {
        what: "cargo-deny".into(),
        install,
    })?;
    job.run(check(&deny).arg("check").args(CHECKS), seconds(120))?;
    planted(job, check(&deny))?;
    Ok("advisories are not consulted: their database is fetched from elsewhere".into())
}

/// What is checked. Advisories are not: their database comes from a host that a build machine need not reach.
const CHECKS: &[&str] = &["bans", "licenses", "sources"];

/// cargo-deny on every package of the workspace: left to itself it takes the root package and what that needs, and never
/// sees the dependencies of the command.
fn check(deny: &Path) -> Command {
    let mut command = place::command(deny);
    command.args(["deny", "--workspace", "--locked"]);
    command
}

/// A check that cannot fail is worthless: two planted violations must both be found, one of them outside the root package.
fn planted(job: &mut Job, mut command: Command) -> Result<(), Stop> {
    let rules = "[bans]\ndeny = [{ crate = \"xtask\" }]\n[licenses]\nallow = [\"Apache-2.0\"]\n";
    let path = place::target().join("verify/planted.toml");
    fs::write(&path, rules).map_err(|error| Stop::failed(error.to_string()))?;
    job.note("# Two violations are planted here: the errors that follow are wanted.");
    let (printed, status) = job.try_run(
        command.arg("--config").arg(path).arg("check").args(CHECKS),
        seconds(120),
    )?;
    if !status.success() && printed.contains("error[banned]") && printed.contains("error[rejected]")
    {
        return Ok(());
    }
    Err(Stop::failed(
        "cargo-deny did not find the violations that were planted for it",
    ))
}

/// What the published crate must have, at its root, and the folders that it may have besides.
const FILES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "src/lib.rs",
];
const FOLDERS: &[&str] = &["src/", "examples/", "docs/"];
/// Files that cargo itself adds.
const ADDED: &[&str] = &["Cargo.toml.orig", ".cargo_vcs_info.json"];

pub(super) fn package(job: &mut Job) -> Result<String, Stop> {
    let mut list = job.cargo("package");
    // People verify before they commit, CI a clean clone: so only there is a change that is not committed refused.
    list.args(["--package", "ringway", "--list"]);
    if !job.ci() {
        list.arg("--allow-dirty");
    }
    let printed = job.run(&mut list, seconds(60))?;
    let listed: Vec<&str> = printed
        .lines()
        .filter(|line| !line.is_empty() && !is_chatter(line))
        .collect();
    let wrong = misplaced(&listed);
    if !wrong.is_empty() {
        return Err(Stop::failed(wrong.join("; ")));
    }
    let mut build = job.cargo("package");
    // Together, as they are published: the library needs the macros of its own version.
    build.args(["--package", "ringway-derive", "--package", "ringway"]);
    build.arg("--quiet");
    if !job.ci() {
        build.arg("--allow-dirty");
    }
    job.run(&mut build, seconds(300))?;
    Ok(format!("{} files", listed.len()))
}

fn is_chatter(line: &str) -> bool {
    line.starts_with(' ') || line.starts_with("warning:")
}

/// What is missing from the list, and what should not be on it.
fn misplaced(listed: &[&str]) -> Vec<String> {
    let missing = FILES
        .iter()
        .filter(|file| !listed.contains(file))
        .map(|file| format!("{file} is missing"));
    let foreign = listed.iter().filter(|file| {
        let known = FILES.contains(file) || ADDED.contains(file);
        !known && !FOLDERS.iter().any(|folder| file.starts_with(folder))
    });
    missing
        .chain(foreign.map(|file| format!("{file} should not be published")))
        .collect()
}

/// The lint `clippy::incompatible_msrv` holds the standard library's part; a compiler of that age, where there is one, the rest.
pub(super) fn msrv(job: &mut Job) -> Result<String, Stop> {
    let manifest = fs::read_to_string(place::root().join("Cargo.toml"))
        .map_err(|error| Stop::failed(error.to_string()))?;
    let declared = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'));
    let Some(version) = declared else {
        return Err(Stop::failed("Cargo.toml declares no rust-version"));
    };
    if !place::answers("rustup", &["run", version, "rustc", "--version"]) {
        return Err(Stop::Skipped(format!(
            "no compiler {version}, in CI as little as here: the project cannot install one \
             (rustup toolchain install {version}); clippy::incompatible_msrv still holds the library to it"
        )));
    }
    let mut check = place::command("rustup");
    check.args([
        "run",
        version,
        "cargo",
        "check",
        "--package",
        "ringway",
        "--package",
        "ringway-cli",
    ]);
    check
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TARGET_DIR", place::target().join("msrv"));
    job.run(&mut check, seconds(300))?;
    Ok(format!("compiles with {version}"))
}

#[cfg(test)]
mod tests {
    use super::{FILES, misplaced};

    #[test]
    fn a_complete_package_is_accepted() {
        let listed = [
            FILES,
            &[
                "src/ring/mod.rs",
                "docs/PROTOCOL.md",
                ".cargo_vcs_info.json",
            ],
        ]
        .concat();
        assert!(misplaced(&listed).is_empty());
    }

    #[test]
    fn a_missing_licence_and_a_foreign_file_are_named() {
        let mut listed = FILES.to_vec();
        listed.retain(|file| *file != "LICENSE-MIT");
        listed.push("xtask/src/main.rs");
        assert_eq!(
            misplaced(&listed),
            [
                "LICENSE-MIT is missing",
                "xtask/src/main.rs should not be published"
            ]
        );
    }
}
