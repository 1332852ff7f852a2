//! Unit tests that need a process of their own: what they change, or count, is the process's.

use std::process::Command;

const ROLE: &str = "RINGWAY_TEST_APART";

/// Whether this is the process of its own of the test `name`, given with its path in the crate. If not, it has been run there, and has passed.
pub(crate) fn is_apart(name: &str) -> bool {
    if std::env::var_os(ROLE).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(ROLE, "");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    false
}
