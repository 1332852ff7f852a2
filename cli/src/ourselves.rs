//! This program, started again by a hidden subcommand: for commands that take several processes.

use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// This very program, whatever lies at its path by now, with the subcommand `hidden`.
pub(crate) fn again(hidden: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("ringway").arg(hidden);
    command
}

/// A process that does not outlive whoever has this: it is killed then, and waited for.
#[derive(Debug)]
pub(crate) struct Tied(pub(crate) Child);

impl Deref for Tied {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Tied {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
