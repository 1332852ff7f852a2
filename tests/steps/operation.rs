//! What the process does that is stopped after each of its instructions.

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Wait};

use crate::process::Page;

/// Words of the page: 1 when the operation is about to begin, 2 when it has returned.
pub(crate) const STAGE: usize = 0;
/// Frames that have been committed for certain: each is counted when the call that commits it has returned.
pub(crate) const COMMITTED: usize = 1;
/// Somebody listens.
pub(crate) const BOUND: usize = 2;
/// What a scripted peer has been sent, as a descriptor of its own, plus one.
pub(crate) const SEGMENT: usize = 3;
/// How many frames a peer that is a process of the library's has received.
pub(crate) const RECEIVED: usize = 4;
/// The process has been killed.
pub(crate) const DONE: usize = 5;
/// A dead twin has shaken hands; it may take on the snapshot.
pub(crate) const READY: usize = 6;
pub(crate) const GO: usize = 7;
/// How many frames have been handed out, and with how many their handler is done: where that is looked at.
pub(crate) const HANDED: usize = 8;
pub(crate) const FINISHED: usize = 9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// By copy.
    Send,
    /// In place.
    Commit,
    /// In place at an aligned address, behind a pad.
    Aligned,
    /// With a moment at which it expires.
    Expiring,
    /// A group of two.
    Group,
    /// A frame is received and released.
    Release,
    /// Back to what was released, and on from there.
    Rewind,
    /// The receiver arms, for somebody else's loop and to sleep by itself.
    Park,
    /// The sender does.
    Room,
    /// A frame for a peer that is asleep.
    Wake,
    /// Both halves are dropped.
    Close,
    /// The whole handshake.
    Handshake,
}

pub(crate) const ALL: &[Operation] = &[
    Operation::Send,
    Operation::Commit,
    Operation::Aligned,
    Operation::Expiring,
    Operation::Group,
    Operation::Release,
    Operation::Rewind,
    Operation::Park,
    Operation::Room,
    Operation::Wake,
    Operation::Close,
];

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    pub(crate) side: Side,
    /// Payload bytes of each frame of the operation.
    pub(crate) size: usize,
    /// The first of them lies across the ring's end.
    pub(crate) wraps: bool,
}

/// What the peer has sent before: three frames of this size.
pub(crate) const THEIRS: [usize; 3] = [600; 3];

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Bytes of ring that a payload takes.
pub(crate) fn length(payload: usize) -> usize {
    8 + payload.next_multiple_of(8)
}

/// The bytes of the frame with this number.
pub(crate) fn body(number: usize, size: usize) -> Vec<u8> {
    let byte = |at: usize| (at as u8).wrapping_mul(7) ^ (number as u8).wrapping_mul(41) ^ 0x5a;
    (0..size).map(byte).collect()
}

impl Case {
    /// Payload bytes of what is committed before the operation.
    pub(crate) fn before(&self) -> Vec<usize> {
        if self.wraps {
            // 24 bytes are left to the ring's end.
            vec![1000, 1000, 1000, 992, 40]
        } else {
            vec![24, 40]
        }
    }

    /// Payload bytes of what the operation commits: all of it at once.
    pub(crate) fn within(&self) -> Vec<usize> {
        match self.operation {
            Operation::Group => vec![self.size; 2],
            Operation::Send
            | Operation::Commit
            | Operation::Aligned
            | Operation::Expiring
            | Operation::Wake => vec![self.size],
            _ => Vec::new(),
        }
    }

    /// The position from which the survivor has not read: the last frame before the operation is there for it.
    pub(crate) fn base(&self) -> usize {
        let before = self.before();
        before[..before.len() - 1]
            .iter()
            .map(|&size| length(size))
            .sum()
    }

    /// What is there to be read from the base on: the last frame before the operation, and those of the operation or none.
    pub(crate) fn frames(&self, done: bool) -> Vec<Vec<u8>> {
        let before = self.before();
        let last = before.len() - 1;
        let mut frames = vec![body(last, before[last])];
        if self.operation == Operation::Handshake {
            frames.clear();
        }
        if done {
            let numbered = self.within().into_iter().enumerate();
            frames.extend(numbered.map(|(index, size)| body(last + 1 + index, size)));
        }
        frames
    }

    pub(crate) fn config(&self) -> Config {
        Config::new()
            .wait(Wait::Park)
            .capacity(4096)
            .peer_capacity(4096)
            .alignment(if self.operation == Operation::Aligned {
                64
            } else {
                8
            })
            .handshake_timeout(Duration::from_secs(300))
    }

    fn establish(&self, page: &Page, path: &Path) -> Connection {
        match self.side {
            Side::Server => {
                let mut listener = self.config().bind(path).unwrap();
                page.set(BOUND, 1);
                listener.accept().unwrap()
            }
            Side::Client => {
                let config = self.config();
                config.connect(path).unwrap()
            }
        }
    }

    /// The whole life of the process. `stop` is called before the operation.
    pub(crate) fn perform(&self, page: &Page, path: &Path, stop: impl Fn()) {
        if self.side == Side::Client {
            page.until(BOUND, 1);
        }
        if self.operation == Operation::Handshake {
            page.set(STAGE, 1);
            stop();
            let connection = self.establish(page, path);
            page.set(STAGE, 2);
            std::mem::forget(connection);
        } else {
            let mut connection = self.establish(page, path);
            let before = self.before();
            for (number, &size) in before.iter().enumerate() {
                connection.sender().send(&body(number, size)).unwrap();
                page.set(COMMITTED, number as u64 + 1);
            }
            if self.operation == Operation::Rewind {
                connection.receiver().hold(true);
                for size in &THEIRS[..2] {
                    assert_eq!(connection.receiver().recv().unwrap().len(), *size);
                }
            }
            let bodies: Vec<Vec<u8>> = self
                .within()
                .into_iter()
                .enumerate()
                .map(|(index, size)| body(before.len() + index, size))
                .collect();
            page.set(STAGE, 1);
            stop();
            self.operate(connection, &bodies);
            page.set(COMMITTED, (before.len() + bodies.len()) as u64);
            page.set(STAGE, 2);
        }
        stop();
        // Its end is for others to decide.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn operate(&self, mut connection: Connection, bodies: &[Vec<u8>]) {
        let (sender, receiver) = connection.halves();
        match self.operation {
            Operation::Send | Operation::Wake => sender.send(&bodies[0]).unwrap(),
            Operation::Commit | Operation::Aligned => {
                let aligned = self.operation == Operation::Aligned;
                let mut reservation = if aligned {
                    sender.reserve_aligned(self.size + 8, 64).unwrap()
                } else {
                    sender.reserve(self.size + 8).unwrap()
                };
                reservation[..self.size].copy_from_slice(&bodies[0]);
                reservation.commit_len(self.size);
            }
            Operation::Expiring => {
                let expires = Instant::now() + Duration::from_secs(600);
                sender.send_expiring(&bodies[0], expires).unwrap();
            }
            Operation::Group => {
                let mut group = sender.group();
                group.send(&bodies[0]).unwrap();
                group.send(&bodies[1]).unwrap();
                group.publish();
            }
            Operation::Release => {
                for size in THEIRS {
                    assert_eq!(receiver.recv().unwrap().len(), size);
                }
            }
            Operation::Rewind => {
                receiver.rewind();
                assert_eq!(receiver.recv().unwrap().len(), THEIRS[0]);
                receiver.release();
            }
            Operation::Park => {
                for size in THEIRS {
                    assert_eq!(receiver.recv().unwrap().len(), size);
                }
                let _ = receiver.arm().unwrap();
                let moment = Instant::now() + Duration::from_millis(1);
                assert!(receiver.recv_deadline(moment).is_err());
            }
            Operation::Room => {
                let most = sender.max_payload();
                let _ = sender.arm(most).unwrap();
                let moment = Instant::now() + Duration::from_millis(1);
                let _ = sender.reserve_deadline(most, moment).map(drop);
            }
            Operation::Close | Operation::Handshake => {}
        }
        if self.operation == Operation::Close {
            drop(connection);
        } else {
            std::mem::forget(connection);
        }
    }
}
