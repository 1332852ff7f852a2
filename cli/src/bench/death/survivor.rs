//! One who waits for a peer that is killed.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::time::{ClockId, clock_gettime};
use ringway::{Config, Connection, Event, Listener, Poller, RecvError, SendError, Sender, Wait};

use super::super::Failure;
use super::super::crew::Meeting;
use super::super::placement::{Placement, pin};
use super::member::{By, Part, Role, Way, config};
use super::{Member, Seen, settle};

/// What the survivor is doing meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Receives,
    /// Sends, and there is no room.
    Sends,
    /// Receives without going to sleep.
    Spins,
    Polls,
    /// Receives, and has been rung by this peer before.
    Rung(Way),
}

pub(super) const ALL: [Waiting; 7] = [
    Waiting::Receives,
    Waiting::Sends,
    Waiting::Spins,
    Waiting::Polls,
    Waiting::Rung(Way::Default),
    Waiting::Rung(Way::Aio),
    Waiting::Rung(Way::Byte),
];

impl Waiting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Receives => "recv, parked",
            Self::Sends => "send, parked",
            Self::Spins => "recv, spinning",
            Self::Polls => "poller, asleep",
            Self::Rung(Way::Default) => "recv, peer rang",
            Self::Rung(Way::Aio) => "recv, peer rang AIO",
            Self::Rung(Way::Byte) => "recv, peer rang lean",
        }
    }

    /// Whether the target is for it: what the kernel does with AIO contexts is not promised.
    pub(super) fn is_promised(self) -> bool {
        self != Self::Rung(Way::Aio)
    }

    fn config(self) -> Config {
        match self {
            Self::Spins => Config::new().wait(Wait::Spin),
            _ => config(),
        }
    }
}

/// Where peers connect that will be killed.
#[derive(Debug)]
pub(super) struct Pair {
    wait: Waiting,
    ours: (PathBuf, Listener),
    by_hand: (PathBuf, UnixListener),
    placement: Placement,
    kills: u32,
}

/// For how long a peer may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

impl Pair {
    pub(super) fn new(
        meeting: &mut Meeting,
        wait: Waiting,
        placement: Placement,
    ) -> Result<Self, Failure> {
        let (ours, by_hand) = (meeting.address(), meeting.address());
        let listener = wait.config().bind(ours.as_path())?;
        let socket = UnixListener::bind(&by_hand)?;
        Ok(Self {
            wait,
            ours: (ours, listener),
            by_hand: (by_hand, socket),
            placement,
            kills: 0,
        })
    }

    pub(super) fn ours(&mut self) -> Result<Seen, Failure> {
        let peer = self.peer(By::Ringway, &self.ours.0)?;
        let connection = self.ours.1.accept_deadline(Instant::now() + PATIENCE)?;
        let wait = self.wait;
        self.watch(peer, move |begins| outlive(connection, wait, begins))
    }

    pub(super) fn by_hand(&mut self) -> Result<Seen, Failure> {
        let peer = self.peer(By::Socket, &self.by_hand.0)?;
        let (stream, _) = self.by_hand.1.accept()?;
        let wait = self.wait;
        self.watch(peer, move |begins| outlive_by_hand(&stream, wait, begins))
    }

    fn peer(&self, by: By, address: &Path) -> Result<Member, Failure> {
        Member::start(&Role {
            part: match self.wait {
                Waiting::Rung(way) => Part::Rings(way),
                _ => Part::Silent,
            },
            by,
            address: address.to_owned(),
            cpu: self.placement.cpus[1],
        })
    }

    /// Kills `peer` while `wait` waits for it, on a processor of its own.
    fn watch(
        &mut self,
        mut peer: Member,
        wait: impl FnOnce(&mpsc::Sender<()>) -> Result<Instant, Failure> + Send + 'static,
    ) -> Result<Seen, Failure> {
        let cpu = self.placement.cpus[0];
        let (begins, begun) = mpsc::channel();
        let survivor = thread::spawn(move || -> Result<_, Failure> {
            pin(cpu)?;
            let (began, used) = (Instant::now(), used());
            let heard = wait(&begins)?;
            Ok((
                heard,
                heard.saturating_duration_since(began),
                self::used().saturating_sub(used),
            ))
        });
        // Where it ends without having begun, its error says why.
        let _ = begun.recv();
        settle(&mut self.kills);
        let began = peer.kill()?;
        let (heard, wall, cpu) = survivor.join().map_err(|_| "the survivor panicked")??;
        let time = heard
            .checked_duration_since(began)
            .ok_or("an end was heard of before the kill")?;
        Ok(Seen { time, cpu, wall })
    }
}

/// Processor time of this thread.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Waits until the peer has died, and says when that was told. The connection is dropped behind it. `begins` hears when nothing but the end is waited for.
fn outlive(
    mut connection: Connection,
    wait: Waiting,
    begins: &mpsc::Sender<()>,
) -> Result<Instant, Failure> {
    match wait {
        Waiting::Rung(_) => drop(connection.receiver().recv()?),
        // A peer that is killed while there is still room is not the one that a sender waits for.
        Waiting::Sends => fill(connection.sender())?,
        Waiting::Receives | Waiting::Spins | Waiting::Polls => {}
    }
    begins.send(())?;
    match wait {
        Waiting::Receives | Waiting::Spins | Waiting::Rung(_) => {
            match connection.receiver().recv() {
                Err(RecvError::PeerDied) => Ok(Instant::now()),
                other => Err(format!("not the death of the peer: {:?}", other.err()).into()),
            }
        }
        Waiting::Sends => match connection.sender().send(&[0; 64]) {
            Err(SendError::PeerDied) => Ok(Instant::now()),
            other => Err(format!("not the death of the peer: {other:?}").into()),
        },
        Waiting::Polls => {
            let mut poller: Poller = Poller::new()?;
            poller.add(connection)?;
            loop {
                if let Some(Event::Ended { .. }) = poller.event()? {
                    return Ok(Instant::now());
                }
            }
        }
    }
}

/// Sends until there is no room.
fn fill(sender: &mut Sender) -> Result<(), Failure> {
    loop {
        match sender.try_send(&[0; 64]) {
            Ok(()) => {}
            Err(SendError::Full) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn outlive_by_hand(
    stream: &UnixStream,
    wait: Waiting,
    begins: &mpsc::Sender<()>,
) -> Result<Instant, Failure> {
    let socket = stream.as_raw_fd();
    let mut bytes = [0; 64];
    let quiet = MsgFlags::MSG_NOSIGNAL;
    match wait {
        Waiting::Rung(_) => {
            recv(socket, &mut bytes, MsgFlags::empty())?;
        }
        Waiting::Sends => while send(socket, &bytes, quiet | MsgFlags::MSG_DONTWAIT).is_ok() {},
        Waiting::Receives | Waiting::Spins | Waiting::Polls => {}
    }
    begins.send(())?;
    let end = match wait {
        Waiting::Receives | Waiting::Rung(_) => recv(socket, &mut bytes, MsgFlags::empty()),
        Waiting::Spins => loop {
            match recv(socket, &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => {}
                other => break other,
            }
        },
        Waiting::Sends => match send(socket, &bytes, quiet) {
            // What it had not read is told by the second one.
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(0),
            other => other,
        },
        Waiting::Polls => {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
            let interest = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP, 0);
            epoll.add(stream.as_fd(), interest)?;
            epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE)?;
            recv(socket, &mut bytes, MsgFlags::MSG_DONTWAIT)
        }
    };
    let heard = Instant::now();
    match end {
        Ok(0) => Ok(heard),
        other => Err(format!("not the end of the peer: {other:?}").into()),
    }
}
