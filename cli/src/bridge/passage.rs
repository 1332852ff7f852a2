//! A connection that is carried: two threads, one for each direction, and an end on one side that becomes the same kind of end on the other.
//!
//! An orderly end of a direction is passed on by itself. A stream that was broken off (a reset, a peer that was killed) is broken off on the other side as well: an end there
//! would call half of an answer a whole one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::thread;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use ringway::stream::{ByteReader, ByteStream, ByteWriter};

/// Copied at a time.
const BUFFER: usize = 64 << 10;

/// Two streams that are one to those at their ends.
pub(super) struct Passage {
    tcp: TcpStream,
    reader: ByteReader,
    writer: ByteWriter,
}

impl Passage {
    pub(super) fn new(tcp: TcpStream, ring: ByteStream) -> io::Result<Self> {
        // Whatever comes from the ring is one write of somebody's, and is not to wait for more.
        tcp.set_nodelay(true)?;
        tcp.set_nonblocking(false)?;
        let (reader, writer) = ring.split();
        Ok(Self {
            tcp,
            reader,
            writer,
        })
    }

    /// Carries both directions to their ends.
    pub(super) fn carry(self) {
        let Self {
            tcp,
            reader,
            writer,
        } = self;
        let broken = OnceLock::new();
        thread::scope(|scope| {
            let (tcp, broken) = (&tcp, &broken);
            let there =
                thread::Builder::new().spawn_scoped(scope, move || to_ring(tcp, writer, broken));
            match there {
                Ok(_) => to_tcp(reader, tcp, broken),
                // The writer went with its thread, unused: the ring's peer hears that nothing comes.
                Err(_) => break_off_with(tcp, broken),
            }
        });
    }
}

fn to_ring(mut tcp: &TcpStream, mut writer: ByteWriter, broken: &OnceLock<()>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match tcp.read(&mut buffer) {
            // Also when the other thread has broken it off.
            Ok(0) if broken.get().is_some() => return writer.abort(),
            Ok(0) => return,
            Ok(read) => match writer.write_all(&buffer[..read]) {
                Ok(()) => {}
                // Nobody reads it any more: what else comes is not wanted.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    let _ = tcp.shutdown(Shutdown::Read);
                    return;
                }
                Err(_) => return break_off_with(tcp, broken),
            },
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                let _ = broken.set(());
                return writer.abort();
            }
        }
    }
}

fn to_tcp(mut reader: ByteReader, mut tcp: &TcpStream, broken: &OnceLock<()>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => {
                let _ = tcp.shutdown(Shutdown::Write);
                return;
            }
            Ok(read) => {
                if tcp.write_all(&buffer[..read]).is_err() {
                    // Dropping the reader tells the ring's peer; a reset is heard by the other thread.
                    return;
                }
            }
            Err(_) => return break_off_with(tcp, broken),
        }
    }
}

/// Breaks off what is carried: the other thread hears it by its read.
fn break_off_with(tcp: &TcpStream, broken: &OnceLock<()>) {
    let _ = broken.set(());
    break_off(tcp);
    let _ = tcp.shutdown(Shutdown::Read);
}

/// Has the socket's close be a reset.
pub(super) fn break_off(tcp: &TcpStream) {
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    // It is a socket, so that it cannot fail.
    let _ = setsockopt(tcp, sockopt::Linger, &linger);
}
