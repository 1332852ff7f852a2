//! What the process does that is stopped after each of its instructions.

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Receiver, RecvError, Wait};

use crate::greeting::Terms;
use crate::peer::RING;
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
/// How many frames have been handed out, and with how many their handler is done; in an operation that commits several times, how often it has.
pub(crate) const HANDED: usize = 8;
pub(crate) const FINISHED: usize = 9;
/// How many frames of the calm have been sent.
pub(crate) const CALM: usize = 10;

/// From so many bytes on a frame is announced.
pub(crate) const LARGE: usize = 64 << 10;

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
    /// A group of five.
    Five,
    /// Frames of three priorities, the least urgent one first, and two of one in a group.
    Lanes,
    /// A large one, announced while it is copied in.
    Large,
    /// By a sender that has left its barriers out, to a peer that sleeps.
    Unfenced,
    /// A frame is received and released.
    Release,
    /// Three are held, and released together.
    Held,
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
    Operation::Five,
    Operation::Lanes,
    Operation::Large,
    Operation::Unfenced,
    Operation::Release,
    Operation::Held,
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
    Instant::now() + Duration::from_secs(40)
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

    /// Payload bytes and priority of what the operation commits: all of each at once, one after the other.
    pub(crate) fn commits(&self) -> Vec<Vec<(usize, usize)>> {
        match self.operation {
            Operation::Group => vec![vec![(self.size, 0); 2]],
            // Larger ones would have to be published in between, for want of room.
            Operation::Five => vec![vec![(self.size.min(400), 0); 5]],
            Operation::Lanes => vec![
                vec![(self.size, 2)],
                vec![(self.size, 0)],
                vec![(self.size, 1), (40, 1)],
            ],
            Operation::Large => vec![vec![(LARGE + self.size, 0)]],
            Operation::Send
            | Operation::Commit
            | Operation::Aligned
            | Operation::Expiring
            | Operation::Unfenced
            | Operation::Wake => vec![vec![(self.size, 0)]],
            _ => Vec::new(),
        }
    }

    /// Payload bytes of all that it commits.
    pub(crate) fn within(&self) -> Vec<usize> {
        self.commits().concat().iter().map(|it| it.0).collect()
    }

    /// Lanes in each direction.
    pub(crate) fn lanes(&self) -> usize {
        if self.operation == Operation::Lanes {
            3
        } else {
            1
        }
    }

    /// Bytes of each of its rings.
    pub(crate) fn ring(&self) -> usize {
        if self.operation == Operation::Large {
            2 * LARGE
        } else {
            RING
        }
    }

    /// Features of the handshake.
    pub(crate) fn features(&self) -> u64 {
        u64::from(self.operation == Operation::Unfenced)
    }

    /// Frames of no byte that go before everything else, so that the calm comes.
    fn calm(&self) -> usize {
        if self.operation == Operation::Unfenced {
            20_000
        } else {
            0
        }
    }

    /// The position from which the survivor has not read: the last frame before the operation is there for it.
    pub(crate) fn base(&self) -> usize {
        let before = self.before();
        let known = before[..self.known()].iter();
        let known: usize = known.map(|&size| length(size)).sum();
        known + self.calm() * length(0)
    }

    /// So many frames are before the base. All lanes start at one place.
    fn known(&self) -> usize {
        match self.operation {
            Operation::Handshake | Operation::Lanes => 0,
            _ => self.before().len() - 1,
        }
    }

    /// What is there to be read from the base on, by priority: what is left from before the operation, and of the operation that which so many commits make visible.
    pub(crate) fn frames(&self, commits: usize) -> Vec<(usize, Vec<u8>)> {
        let before = self.before();
        let known = self.known();
        let numbered = before.iter().enumerate().skip(known);
        let mut frames: Vec<_> = numbered.map(|(at, &size)| (0, body(at, size))).collect();
        if self.operation == Operation::Handshake {
            frames.clear();
        }
        let all = self.commits()[..commits].concat();
        let numbered = all.into_iter().zip(before.len()..);
        frames.extend(numbered.map(|((size, lane), at)| (lane, body(at, size))));
        frames.sort_by_key(|frame| frame.0);
        frames
    }

    pub(crate) fn config(&self) -> Config {
        Config::new()
            .wait(Wait::Park)
            .lanes(self.lanes())
            .membarrier(self.features() != 0)
            .capacity(self.ring())
            .peer_capacity(RING)
            .alignment(if self.operation == Operation::Aligned {
                64
            } else {
                8
            })
            .handshake_timeout(Duration::from_secs(300))
    }

    /// What its scripted peer agrees to.
    pub(crate) fn peer(&self) -> Terms {
        Terms {
            lanes: self.lanes(),
            ours: RING,
            theirs: self.ring(),
            start: 0,
            features: self.features(),
        }
    }

    /// And who does what it has done, but begins at the base.
    pub(crate) fn twin(&self) -> Terms {
        Terms {
            ours: self.ring(),
            theirs: RING,
            start: self.base() as u64,
            ..self.peer()
        }
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
            // Its peer makes room as it comes, and wakes nobody.
            let mut send = |bytes: &[u8]| {
                while connection.sender().try_send(bytes).is_err() {
                    std::thread::yield_now();
                }
            };
            for number in 0..self.calm() {
                if number == self.calm() - 1000 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                send(&[]);
                page.set(CALM, number as u64 + 1);
            }
            let before = self.before();
            for (number, &size) in before.iter().enumerate() {
                send(&body(number, size));
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
            self.operate(page, connection, &bodies);
            page.set(COMMITTED, (before.len() + bodies.len()) as u64);
            page.set(STAGE, 2);
        }
        stop();
        // Its end is for others to decide.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn operate(&self, page: &Page, mut connection: Connection, bodies: &[Vec<u8>]) {
        let (sender, receiver) = connection.halves();
        // What is received, and is done with when it is dropped.
        let take = |receiver: &mut Receiver, number: usize| {
            let frame = receiver.recv().unwrap();
            assert_eq!(frame.len(), THEIRS[0]);
            page.set(HANDED, number as u64 + 1);
            page.set(FINISHED, number as u64 + 1);
            drop(frame);
        };
        match self.operation {
            Operation::Send | Operation::Wake | Operation::Large | Operation::Unfenced => {
                sender.send(&bodies[0]).unwrap();
            }
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
            Operation::Group | Operation::Five => {
                let mut group = sender.group();
                for body in bodies {
                    group.send(body).unwrap();
                }
                group.publish();
            }
            Operation::Lanes => {
                sender.at(2).unwrap().send(&bodies[0]).unwrap();
                page.set(HANDED, 1);
                sender.send(&bodies[1]).unwrap();
                page.set(HANDED, 2);
                let mut urgent = sender.at(1).unwrap();
                let mut group = urgent.group();
                group.send(&bodies[2]).unwrap();
                group.send(&bodies[3]).unwrap();
                group.publish();
                page.set(HANDED, 3);
            }
            Operation::Release => (0..THEIRS.len()).for_each(|number| take(receiver, number)),
            Operation::Held => {
                receiver.hold(true);
                for number in 1..4 {
                    assert_eq!(receiver.recv().unwrap().len(), THEIRS[0]);
                    page.set(HANDED, number);
                }
                // Who looks in vain tells all that it has released.
                assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
                let _ = receiver.arm().unwrap();
                page.set(FINISHED, 3);
                receiver.release();
            }
            Operation::Rewind => {
                receiver.rewind();
                assert_eq!(receiver.recv().unwrap().len(), THEIRS[0]);
                page.set(FINISHED, 1);
                receiver.release();
            }
            Operation::Park => {
                (0..THEIRS.len()).for_each(|number| take(receiver, number));
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
