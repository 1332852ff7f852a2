//! The socket to a peer, which may hold descriptors that we have not asked for.
//!
//! The kernel releases a descriptor that is in flight where its last reference goes: inside *our* `close`, if it lies unread in our
//! queue, and inside our `recv`, if no room was offered for it. A release can block for as long as its sender likes (a TCP socket
//! with `SO_LINGER`, a file on a FUSE mount). So whatever a peer attaches is received, which makes it ours, and is closed on
//! another thread. What is left: a process whose table of descriptors is full cannot receive any.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::close_aside;
use super::fork::Birth;
use super::message;

/// More packets than a queue holds, whose other end can send no more.
const PACKETS: usize = 4096;

/// A peer's socket. Dropping it empties its queue first.
#[derive(Debug)]
pub(crate) struct Line {
    socket: OwnedFd,
    /// `None`: there is another copy, and only this one is closed.
    birth: Option<Birth>,
}

impl Line {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            birth: Birth::here().ok(),
        }
    }

    /// A copy, which takes over the care for the queue.
    pub(crate) fn hand_over(&mut self) -> io::Result<Self> {
        let copy = self.socket.try_clone()?;
        Ok(Self {
            socket: copy,
            birth: self.birth.take(),
        })
    }

    /// Ends what the peer may say to us, and closes what it has said unheard. What we have said stays readable.
    pub(crate) fn shut(&self) {
        // SAFETY: no memory is passed. An error means that the other end is gone, and with it whoever could send.
        unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_RD) };
        let mut scratch = [0; 8];
        let mut unwanted = Vec::new();
        for _ in 0..PACKETS {
            match message::receive(self.as_fd(), &mut scratch) {
                Ok(Some(received)) if received.length > 0 => unwanted.extend(received.descriptors),
                _ => break,
            }
        }
        close_aside(unwanted);
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // In a forked child it is the parent's conversation.
        if self.birth.is_some_and(|birth| !birth.is_forked()) {
            self.shut();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use nix::sys::socket::{setsockopt, sockopt};

    use super::*;
    use crate::sys::socket::{self, look};

    const LINGER: Duration = Duration::from_secs(6);

    /// A descriptor whose release takes [`LINGER`]: a connection with bytes that nobody reads. The peer keeps it from ending at once.
    fn poison() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        setsockopt(&listener, sockopt::RcvBuf, &2304).unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (peer, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 4096]).is_ok() {}
        stream.set_nonblocking(false).unwrap();
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: libc::c_int::try_from(LINGER.as_secs()).unwrap(),
        };
        setsockopt(&stream, sockopt::Linger, &linger).unwrap();
        (stream, peer)
    }

    /// How long `act` takes with a line in whose queue a poisoned descriptor lies.
    fn with_poison(act: impl FnOnce(Line)) -> Duration {
        let (ours, theirs) = socket::pair().unwrap();
        let (poison, _peer) = poison();
        message::send(theirs.as_fd(), &[1], &[poison.as_fd()]).unwrap();
        drop(poison);
        let line = Line::new(ours);
        let began = Instant::now();
        act(line);
        began.elapsed()
    }

    #[test]
    fn what_a_peer_attaches_is_not_closed_on_our_time() {
        let looked = with_poison(|line| {
            assert!(!look(&line).open, "it ends the connection");
            assert!(!look(&line).open, "for good");
        });
        assert!(looked < LINGER / 2, "a look took {looked:?}");
        let dropped = with_poison(drop);
        assert!(dropped < LINGER / 2, "a close took {dropped:?}");
    }

    #[test]
    fn a_copy_takes_the_care_over_and_what_we_said_stays() {
        let (ours, theirs) = socket::pair().unwrap();
        let mut line = Line::new(ours);
        let copy = line.hand_over().unwrap();
        drop(line);
        let theirs = Line::new(theirs);
        assert!(look(&theirs).open, "the copy keeps it open");
        socket::nudge(copy.as_fd()).unwrap();
        drop(copy);
        assert!(look(&theirs).taken, "said before the end");
    }
}
