//! `cargo xtask install PREFIX`: the libraries for C and C++, their headers, and what `pkg-config` and `cmake` find them by.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::output::say;
use crate::place;
use crate::process::{self, End};

/// A first build may have to fetch and compile every dependency.
const LIMIT: Duration = Duration::from_secs(900);

/// The package that is built.
const PACKAGE: &str = "ringway-ffi";

/// The task of the command line.
pub(crate) fn run(words: &[String]) -> Result<bool, String> {
    let [prefix] = words else {
        return Err("into which prefix? `cargo xtask install /usr/local`".to_owned());
    };
    if let Err(why) = install(prefix) {
        // Not a wrong call: how to call it right is of no help.
        let _ = writeln!(io::stderr(), "{why}");
        return Ok(false);
    }
    Ok(true)
}

fn install(prefix: &str) -> Result<(), String> {
    // Ours is the workspace's root, the caller's is where the words came from.
    let prefix = std::path::absolute(prefix).map_err(|error| error.to_string())?;
    // Before the minutes that the build may take.
    let lib = prefix.join("lib");
    fs::create_dir_all(&lib).map_err(|error| told(&lib.display().to_string(), &error))?;
    let mut build = build();
    match process::run(&mut build, LIMIT, || ()) {
        Ok(End::Exit(status, _)) if status.success() => {}
        Ok(end) => return Err(format!("the build failed: {end:?}")),
        Err(error) => return Err(error.to_string()),
    }
    lay(&prefix, "release")?;
    strip(&lib.join("libringway.so.0"), "--strip-unneeded");
    strip(&lib.join("libringway.a"), "--strip-debug");
    say!("Installed into {}.", prefix.display());
    Ok(())
}

/// Leaves out what is for debuggers alone, most of a library's bytes. It comes with the linker; where it is not there, the library is longer, and as good.
pub(crate) fn strip(library: &Path, how: &str) {
    let mut strip = place::command("strip");
    let _ = strip.arg(how).arg(library).status();
}

/// What builds both libraries, as they ship.
pub(crate) fn build() -> Command {
    let mut cargo = place::cargo();
    cargo.args(["build", "--release", "--lib", "--package", PACKAGE]);
    cargo
}

/// Lays what was built in a profile, and what is not built, under a prefix.
pub(crate) fn lay(prefix: &Path, profile: &str) -> Result<(), String> {
    let (root, built) = (place::root(), place::target().join(profile));
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    let version = version(&root)?;
    put(
        &built.join("libringway_ffi.so"),
        &lib.join("libringway.so.0"),
    )?;
    put(&built.join("libringway_ffi.a"), &lib.join("libringway.a"))?;
    link("libringway.so.0", &lib.join("libringway.so"))?;
    put(
        &root.join("ffi/include/ringway.h"),
        &include.join("ringway.h"),
    )?;
    let headers = root.join("bindings/cpp/include/ringway");
    for header in entries(&headers)? {
        let name = header.file_name().unwrap_or_default();
        put(&header, &include.join("ringway").join(name))?;
    }
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let to = prefix.join("share/licenses/ringway").join(licence);
        put(&root.join(licence), &to)?;
    }
    let install = root.join("ffi/install");
    let cmake = lib.join("cmake/ringway");
    put(
        &install.join("ringway-config.cmake"),
        &cmake.join("ringway-config.cmake"),
    )?;
    for (from, to) in [
        ("ringway.pc.in", lib.join("pkgconfig/ringway.pc")),
        (
            "ringway-config-version.cmake.in",
            cmake.join("ringway-config-version.cmake"),
        ),
    ] {
        let text = fs::read_to_string(install.join(from)).map_err(|error| told(from, &error))?;
        write(&to, filled(&text, &version))?;
    }
    Ok(())
}

/// A template with the version in its places.
fn filled(text: &str, version: &str) -> String {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    text.replace("@VERSION@", version).replace("@MINOR@", minor)
}

/// That of the workspace.
fn version(root: &Path) -> Result<String, String> {
    let manifest =
        fs::read_to_string(root.join("Cargo.toml")).map_err(|error| told("Cargo.toml", &error))?;
    let declared = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    declared
        .map(ToOwned::to_owned)
        .ok_or_else(|| "Cargo.toml declares no version".to_owned())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let listed =
        fs::read_dir(folder).map_err(|error| told(&folder.display().to_string(), &error))?;
    let mut found: Vec<_> = listed.flatten().map(|entry| entry.path()).collect();
    found.sort();
    Ok(found)
}

fn put(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|error| told(&from.display().to_string(), &error))?;
    write(to, bytes)
}

/// By a new file in the place of the old one: a program may be running with that.
fn write(to: &Path, bytes: impl AsRef<[u8]>) -> Result<(), String> {
    let made = to.parent().map_or(Ok(()), fs::create_dir_all);
    let fresh = to.with_extension("new");
    made.and_then(|()| fs::write(&fresh, bytes))
        .and_then(|()| fs::rename(&fresh, to))
        .map_err(|error| told(&to.display().to_string(), &error))
}

fn link(to: &str, at: &Path) -> Result<(), String> {
    let _ = fs::remove_file(at);
    symlink(to, at).map_err(|error| told(&at.display().to_string(), &error))
}

fn told(what: &str, error: &std::io::Error) -> String {
    format!("{what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn the_version_is_put_into_its_places() {
        assert_eq!(filled("v@VERSION@ of @MINOR@", "0.12.3"), "v0.12.3 of 0.12");
    }
}
