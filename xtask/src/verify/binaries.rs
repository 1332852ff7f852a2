//! Tests, built by cargo and run by ourselves, several binaries at a time: cargo runs one after the other.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::blame;
use super::job::{Job, Stop, seconds};
use super::several::Task;
use crate::place;

/// What cargo has built, as its messages tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binary {
    pub(super) package: String,
    manifest: PathBuf,
    /// The target's name, and its kind: `lib`, `bin`, `test` or `bench`.
    pub(super) target: String,
    kind: String,
    pub(super) executable: PathBuf,
}

impl Binary {
    /// From a line of JSON, if that tells of a binary with tests. The few texts that are wanted are the first of their names in it.
    fn read(line: &str) -> Result<Option<Self>, String> {
        let is_test = line.contains("\"reason\":\"compiler-artifact\"")
            && line.contains("\"executable\":\"")
            && line.contains("\"test\":true},\"features\"");
        if !is_test {
            return Ok(None);
        }
        let text = |start: &str| {
            let (_, rest) = line.split_once(start)?;
            let text = rest.split('"').next()?;
            // Nothing here is called so that it would have to be written in another way.
            (!text.contains('\\')).then_some(text)
        };
        let binary = || {
            let (source, package) = text("\"package_id\":\"")?.rsplit_once('#')?;
            // A package that is called as its folder is has only its version there.
            let package = match package.split_once('@') {
                Some((name, _)) => name,
                None => source.rsplit('/').next()?,
            };
            Some(Self {
                package: package.to_owned(),
                manifest: text("\"manifest_path\":\"")?.into(),
                target: text("\"name\":\"")?.to_owned(),
                kind: text("\"kind\":[\"")?.to_owned(),
                executable: text("\"executable\":\"")?.into(),
            })
        };
        binary().map(Some).ok_or_else(|| {
            format!("cargo tells of a binary in a way that is not understood: {line}")
        })
    }

    pub(super) fn is(&self, package: &str, target: &str) -> bool {
        self.package == package && self.target == target
    }

    /// Whether its options are those of `libtest`. A benchmark has its own.
    pub(super) fn is_of_libtest(&self) -> bool {
        self.kind != "bench"
    }

    /// Whether it is a file of tests, and nothing else.
    pub(super) fn is_of_tests(&self) -> bool {
        self.kind == "test"
    }

    pub(super) fn name(&self) -> String {
        format!("{}.{}.{}", self.package, self.kind, self.target)
    }

    /// It, as `cargo test` would start it, with a temp directory of its own if there can be one.
    pub(super) fn command(&self) -> Command {
        let mut command = place::command(&self.executable);
        let folder = self.manifest.parent().unwrap_or(Path::new("."));
        command
            .current_dir(folder)
            .env("CARGO_MANIFEST_DIR", folder)
            .env("CARGO_MANIFEST_PATH", &self.manifest)
            .env("CARGO_PKG_NAME", &self.package);
        if let Ok(folder) = self.folder() {
            command.env("TMPDIR", folder);
        }
        command
    }

    /// Where its sockets are. Whoever listens locks the directory of its socket for a moment: in one that all share, a process that loses its processor meanwhile would hold every other
    /// test up that binds then. Its path is short, as a socket's has to be, and other users come to it as they come to the shared one.
    fn folder(&self) -> io::Result<PathBuf> {
        let all = folders();
        let folder = all.join(self.target.get(..8).unwrap_or(&self.target));
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&all, Permissions::from_mode(0o755))?;
        fs::set_permissions(&folder, Permissions::from_mode(0o1777))?;
        Ok(folder)
    }

    /// All of its tests, side by side with those of others.
    pub(super) fn task(&self, limit: Duration) -> Task {
        Task {
            name: self.name(),
            command: self.command(),
            limit,
            alone: false,
        }
    }
}

/// The temp directories of all.
fn folders() -> PathBuf {
    std::env::temp_dir().join(format!("rv-{}", std::process::id()))
}

/// Removes them, when nothing runs any more.
pub(super) fn clean() {
    let _ = fs::remove_dir_all(folders());
}

/// Builds what `cargo`, which is `cargo test` with its choices, would run.
pub(super) fn build(job: &mut Job, mut cargo: Command) -> Result<Vec<Binary>, Stop> {
    cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let printed = job.quietly(&mut cargo, seconds(900))?;
    let lines = printed.lines().filter(|line| line.starts_with('{'));
    let binaries = lines.map(Binary::read).filter_map(Result::transpose);
    let binaries: Vec<_> = binaries.collect::<Result<_, _>>().map_err(Stop::Failed)?;
    match binaries[..] {
        [] => Err(Stop::failed("cargo has built no tests")),
        _ => Ok(binaries),
    }
}

/// Runs them and returns what all have printed. None hides what the others say.
pub(super) fn run(job: &mut Job, tasks: Vec<Task>, width: usize) -> Result<String, Stop> {
    each(job, tasks, width).map(|printed| printed.concat())
}

/// The same, and returns what each has printed.
pub(super) fn each(job: &mut Job, tasks: Vec<Task>, width: usize) -> Result<Vec<String>, Stop> {
    let mut printed = Vec::new();
    let mut failed = Vec::new();
    for ran in job.several(tasks, width) {
        let why = match ran.status {
            Ok(status) if status.success() => {
                printed.push(ran.printed);
                continue;
            }
            Ok(status) => format!("{} ended with {status}", ran.name),
            Err(Stop::Failed(why)) => why,
            Err(other) => return Err(other),
        };
        failed.push(blame::with(why, &ran.printed));
    }
    match failed[..] {
        [] => Ok(printed),
        _ => Err(Stop::Failed(failed.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///x/ringway/cli#ringway-cli@0.1.0","manifest_path":"/x/ringway/cli/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"tap","src_path":"/x/ringway/cli/tests/tap.rs","edition":"2024","doc":false,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":"line-tables-only","debug_assertions":true,"overflow_checks":true,"test":true},"features":[],"filenames":["/x/target/debug/deps/tap-1"],"executable":"/x/target/debug/deps/tap-1","fresh":false}"#;

    #[test]
    fn a_binary_is_what_cargo_says() {
        let binary = Binary::read(LINE).unwrap().unwrap();
        assert!(binary.is("ringway-cli", "tap"));
        assert_eq!(binary.name(), "ringway-cli.test.tap");
        assert_eq!(binary.executable, Path::new("/x/target/debug/deps/tap-1"));
        assert_eq!(
            binary.command().get_current_dir(),
            Some(Path::new("/x/ringway/cli"))
        );
        clean();
    }

    #[test]
    fn a_package_may_be_called_as_its_folder_is() {
        let line = LINE.replace("/cli#ringway-cli@0.1.0", "#0.1.0");
        assert!(Binary::read(&line).unwrap().unwrap().is("ringway", "tap"));
    }

    #[test]
    fn what_is_no_test_is_passed_by_and_what_cannot_be_read_is_an_error() {
        let program = LINE.replace(
            "\"test\":true},\"features\"",
            "\"test\":false},\"features\"",
        );
        assert_eq!(Binary::read(&program), Ok(None));
        assert_eq!(Binary::read("{\"reason\":\"build-finished\"}"), Ok(None));
        assert!(Binary::read(&LINE.replace("deps/tap-1\",\"fresh", "de\\\"ps\",\"fresh")).is_err());
        assert!(Binary::read(&LINE.replace("package_id", "package")).is_err());
    }
}
