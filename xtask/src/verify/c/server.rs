//! A server of C or C++ beside its clients.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use super::super::job::Stop;

/// A server that runs while its clients do.
pub(super) struct Server {
    child: Option<Child>,
    name: String,
}

impl Server {
    /// Starts it. It is killed where it is not waited for.
    pub(super) fn start(command: &mut Command) -> Result<Self, Stop> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| Stop::failed(format!("{name}: {error}")))?;
        Ok(Self {
            child: Some(child),
            name,
        })
    }

    /// It ends by itself, when its clients are gone or its input ends.
    pub(super) fn end(mut self) -> Result<(), Stop> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        if let Some(mut input) = child.stdin.take() {
            let _ = input.flush();
        }
        for _ in 0..6000 {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(Stop::failed(format!("{} ended with {status}", self.name)));
                }
                Ok(None) => std::thread::sleep(std::time::Duration::from_millis(10)),
                Err(error) => return Err(Stop::failed(error.to_string())),
            }
        }
        self.child = Some(child);
        Err(Stop::failed(format!("{} does not end", self.name)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
