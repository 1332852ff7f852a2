//! The TCP side of a connection that is carried.
//!
//! From the first moment on its close is a reset, also one by the kernel when this process is killed: an end in order is what only [`Tcp::end`] makes of it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

/// A write that waits for the client looks so often whether the stream was broken off: nothing else wakes it without telling the client of an end.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// So long a client may go on sending, to nobody, when it has been sent everything. It may be at reading that still, which a reset could take from it.
const LINGER: Duration = Duration::from_secs(5);
/// Seconds of silence behind which the client's host is asked whether it lives, seconds between two questions, and how many of them it may leave without an answer.
const KEEPALIVE: (u32, u32, u32) = (60, 10, 6);

/// A TCP connection that is joined with a stream of Ringway: one thread reads, one writes.
#[derive(Debug)]
pub(super) struct Tcp {
    socket: TcpStream,
    /// The stream is no longer to end in order.
    broken: OnceLock<()>,
    /// When everything was sent, and its end.
    ended: OnceLock<Instant>,
    /// Held while something is written, and until what came of it is known.
    writing: Mutex<()>,
}

impl Tcp {
    pub(super) fn new(socket: TcpStream) -> Self {
        has_closes_reset(&socket, true);
        Self {
            socket,
            broken: OnceLock::new(),
            ended: OnceLock::new(),
            writing: Mutex::new(()),
        }
    }

    /// Sets up what it is carried with.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let socket = &self.socket;
        socket.set_nonblocking(false)?;
        // Whatever comes from the ring is one write of somebody's, and is not to wait for more.
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(LOOK))?;
        // No TCP_USER_TIMEOUT: it would also end a client that only does not read for a while. What was sent to a host that is gone is given up by the kernel.
        let (idle, interval, count) = KEEPALIVE;
        setsockopt(socket, sockopt::TcpKeepIdle, &idle)?;
        setsockopt(socket, sockopt::TcpKeepInterval, &interval)?;
        setsockopt(socket, sockopt::TcpKeepCount, &count)?;
        setsockopt(socket, sockopt::KeepAlive, &true)?;
        Ok(())
    }

    /// Reads what has come, at least a byte; none is the end, of which [`ended_in_order`](Self::ended_in_order) knows more.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.socket).read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Whether the end that was read is one of the client's own making.
    pub(super) fn ended_in_order(&self) -> bool {
        // A reset is told once, to whichever thread asks first, and the other one reads an end. Behind a reset no write waits any more, so that the one under way is soon over.
        if self.is_hung_up() {
            drop(self.writing());
        }
        !self.is_broken()
    }

    /// Ends the read that may be under way, as if the client had ended its direction.
    pub(super) fn read_no_more(&self) {
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    /// Nobody takes what the client sends any more: whether it was given its time to hear of that.
    pub(super) fn has_lingered(&self) -> bool {
        self.ended.get().is_some_and(|at| at.elapsed() >= LINGER)
    }

    /// From now on a read waits no longer than until it is to be looked whether the client has [lingered](Self::has_lingered).
    pub(super) fn read_by_and_by(&self) -> io::Result<()> {
        self.socket.set_read_timeout(Some(LOOK))
    }

    /// Writes all of it. Any error but that the client reads no more ([`ErrorKind::BrokenPipe`]) has broken the stream off.
    pub(super) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let _writing = self.writing();
        let written = self.write_within(bytes);
        if matches!(&written, Err(error) if error.kind() != ErrorKind::BrokenPipe) {
            self.break_off();
        }
        written
    }

    fn write_within(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&self.socket).write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
            if self.is_broken() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }

    /// Everything was sent: this is the end, in order.
    pub(super) fn end(&self) {
        // First: killed behind it, we still pass on what is under way, and the end.
        has_closes_reset(&self.socket, false);
        // An error means that there is nobody to hear it.
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.ended.set(Instant::now());
    }

    /// Breaks it off: the close will be a reset. Whoever reads hears it at once, whoever writes soon.
    pub(super) fn break_off(&self) {
        let _ = self.broken.set(());
        has_closes_reset(&self.socket, true);
        let _ = self.socket.shutdown(Shutdown::Read);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.get().is_some()
    }

    /// Whether neither direction goes on: it was reset, or has ended both ways.
    fn is_hung_up(&self) -> bool {
        let mut entry = [PollFd::new(self.socket.as_fd(), PollFlags::empty())];
        let asked = poll(&mut entry, PollTimeout::ZERO);
        asked.is_ok() && entry[0].any() == Some(true)
    }

    fn writing(&self) -> impl Drop + '_ {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a read or write has waited for as long as it may.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn has_closes_reset(socket: &TcpStream, on: bool) {
    let linger = libc::linger {
        l_onoff: on.into(),
        l_linger: 0,
    };
    // It is a socket, so that it cannot fail.
    let _ = setsockopt(socket, sockopt::Linger, &linger);
}
