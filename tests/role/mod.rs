//! Tests of what belongs to a whole process: environment, limits, users, forks. The test binary is started again, for its one test
//! `in_a_role`, with the role in its environment.

use std::process::{Command, Stdio};

const ROLE: &str = "RINGWAY_TEST_ROLE";

/// The role that this process plays; `None`: it is the one that runs the tests. A role that hangs ends itself.
pub(crate) fn assigned() -> Option<String> {
    let role = std::env::var(ROLE).ok()?;
    // SAFETY: no preconditions; the signal's default action ends the process.
    unsafe { libc::alarm(60) };
    Some(role)
}

/// A process for `role`.
pub(crate) fn process(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "in_a_role", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::null());
    command
}

/// Runs a role to its end and returns what it printed.
pub(crate) fn play(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    // Where nothing has that name nothing runs, and that is a success.
    assert!(text.contains("1 passed"), "no role was played: {text}");
    text
}
