//! The files that the demo moves: what every machine that can build this has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::place;

/// The two largest files of the compiler are moved; together they should weigh at least this much.
const LARGE: u64 = 100_000_000;

/// An empty file, small ones, and the compiler's own libraries, which weigh more than 100 MB each.
pub(super) fn choose(command: &Path, directory: &Path) -> Result<Vec<PathBuf>, String> {
    let empty = directory.join("empty");
    fs::write(&empty, "").map_err(|error| error.to_string())?;
    let small = [
        empty,
        place::root().join("Cargo.lock"),
        PathBuf::from("/bin/sh"),
        PathBuf::from("/bin/bash"),
        command.to_path_buf(),
    ];
    let mut files: Vec<PathBuf> = small
        .into_iter()
        .filter(|path| length(path).is_some())
        .collect();
    let mut large = compiler()?;
    large.sort_by_key(|path| std::cmp::Reverse(length(path)));
    large.truncate(2);
    if large.iter().filter_map(|path| length(path)).sum::<u64>() < LARGE {
        return Err(
            "the compiler has no library above 100 MB, which is what this demo moves".into(),
        );
    }
    files.extend(large.into_iter().rev());
    Ok(files)
}

pub(super) fn length(path: &Path) -> Option<u64> {
    let metadata = fs::metadata(path).ok()?;
    metadata.is_file().then_some(metadata.len())
}

fn compiler() -> Result<Vec<PathBuf>, String> {
    let mut rustc = place::command("rustc");
    let output = rustc
        .args(["--print", "sysroot"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let libraries = Path::new(&sysroot).join("lib");
    let entries =
        fs::read_dir(&libraries).map_err(|error| format!("{}: {error}", libraries.display()))?;
    Ok(entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| length(path).is_some())
        .collect())
}
