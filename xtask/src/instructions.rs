//! `cargo xtask instructions`: those of one frame of 64 bytes that is sent and received in one process, in C and in C++, as `ringway bench instructions` counts them in Rust.
//!
//! Each program is compiled as a user would compile it, against an install tree, and run under callgrind with two counts of frames. The difference of the totals, divided by the difference
//! of the counts, is what a frame takes: what setting up costs cancels out.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::output::say;
use crate::place;

const FEW: u64 = 1_000;
const MANY: u64 = 101_000;

/// What is counted: its name, the compiler, its words, the source, and what the program is told.
struct Row {
    name: &'static str,
    compiler: &'static str,
    flags: &'static [&'static str],
    source: &'static str,
    words: &'static [&'static str],
    /// Whether it is held to the limit: a message is more than its bytes.
    limited: bool,
}

/// Instructions of the pair in Rust, by `ringway bench instructions`, and how many more a call from another language may take, in tenths.
const RUST: u64 = 586;
const MORE: u64 = 300;

const ROWS: &[Row] = &[
    Row {
        name: "C",
        compiler: "gcc",
        flags: &["-O2", "-std=c11"],
        source: "ffi/bench/instructions.c",
        words: &[],
        limited: true,
    },
    Row {
        name: "C++",
        compiler: "g++",
        flags: &["-O2", "-std=c++20"],
        source: "bindings/cpp/bench/instructions.cpp",
        words: &[],
        limited: true,
    },
    Row {
        name: "C++, a typed message",
        compiler: "g++",
        flags: &["-O2", "-std=c++20"],
        source: "bindings/cpp/bench/instructions.cpp",
        words: &["typed"],
        limited: false,
    },
];

/// `Ok(false)`: a limit was missed.
pub(crate) fn run() -> Result<bool, String> {
    let folder = place::target().join("instructions");
    let prefix = folder.join("prefix");
    done(&mut install::build())?;
    install::lay(&prefix, "release")?;
    say!(
        "Instructions of 64 bytes, sent and received, by callgrind; the same in Rust: `cargo run --release -p ringway-cli -- bench instructions`."
    );
    let mut kept = true;
    for row in ROWS {
        let program = compile(row, &folder, &prefix)?;
        let (few, many) = (total(row, &program, FEW)?, total(row, &program, MANY)?);
        let tenths = (many - few) * 10 / (MANY - FEW);
        let missed = row.limited && tenths > RUST + MORE;
        let note = if missed {
            "  more than 30 more than in Rust"
        } else {
            ""
        };
        say!("{:<24} {:>4}.{}{note}", row.name, tenths / 10, tenths % 10);
        kept = kept && !missed;
    }
    Ok(kept)
}

fn compile(row: &Row, folder: &Path, prefix: &Path) -> Result<PathBuf, String> {
    let program = folder.join(row.compiler);
    let mut compiler = place::command(row.compiler);
    compiler
        .args(row.flags)
        .arg("-I")
        .arg(prefix.join("include"));
    compiler.arg(row.source).arg("-o").arg(&program);
    compiler.arg("-L").arg(prefix.join("lib"));
    compiler.args(["-lringway", "-lpthread"]);
    compiler.arg(format!("-Wl,-rpath,{}", prefix.join("lib").display()));
    done(&mut compiler)?;
    Ok(program)
}

/// Instructions of a whole run.
fn total(row: &Row, program: &Path, frames: u64) -> Result<u64, String> {
    let socket = std::env::temp_dir().join(format!("ringway-instructions-{}", std::process::id()));
    let _ = std::fs::remove_file(&socket);
    let mut valgrind = place::command("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg(socket)
        .arg(frames.to_string())
        .args(row.words)
        // What finds functions as they are called first would count differently in the two runs.
        .env("LD_BIND_NOW", "1");
    let printed = done(&mut valgrind)?;
    collected(&printed).ok_or_else(|| "callgrind printed no count".to_owned())
}

/// The count in callgrind's line `==1234== Collected : 5678`.
fn collected(printed: &str) -> Option<u64> {
    let (_, count) = printed
        .lines()
        .find_map(|line| line.split_once("Collected :"))?;
    count.trim().parse().ok()
}

/// Runs a command to its end; what it printed to its standard error.
fn done(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(printed)
    } else {
        Err(format!("{name} ended with {}:\n{printed}", output.status))
    }
}

#[cfg(test)]
mod tests {
    use super::collected;

    #[test]
    fn the_count_is_found() {
        let printed = "==7== Events    : Ir\n==7== Collected : 1896512\n==7== \n";
        assert_eq!(collected(printed), Some(1_896_512));
        assert_eq!(collected("valgrind: no such tool"), None);
    }
}
