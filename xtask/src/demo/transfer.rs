//! One file from one process to another, watched from outside.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::files;
use crate::output::{draw, say};
use crate::place;
use crate::process::Mark;

/// Even a slow disk takes a few hundred megabytes in this time.
const LIMIT: Duration = Duration::from_secs(60);

/// Moves `file` and compares checksums; returns its length. Prints one line about it.
pub(super) fn transfer(ringway: &Path, directory: &Path, file: &Path) -> Result<u64, String> {
    let length = files::length(file).ok_or("it cannot be read")?;
    let copy = directory.join("copy");
    let took = move_bytes(ringway, directory, file, &copy, length)
        .map_err(|error| error.to_string())??;
    let (sent, received) = (checksum(file)?, checksum(&copy)?);
    fs::remove_file(&copy).map_err(|error| error.to_string())?;
    let rate = if length < 1_000_000 {
        String::new()
    } else {
        format!("{}/s", size_per_second(length, took))
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let verdict = if sent == received {
        "same"
    } else {
        "DIFFERENT"
    };
    say!(
        "  {name:<40} {:>9} {:>7.3} s {rate:>10}   sha256 {}...  {verdict}",
        size(length),
        took.as_secs_f64(),
        &sent[..12]
    );
    if sent != received {
        return Err(format!("sent with sha256 {sent}, received with {received}"));
    }
    Ok(length)
}

/// Runs both ends and waits for both. The inner error is what one of them had to say.
fn move_bytes(
    ringway: &Path,
    directory: &Path,
    file: &Path,
    copy: &Path,
    length: u64,
) -> io::Result<Result<Duration, String>> {
    let mark = Mark::new();
    let words = |name: &str| directory.join(format!("{name}.txt"));
    let end = |name: &str| -> io::Result<Command> {
        let mut command = place::command(ringway);
        command
            .arg(name)
            .env("RINGWAY_DIR", directory)
            .stderr(File::create(words(name))?);
        Ok(command)
    };
    let began = Instant::now();
    let receiver = mark.spawn(
        end("recv")?
            .arg("demo")
            .stdin(Stdio::null())
            .stdout(File::create(copy)?),
    )?;
    let sender = mark.spawn(
        end("send")?
            .args(["demo", "--wait", "10"])
            .stdin(File::open(file)?)
            .stdout(Stdio::null()),
    )?;
    let mut ends = [("recv", receiver, None), ("send", sender, None)];
    let mut progress = Progress::new(file, length);
    while ends.iter().any(|(.., status)| status.is_none()) {
        for (name, child, status) in &mut ends {
            *status = child.try_wait()?;
            if status.is_some_and(|status| !status.success()) {
                let said = fs::read_to_string(words(name)).unwrap_or_default();
                return Ok(Err(format!(
                    "`ringway {name}` ended with {}: {}",
                    status.unwrap_or_default(),
                    said.trim()
                )));
            }
        }
        if began.elapsed() > LIMIT {
            return Ok(Err(format!("not there after {} s", LIMIT.as_secs())));
        }
        progress.show(copy, began.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    progress.clear();
    Ok(Ok(took))
}

/// The hash of a file by the machine's own tool: a judge that is not ours.
fn checksum(path: &Path) -> Result<String, String> {
    let mut tool = place::command("sha256sum");
    let output = tool
        .stdin(File::open(path).map_err(|error| error.to_string())?)
        .output();
    let output =
        output.map_err(|error| format!("sha256sum, of the coreutils, is needed: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    match printed.split_whitespace().next() {
        Some(hash) if hash.len() == 64 => Ok(hash.to_owned()),
        _ => Err(format!("sha256sum printed {printed:?}")),
    }
}

/// A line that is drawn over itself, on a terminal only.
struct Progress {
    name: PathBuf,
    length: u64,
    next: Duration,
    drawn: bool,
}

impl Progress {
    fn new(file: &Path, length: u64) -> Self {
        Self {
            name: file.file_name().unwrap_or_default().into(),
            length,
            next: Duration::from_millis(50),
            drawn: false,
        }
    }

    fn show(&mut self, copy: &Path, elapsed: Duration) {
        if elapsed < self.next || !io::stdout().is_terminal() {
            return;
        }
        self.next = elapsed + Duration::from_millis(50);
        self.drawn = true;
        let there = files::length(copy).unwrap_or(0);
        let tenths = (there * 30).checked_div(self.length).unwrap_or(0) as usize;
        let bar = "#".repeat(tenths.min(30));
        draw!(
            "\r  {:<40} {:>9} [{bar:<30}] {}/s ",
            self.name.display(),
            size(there),
            size_per_second(there, elapsed)
        );
    }

    fn clear(&self) {
        if self.drawn {
            draw!("\r{:100}\r", "");
        }
    }
}

/// Bytes for a reader, in powers of ten.
pub(super) fn size(bytes: u64) -> String {
    let unit = |one: u64, name| format!("{}.{} {name}", bytes / one, bytes % one * 10 / one);
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => unit(1_000, "kB"),
        1_000_000..1_000_000_000 => unit(1_000_000, "MB"),
        _ => unit(1_000_000_000, "GB"),
    }
}

fn size_per_second(bytes: u64, took: Duration) -> String {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    size(bytes.saturating_mul(1_000_000) / micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_readers() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(13_168), "13.1 kB");
        assert_eq!(size(153_621_360), "153.6 MB");
        assert_eq!(
            size_per_second(1_000_000, Duration::from_millis(500)),
            "2.0 MB"
        );
    }

    #[test]
    fn a_checksum_is_that_of_the_bytes() {
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(checksum(Path::new("/dev/null")).unwrap(), known);
    }

    /// A transfer with a command that behaves like ours, or as badly as `fault` says. The script is a file of the tree:
    /// one that is written here could still be open for writing, in a child of another test, when it is started.
    fn try_with(name: &str, fault: &str) -> Result<u64, String> {
        let directory = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("fault"), fault).unwrap();
        let ringway = place::root().join("xtask/src/demo/stand-in.sh");
        let result = transfer(&ringway, &directory, &place::root().join("Cargo.lock"));
        fs::remove_dir_all(&directory).unwrap();
        result
    }

    #[test]
    fn a_file_that_arrives_is_accepted() {
        let length = files::length(&place::root().join("Cargo.lock")).unwrap();
        assert_eq!(try_with("whole", ""), Ok(length));
    }

    #[test]
    fn a_file_that_arrives_changed_is_refused() {
        assert!(
            try_with("changed", "printf more;")
                .unwrap_err()
                .contains("sha256")
        );
    }

    #[test]
    fn an_end_that_fails_is_quoted() {
        let why = try_with("failed", "echo no segment >&2; exit 3;").unwrap_err();
        assert!(
            why.contains("ringway recv") && why.contains("no segment"),
            "{why}"
        );
    }
}
