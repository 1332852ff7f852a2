//! A connection that is carried: two threads, one for each direction, and an end on one side that becomes the same kind of end on the other.
//!
//! An orderly end of a direction is passed on by itself. A stream that was broken off (a reset, a peer that was killed) is broken off on the other side as well: an end there
//! would call half of an answer a whole one. For the same reason whatever goes wrong here breaks both sides off: that is what a drop does of either.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use ringway::stream::{ByteReader, ByteStream, ByteWriter};

use super::tcp::{LOOK, Tcp, is_timeout};
use super::unended::Unended;

/// Copied at a time.
const BUFFER: usize = 64 << 10;

/// The way to the ring, while it lasts.
struct Way {
    writer: Mutex<Option<Unended<ByteWriter>>>,
    is_over: Condvar,
}

/// How a direction has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    InOrder,
    BrokenOff,
}

/// Two streams that are one to those at their ends.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) tcp: Tcp,
    pub(super) ring: Unended<ByteStream>,
}

impl Passage {
    /// Carries both directions to their ends.
    pub(super) fn carry(self) -> io::Result<()> {
        let Self { tcp, ring } = self;
        tcp.prepare()?;
        let (reader, writer) = ring.split();
        let way = Way {
            writer: Mutex::new(Some(writer)),
            is_over: Condvar::new(),
        };
        thread::scope(|scope| {
            let (tcp, way) = (&tcp, &way);
            let there = move || way.end(to_ring(tcp, way));
            thread::Builder::new().spawn_scoped(scope, there)?;
            to_tcp(reader, tcp);
            way.outlast(tcp);
            Ok(())
        })
    }
}

impl Way {
    fn writer(&self) -> MutexGuard<'_, Option<Unended<ByteWriter>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match &mut *self.writer() {
            Some(writer) => writer.get().write_all(bytes),
            None => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn end(&self, end: End) {
        let writer = self.writer().take();
        self.is_over.notify_all();
        match (writer, end) {
            (Some(writer), End::InOrder) => writer.end(),
            (broken_off, _) => drop(broken_off),
        }
    }

    /// Behind the other direction. A client that says nothing and stays is let go, some time after the end of its answer, once nobody would take what it says: it has read its end or will,
    /// and would hear of nothing else.
    fn outlast(&self, tcp: &Tcp) {
        let mut writer = self.writer();
        while let Some(way) = &mut *writer {
            if tcp.has_lingered() {
                match way.get().check() {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                        return tcp.read_no_more();
                    }
                    Err(_) => return tcp.break_off(),
                }
            }
            let waited = self.is_over.wait_timeout(writer, LOOK);
            writer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn to_ring(tcp: &Tcp, way: &Way) -> End {
    let mut buffer = vec![0; BUFFER];
    let mut wanted = true;
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) if tcp.ended_in_order() => return End::InOrder,
            Ok(0) => return End::BrokenOff,
            Ok(read) if wanted => match way.write_all(&buffer[..read]) {
                Ok(()) => {}
                // Nobody reads it any more. What else comes is taken for nothing: a socket that refuses it resets the client, which may be at reading an answer.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    wanted = false;
                    if tcp.read_by_and_by().is_err() {
                        return broken_off(tcp);
                    }
                }
                Err(_) => return broken_off(tcp),
            },
            Ok(_) => {}
            Err(error) if !wanted && is_timeout(&error) => {}
            Err(_) => return broken_off(tcp),
        }
        if tcp.is_broken() {
            return End::BrokenOff;
        }
        if !wanted && tcp.has_lingered() {
            return End::InOrder;
        }
    }
}

fn broken_off(tcp: &Tcp) -> End {
    tcp.break_off();
    End::BrokenOff
}

fn to_tcp(mut reader: Unended<ByteReader>, tcp: &Tcp) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.get().read(&mut buffer) {
            Ok(0) => {
                tcp.end();
                return reader.end();
            }
            Ok(read) => match tcp.write_all(&buffer[..read]) {
                Ok(()) => {}
                // The client has closed, in order: what else it sent goes on.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return reader.end(),
                Err(_) => return,
            },
            Err(_) => return tcp.break_off(),
        }
    }
}
