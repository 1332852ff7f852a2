//! `cargo demo`: two real processes, real files, checksums; typed messages between two more; then how fast, beside a pipe and a Unix socket.
//!
//! Deliberately absent: anything that is part of Ringway. The command is built and then used as anyone would use it.

mod bench;
mod files;
mod host;
mod transfer;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::output::say;
use crate::place;
use crate::process::{self, End};

/// A first build may have to fetch and compile every dependency.
const BUILD_LIMIT: Duration = Duration::from_secs(900);
/// How the directories of this demo are called, before the number of their process.
const NAME: &str = "ringway-demo-";

/// A directory that only we can enter, removed with all that is in it.
struct Private(PathBuf);

impl Private {
    fn create() -> Result<Self, String> {
        remove_abandoned();
        let path = std::env::temp_dir().join(format!("{NAME}{}", std::process::id()));
        // Not recursive: a directory of that name which exists already is somebody else's.
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(format!("cannot create {}: {error}", path.display())),
        }
    }
}

/// Removes what a demo left behind that was interrupted: nobody is there to run its destructor.
fn remove_abandoned() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(NAME)?.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            // One that is not ours stays: removing it fails.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            let _ = writeln!(io::stderr(), "cannot remove {}: {error}", self.0.display());
        }
    }
}

/// `Ok(false)`: a file did not arrive as it was sent, or the benchmark failed. One that could not compare did not fail.
pub(crate) fn run() -> Result<bool, String> {
    let command = build()?;
    let directory = Private::create()?;
    let files = files::choose(&command, &directory.0)?;
    say!(
        "\nTwo processes, `ringway recv NAME > copy` and `ringway send NAME < file`, for each of {} files:\n",
        files.len()
    );
    let began = Instant::now();
    let mut bytes = 0;
    for file in &files {
        match transfer::transfer(&command, &directory.0, file) {
            Ok(length) => bytes += length,
            Err(why) => {
                say!("\n{}: {why}", file.display());
                return Ok(false);
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    say!(
        "\nAll {} files, {}, arrived as they were sent ({took:.1} s, checksums included).",
        files.len(),
        transfer::size(bytes)
    );
    if !host::run()? {
        return Ok(false);
    }
    say!(
        "\nLatency and rate, beside a pipe and a Unix socket in the same run of `ringway bench`:\n"
    );
    let measured = bench::run(&command, &directory.0)?;
    say!(
        "The same messages, written, copied out and checked by the same two processes each time. In the round trip both sides of"
    );
    say!(
        "Ringway spin, while a pipe or a socket puts a process to sleep: sleeping for sleeping, Ringway is the row `park` of the benchmark."
    );
    say!(
        "All rows, beside limits written by hand: {} bench",
        command.display()
    );
    Ok(measured)
}

fn build() -> Result<PathBuf, String> {
    say!("Building the command `ringway` (release) ...");
    let began = Instant::now();
    let mut cargo = place::cargo();
    cargo.args(["build", "--release", "--package", "ringway-cli"]);
    match process::run(&mut cargo, BUILD_LIMIT, || ()) {
        Ok(End::Exit(status, _)) if status.success() => {}
        Ok(end) => return Err(format!("the build failed: {end:?}")),
        Err(error) => return Err(error.to_string()),
    }
    say!("Built in {:.1} s.", began.elapsed().as_secs_f64());
    Ok(place::target().join("release/ringway"))
}
