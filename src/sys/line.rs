//! The socket to a peer, which may hold descriptors that we have not asked for.
//!
//! The kernel releases a file in flight where its last reference goes: inside *our* `close`, if it lies unread in our queue. A release
//! can block for as long as the sender of the file likes ([`aside`]). So the end of a line is said at once, with `shutdown`, and a
//! queue that is not empty then is closed, socket and all, on another thread.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{MutexGuard, PoisonError};

use nix::sys::socket::{Shutdown, shutdown};

use super::fork::Birth;
use super::message::{self, First};
use super::{aside, socket};
use crate::sync::Mutex;

/// A peer's socket.
#[derive(Debug)]
pub(crate) struct Line {
    socket: ManuallyDrop<OwnedFd>,
    /// `None`: it cannot be told whether we are the child of a fork, which is then assumed.
    birth: Option<Birth>,
    /// Locked by whoever looks at the queue, so that nobody takes what another looked at.
    end: Mutex<End>,
}

/// What is known of a line's end.
#[derive(Debug, Default)]
pub(super) struct End {
    /// It has ended.
    pub(super) ended: bool,
    /// We have shut our own side down, if only for writing: behind that the kernel tells the two apart no more.
    pub(super) shut: bool,
}

impl Line {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket: ManuallyDrop::new(socket),
            birth: Birth::here().ok(),
            end: Mutex::default(),
        }
    }

    /// The right to look at the queue, and whether there is a point.
    pub(super) fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it for both sides. What we have said stays readable.
    pub(super) fn shut(&self) {
        // An error means that the other end is gone, and with it whoever could send.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
    }

    /// Says that nothing more comes from us, which is an end to the peer. What it says can still be heard.
    pub(crate) fn hang_up(&self) {
        self.end().shut = true;
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Write);
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let empty = if self.birth.is_some_and(|birth| !birth.is_forked()) {
            self.shut();
            socket::ask_for_speaker(self.as_fd());
            message::is_empty(self.as_fd())
        } else {
            // In a forked child it is the parent's conversation, and nothing of it may be changed. But the parent may have closed its copy:
            // then what is unread goes with ours. (What comes between this look and the close is not seen.)
            matches!(message::first(self.as_fd()), Ok(First::Nothing))
        };
        // SAFETY: it is taken here only, and nobody uses `self` afterwards.
        let socket = unsafe { ManuallyDrop::take(&mut self.socket) };
        if empty {
            drop(socket);
        } else {
            aside::close(vec![socket]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use nix::sys::socket::{setsockopt, sockopt};

    use super::*;
    use crate::sys::socket::{self, look};

    const LINGER: Duration = Duration::from_secs(40);

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

    /// How long `act` takes with a line in whose queue lies a poisoned descriptor, `copies` times attached to each of `packets`.
    fn with_poison(packets: &[&[u8]], copies: usize, act: impl FnOnce(Line)) -> Duration {
        let (ours, theirs) = socket::pair().unwrap();
        let (poison, _peer) = poison();
        for packet in packets {
            message::send(theirs.as_fd(), packet, &vec![poison.as_fd(); copies]).unwrap();
        }
        drop(poison);
        let line = Line::new(ours);
        let began = Instant::now();
        act(line);
        began.elapsed()
    }

    #[test]
    fn what_a_peer_attaches_is_not_closed_on_our_time() {
        // An empty packet looks like the end of the conversation, and brings descriptors all the same.
        let queues: [&[&[u8]]; 4] = [
            &[&[1]],
            &[&[]],
            &[&[], &[1]],
            &[&[1u8]; 100].map(|packet| &packet[..]),
        ];
        for packets in queues {
            let looked = with_poison(packets, 3, |line| {
                assert!(!look(&line).open, "it ends the connection");
                assert!(!look(&line).open, "for good");
            });
            let dropped = with_poison(packets, 3, drop);
            for took in [looked, dropped] {
                assert!(took < LINGER / 2, "{} packets: {took:?}", packets.len());
            }
        }
    }

    /// A daemon forks, and the parent goes first.
    #[test]
    fn a_child_with_the_last_copy_is_not_delayed_either() {
        with_poison(&[&[1]], 1, |line| {
            let (mut parents, mut childs) = UnixStream::pair().unwrap();
            // SAFETY: the child takes no lock of this program but the allocator's, which is mended on fork; it leaves by `_exit`.
            let child = unsafe { libc::fork() };
            if child == 0 {
                drop(parents);
                let told = childs.read(&mut [0]);
                let began = Instant::now();
                drop(line);
                let swift = told.is_ok() && began.elapsed() < LINGER / 2;
                let _ = childs.write(&[u8::from(swift)]);
                // SAFETY: `_exit` ends the process and runs nothing. The kernel then releases what is still open, in its own time.
                unsafe { libc::_exit(0) };
            }
            drop((line, childs));
            parents.write_all(&[1]).unwrap();
            let mut swift = [0];
            parents.read_exact(&mut swift).unwrap();
            assert_eq!(swift, [1], "the child's drop waited for the release");
        });
    }

    #[test]
    fn an_empty_packet_is_an_end_that_is_not_taken_back() {
        let (ours, theirs) = socket::pair().unwrap();
        message::send(theirs.as_fd(), &[], &[]).unwrap();
        message::send(theirs.as_fd(), &[1], &[]).unwrap();
        let line = Line::new(ours);
        assert!(!look(&line).open);
        assert!(!look(&line).open);
    }

    #[test]
    fn what_we_said_before_the_end_stays() {
        let (ours, theirs) = socket::pair().unwrap();
        let (ours, theirs) = (Line::new(ours), Line::new(theirs));
        socket::nudge(ours.as_fd()).unwrap();
        drop(ours);
        let look = look(&theirs);
        assert!(look.taken && !look.open, "{look:?}");
    }
}
