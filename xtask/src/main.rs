//! The tasks of this project: `cargo verify`, `cargo demo`, `cargo counters`, and `cargo xtask` with `install`, `instructions`, `python-bench` and `tools`.
//!
//! Deliberately absent: dependencies. This crate is compiled before anything else can be checked, so it is the
//! standard library and the tools that every Linux has.

mod arguments;
mod counters;
mod demo;
mod install;
mod instructions;
mod output;
mod place;
mod process;
mod python_bench;
mod tools;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use output::say;

const USAGE: &str = "\
usage: cargo verify [--only STEP[,STEP][,soak:PART][,fuzz:TARGET]] [--list] [--long=MINUTES] [--verbose]
       cargo demo
       cargo counters
       cargo xtask python-bench [--quick] [--json] [--rounds N] [--check] [--list] [--self-check] [ROW...]
       cargo xtask tools
       cargo xtask install PREFIX
       cargo xtask instructions

verify   checks everything that continuous integration checks; --long adds a soak of so many minutes and deeper models
demo     moves files of this machine between two processes and shows how fast
counters builds the command with counters and without, and compares their instructions; takes valgrind
tools    installs the prebuilt tools that verify uses, under the target directory
python-bench measures the Python package beside what would be used instead, whose packages it fetches; `--list` names its rows
install  builds the libraries for C and C++ and lays them under a prefix, with headers, pkg-config and CMake files
instructions counts those of a frame of 64 bytes in C and C++; takes valgrind, gcc and g++";

fn main() -> ExitCode {
    verify::compile();
    output::while_read(run)
}

fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = perform(&words);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            // Nobody may be reading this either; the code still tells.
            let _ = writeln!(io::stderr(), "{message}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Does what the words ask for. `Ok(false)`: it was done and found fault.
fn perform(words: &[String]) -> Result<bool, String> {
    let (task, rest) = match words {
        [] => ("", words),
        [task, rest @ ..] => (task.as_str(), rest),
    };
    if task == "help" || words.iter().any(|word| word == "--help" || word == "-h") {
        say!("{USAGE}");
        return Ok(true);
    }
    match task {
        "verify" => verify::Options::parse(rest).and_then(|options| verify::run(&options)),
        "demo" => arguments::none(rest).and_then(|()| demo::run()),
        "counters" => arguments::none(rest).and_then(|()| counters::run()),
        "install" => install::run(rest),
        "instructions" => arguments::none(rest).and_then(|()| instructions::run()),
        "python-bench" => python_bench::run(rest),
        "tools" => arguments::none(rest).and_then(|()| tools::install()),
        "" => Err("which task?".to_owned()),
        other => Err(format!("there is no task `{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::perform;

    #[test]
    fn every_task_answers_a_call_for_help() {
        let asked = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            perform(&words)
        };
        for task in [
            "verify",
            "demo",
            "counters",
            "python-bench",
            "tools",
            "install",
            "instructions",
        ] {
            assert_eq!(asked(&[task, "--help"]), Ok(true), "{task}");
            assert_eq!(asked(&[task, "-h"]), Ok(true), "{task}");
        }
        assert_eq!(asked(&["verify", "--list", "--help"]), Ok(true));
        assert!(asked(&["help"]).is_ok() && asked(&["--help"]).is_ok());
        assert!(asked(&[]).is_err() && asked(&["very"]).is_err());
        // What was asked for rightly and could not be done is no reason to show how to ask.
        assert!(asked(&["install"]).is_err());
        assert_eq!(asked(&["install", "/proc/nope"]), Ok(false));
    }
}
