//! What lies between a client and its service.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::super::Failure;
use super::super::meter::processor_time_of;
use super::service;
use crate::ourselves::{self, Tied};

/// How a client reaches its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TCP, and nothing between.
    Direct,
    /// TCP, a bridge, a ring, a bridge, TCP.
    Through,
    /// TCP, a bridge, and a service of Ringway.
    Into,
}

/// Each; what the others are compared with is the first.
pub(super) const WAYS: [Kind; 3] = [Kind::Direct, Kind::Through, Kind::Into];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "tcp",
            Self::Through => "tcp-bridge-ring-bridge-tcp",
            Self::Into => "tcp-bridge-ring",
        }
    }
}

/// The processes between a client and its service, that of the service too.
#[derive(Debug)]
pub(super) struct Way {
    /// Where the client connects.
    pub(super) entrance: SocketAddr,
    processes: Vec<Tied>,
}

impl Way {
    /// Starts them. The service runs on processor `cpu`; a ring meets at `path`.
    pub(super) fn start(kind: Kind, path: &Path, cpu: usize) -> Result<Self, Failure> {
        let meet = path.to_str().ok_or("a path that is no text")?;
        let cpu = cpu.to_string();
        let mut processes = Vec::new();
        let mut serve = |address: &str| start(service::COMMAND, &[address, &cpu], &mut processes);
        let entrance = match kind {
            Kind::Direct => serve("127.0.0.1:0")?,
            Kind::Through => {
                let service = serve("127.0.0.1:0")?;
                start("bridge", &["ring", meet, &service], &mut processes)?;
                start("bridge", &["tcp", "127.0.0.1:0", meet], &mut processes)?
            }
            Kind::Into => {
                serve(meet)?;
                start("bridge", &["tcp", "127.0.0.1:0", meet], &mut processes)?
            }
        };
        Ok(Self {
            entrance: entrance.parse()?,
            processes,
        })
    }

    /// Processor time that they have used so far.
    pub(super) fn cpu(&self) -> Result<Duration, Failure> {
        let each = self.processes.iter();
        each.map(|process| processor_time_of(process.id())).sum()
    }
}

/// Starts a process that says on standard error where it listens, and returns that.
fn start(command: &str, arguments: &[&str], processes: &mut Vec<Tied>) -> Result<String, Failure> {
    let child = ourselves::again(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut child = Tied(child);
    let mut said = BufReader::new(child.stderr.take().ok_or("no standard error")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    if let Some((_, address)) = line.trim_end().split_once(service::LISTENING) {
        processes.push(child);
        return Ok(address.to_owned());
    }
    said.read_to_string(&mut line)?;
    Err(format!("{command} does not listen: {line}").into())
}
