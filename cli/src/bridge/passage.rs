//! A connection that is carried: two threads, one for each direction, and an end on one side that becomes the same kind of end on the other.
//!
//! An orderly end of a direction is passed on by itself. A stream that was broken off (a reset, a peer that was killed) is broken off on the other side as well: an end there
//! would call half of an answer a whole one. For the same reason whatever goes wrong here breaks both sides off: that is what a drop does of either.

use std::io::{self, ErrorKind, Read, Write};
use std::thread;

use ringway::stream::{ByteReader, ByteStream, ByteWriter};

use super::tcp::{Tcp, is_timeout};
use super::unended::Unended;

/// Copied at a time.
const BUFFER: usize = 64 << 10;

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
        thread::scope(|scope| {
            let tcp = &tcp;
            let there = move || to_ring(tcp, writer);
            thread::Builder::new().spawn_scoped(scope, there)?;
            to_tcp(reader, tcp);
            Ok(())
        })
    }
}

fn to_ring(tcp: &Tcp, mut writer: Unended<ByteWriter>) {
    let mut buffer = vec![0; BUFFER];
    let mut wanted = true;
    loop {
        match tcp.read(&mut buffer) {
            Ok(0) if tcp.ended_in_order() => return writer.end(),
            Ok(0) => return,
            Ok(read) if wanted => match writer.get().write_all(&buffer[..read]) {
                Ok(()) => {}
                // Nobody reads it any more. What else comes is taken for nothing: a socket that refuses it resets the client, which may be at reading an answer.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    wanted = false;
                    if tcp.read_by_and_by().is_err() {
                        return tcp.break_off();
                    }
                }
                Err(_) => return tcp.break_off(),
            },
            Ok(_) => {}
            Err(error) if !wanted && is_timeout(&error) => {}
            Err(_) => return tcp.break_off(),
        }
        if tcp.is_broken() {
            return;
        }
        if !wanted && tcp.has_lingered() {
            return writer.end();
        }
    }
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
