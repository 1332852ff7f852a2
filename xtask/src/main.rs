//! The tasks of this project: `cargo verify`, `cargo demo`, `cargo xtask tools`.
//!
//! Deliberately absent: dependencies. This crate is compiled before anything else can be checked, so it is the
//! standard library and the tools that every Linux has.

mod arguments;
mod demo;
mod output;
mod place;
mod process;
mod tools;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use output::say;

const USAGE: &str = "\
usage: cargo verify [--only STEP[,STEP]] [--list] [--long=MINUTES] [--verbose]
       cargo demo
       cargo xtask tools

verify   checks everything that continuous integration checks; --long adds a soak of so many minutes and deeper models
demo     moves files of this machine between two processes and shows how fast
tools    installs the prebuilt tools that verify uses, under the target directory";

fn main() -> ExitCode {
    output::while_read(run)
}

fn run() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let task = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let result = match task.as_str() {
        "verify" => verify::Options::parse(&rest).and_then(|options| verify::run(&options)),
        "demo" => arguments::none(&rest).and_then(|()| demo::run()),
        "tools" => arguments::none(&rest).and_then(|()| tools::install()),
        "help" | "--help" | "-h" => {
            say!("{USAGE}");
            Ok(true)
        }
        other => Err(format!("there is no task `{other}`")),
    };
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
