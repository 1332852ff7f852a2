//! Observing a process that listens: its counters and schemas, and not a byte of what its connections carry.
//!
//! An observer says so in its Hello, and is done with the answer: a Welcome without an offer, with the descriptor of the counters and, if the
//! listener has schemas, that of a memory file with them. It never becomes a peer.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use zerocopy::IntoBytes;

use super::book::{self, Book};
use super::client::{self, Ended};
use super::config::Config;
use super::counters::{ConnectionCounters, Counters};
use super::link::Peer;
use super::schemas::{self, PeerSchemas, Side, Told};
use super::side::{self, Refused};
use crate::error::{Error, ErrorKind};
use crate::layout::counters;
use crate::layout::handshake::{self, Hello, ROLE_OBSERVER, Reason, WAITS, Welcome};
use crate::layout::printable;
use crate::layout::schemas::Announced;
use crate::schema::Schema;
use crate::segment::{OwnSegment, SegmentSize};
use crate::sync::Arc;
use crate::sys::credentials::{self, Speaker};
use crate::sys::line::Line;
use crate::sys::memfd;

/// What a process that listens lets others see of it.
#[derive(Debug)]
pub struct Observed {
    peer: Peer,
    counters: Counters,
    schemas: PeerSchemas,
    codec: u32,
    /// The name of the listener in its counters.
    name: String,
    /// Its process, where the kernel attached it to the answer.
    pub(super) process: Arc<Option<OwnedFd>>,
}

impl Observed {
    /// Asks over a line whose other end answers.
    pub(crate) fn over(
        config: &Config,
        path: &Path,
        line: &Line,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let mut buffer = [0u8; handshake::LONGEST];
        let asked = ask(config, path, line, (0, 0), &mut buffer, deadline);
        asked
            .map(|(observed, ..)| observed)
            .map_err(|ended| ended.told(line))
    }

    /// Who listens.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether that process has ended. `None`: the kernel does not tell who has sent a message (before Linux 6.5).
    pub fn has_ended(&self) -> Option<bool> {
        let process = Option::as_ref(&self.process);
        process.map(|process| credentials::has_ended(process.as_fd()))
    }

    /// What all the connections of that process have done, those of other listeners and those that it made as a client too. They can be
    /// read for as long as this lives, and stand still once the process has ended.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the connections of this listener have done: those of [`Observed::counters`] that have the name of its socket, as far as it is told
    /// (its last 96 bytes). In another mount namespace the socket has another name, and none is found.
    ///
    /// # Errors
    /// What the system answers.
    pub fn connections(&self) -> Result<Vec<ConnectionCounters>, Error> {
        let mut found = self.counters.connections()?;
        found.retain(|connection| connection.name == self.name);
        Ok(found)
    }

    /// How the listener and its clients make bytes of messages: the number that [`Config::codec`] was given. 0: they are as they lie in
    /// memory.
    pub fn codec(&self) -> u32 {
        self.codec
    }

    /// What the listener sends to its clients. `None`: bytes without a meaning.
    pub fn sends(&self) -> Option<&Schema> {
        self.schemas.sends.as_ref()
    }

    /// What the listener expects of its clients. `None`: anything.
    pub fn expects(&self) -> Option<&Schema> {
        self.schemas.expects.as_ref()
    }
}

/// Asks the listener at `path`.
pub(crate) fn observe(config: &Config, path: &Path, deadline: Instant) -> Result<Observed, Error> {
    let line = client::dial(path, deadline)?;
    Observed::over(config, path, &line, deadline)
}

/// Says Hello on `line`, asking for what is `observes` behind connection `after`, and reads the answer.
pub(super) fn ask(
    config: &Config,
    path: &Path,
    line: &Line,
    (observes, after): (u32, u64),
    buffer: &mut [u8; handshake::LONGEST],
    deadline: Instant,
) -> Result<(Observed, Welcome, Speaker), Ended> {
    let hello = Hello {
        role: ROLE_OBSERVER,
        codec: 0,
        observes,
        after,
        ..client::hello(config, &Announced::default())
    };
    client::send(line, hello.as_bytes(), &[])?;
    let (welcome, mut speaker, mut descriptors) = client::welcomed(config, line, buffer, deadline)?;
    client::judge_version(&welcome).map_err(client::differing)?;
    schemas::check_bytes(Side::Server, welcome.schema_bytes).map_err(client::differing)?;
    let bytes = welcome.schema_bytes as usize;
    judge(descriptors.as_slice(), bytes).map_err(client::differing)?;
    // Both are memory files: nobody can make their close take long.
    let mut take = || {
        descriptors
            .take_first()
            .ok_or_else(|| client::differing(missing(0, 1)))
    };
    let counters =
        Counters::open(take()?).map_err(|error| client::differing(unreadable(&error)))?;
    let mut area = vec![0; bytes];
    if bytes > 0 {
        File::from(take()?)
            .read_exact_at(&mut area, 0)
            .map_err(|error| {
                let error = Error::io("reading schemas", error);
                client::differing(unreadable(&error))
            })?;
    }
    let fingerprint = welcome.schema_fingerprint;
    let schemas =
        PeerSchemas::read(config, Side::Server, fingerprint, &area).map_err(client::differing)?;
    let observed = Observed {
        peer: Peer {
            uid: speaker.uid,
            pid: speaker.pid,
        },
        counters,
        schemas,
        codec: welcome.codec,
        name: printable(book::name(&book::place(path))),
        process: Arc::new(speaker.pidfd.take()),
    };
    Ok((observed, welcome, speaker))
}

/// Checks what came with the answer to an observer.
fn judge(descriptors: &[std::os::fd::OwnedFd], schema_bytes: usize) -> Result<(), Refused> {
    let wanted = 1 + usize::from(schema_bytes > 0);
    if descriptors.len() != wanted {
        return Err(missing(descriptors.len(), wanted));
    }
    let sizes = [counters::BYTES, pages(schema_bytes)];
    for (descriptor, size) in descriptors.iter().zip(sizes) {
        memfd::inspect(descriptor.as_fd(), size as u64, false, None)
            .map_err(|defect| side::describe(&defect))?;
    }
    Ok(())
}

pub(super) fn missing(found: usize, wanted: usize) -> Refused {
    let text = format!("{found} descriptors arrived, {wanted} were expected");
    (Reason::Descriptors, ErrorKind::Descriptors, text)
}

fn unreadable(error: &Error) -> Refused {
    (Reason::Segment, error.kind(), error.to_string())
}

/// Bytes of the memory file with an area of schemas.
fn pages(schema_bytes: usize) -> usize {
    schema_bytes.next_multiple_of(memfd::page_size())
}

/// What the server gives an observer.
pub(crate) struct Answer {
    welcome: Welcome,
    counters: &'static Book,
    schemas: Option<OwnSegment>,
}

impl Answer {
    /// For an observer who speaks `newest_version` at most.
    pub(crate) fn new(config: &Config, newest_version: u16) -> Result<Self, Error> {
        let told = Told::new(config)?;
        let counters = Book::here().map_err(|error| Error::io("making the counters", error))?;
        let schemas = if told.area.is_empty() {
            None
        } else {
            let size = SegmentSize {
                control: pages(told.area.len()),
                ring: 0,
                lanes: 1,
                huge: false,
            };
            let mut file = OwnSegment::new(c"ringway-schemas", size, false)
                .map_err(|error| Error::io("making a copy of the schemas", error))?;
            file.write_control(0, &told.area);
            Some(file)
        };
        let welcome = Welcome {
            waits: WAITS,
            ..Welcome::new(newest_version, config.codec, &told.announced)
        };
        Ok(Self {
            welcome,
            counters,
            schemas,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.welcome.as_bytes()
    }

    /// What goes with it, in this order.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let schemas = self.schemas.as_ref().map(OwnSegment::descriptor);
        std::iter::once(self.counters.as_fd())
            .chain(schemas)
            .collect()
    }
}
