//! Streams of bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use ringway::Connection;
use ringway::stream::ByteStream;

use super::{ATTEMPT, HEARD, Outcome, SAID, Scene, clear, for_a_client};
use crate::process::Page;

/// Exchanges that each find the other side asleep, and then what does not fit into a ring.
const SHORT: u64 = 24;
const ROUNDS: u64 = 3;
const LONG: u64 = 9000;

/// What is counted of one end: the failing process's bytes that were written, and that its peer has read. The first byte of a stream says in which attempt that was.
struct Ends<'a> {
    page: &'a Page,
    stream: ByteStream,
    fails: bool,
    attempt: u64,
    said: u64,
    heard: u64,
}

fn byte(attempt: u64, at: u64) -> u8 {
    if at == 0 {
        attempt as u8
    } else {
        (at as u8).wrapping_mul(31) ^ (at >> 8) as u8
    }
}

impl<'a> Ends<'a> {
    fn new(page: &'a Page, connection: Connection, fails: bool) -> Result<Self, ringway::Error> {
        let mut stream = ByteStream::over(connection)?;
        stream.set_read_timeout(Some(Duration::from_secs(25)));
        stream.set_write_timeout(Some(Duration::from_secs(25)));
        let attempt = if fails { page.get(ATTEMPT) } else { 0xff };
        Ok(Self {
            page,
            stream,
            fails,
            attempt,
            said: 0,
            heard: 0,
        })
    }

    fn say(&mut self, count: u64) -> io::Result<()> {
        let bytes: Vec<u8> = (self.said..self.said + count)
            .map(|at| byte(self.attempt, at))
            .collect();
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let written = self.stream.write(left)?;
            left = &left[written..];
            self.said += written as u64;
            if self.fails {
                self.page.set(SAID + self.attempt as usize, self.said);
            }
        }
        Ok(())
    }

    /// Some that are there. 0: the end.
    fn hear_some(&mut self, most: u64) -> io::Result<u64> {
        let mut buffer = [0; 512];
        let most = most.min(buffer.len() as u64) as usize;
        let read = self.stream.read(&mut buffer[..most])?;
        for &heard in &buffer[..read] {
            if self.heard == 0 && !self.fails {
                self.attempt = u64::from(heard);
            } else if self.heard > 0 {
                assert_eq!(heard, byte(0, self.heard), "a byte is broken");
            }
            self.heard += 1;
        }
        if !self.fails && read > 0 {
            self.page.set(HEARD + self.attempt as usize, self.heard);
        }
        Ok(read as u64)
    }

    fn hear(&mut self, count: u64) -> io::Result<()> {
        let wanted = self.heard + count;
        while self.heard < wanted {
            if self.hear_some(wanted - self.heard)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn hear_all(&mut self) -> io::Result<()> {
        while self.hear_some(u64::MAX)? > 0 {}
        Ok(())
    }

    /// The whole conversation: `first` writes first, and ends its direction first.
    fn converse(&mut self, first: bool) -> io::Result<()> {
        for _ in 0..ROUNDS {
            if first {
                self.say(SHORT)?;
            }
            self.hear(SHORT)?;
            if !first {
                self.say(SHORT)?;
            }
        }
        if !first {
            self.hear_all()?;
        }
        self.say(LONG)?;
        self.stream.shutdown(Shutdown::Write)?;
        if first {
            self.hear_all()?;
        }
        if self.heard == ROUNDS * SHORT + LONG {
            return Ok(());
        }
        Err(io::Error::other(format!("{} bytes were heard", self.heard)))
    }
}

/// The failing process's.
pub(super) fn attempt(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let connection = if scene.connects() {
        scene.connect(path).map_err(|error| clear(&error))?
    } else {
        let mut listener = scene.bind(path).map_err(|error| clear(&error))?;
        let accepted = listener.accept_deadline(for_a_client());
        accepted.map_err(|error| clear(&error))?
    };
    let ends = Ends::new(page, connection, true).map_err(|error| clear(&error));
    let outcome = ends?.converse(scene.connects());
    outcome.map_err(|error| told(&error))
}

fn told(error: &io::Error) -> String {
    format!("exchange: {:?}: {error}", error.kind())
}

/// The peer's side of one connection.
pub(super) fn answer(connection: Connection, page: &Page, first: bool) -> String {
    let mut ends = Ends::new(page, connection, false).unwrap();
    let Err(error) = ends.converse(first) else {
        return "complete;".to_owned();
    };
    // All that was written is to be had, and then an end that is one.
    if let Err(end) = ends.hear_all() {
        let kind = end.kind();
        assert_eq!(kind, ErrorKind::ConnectionReset, "{end}");
    }
    format!("{};", told(&error))
}
