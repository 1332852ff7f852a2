//! A connection that is resumed: the client is stopped after each instruction with which it takes over what its server had not finished with, and the next server after each with which it lets the client in
//! and gives account of what it handles.
//!
//! Three servers come one after the other. The first one has released some frames and holds one more when it ends. To the second one the rest is sent again. If it ends too, the third has to find all that was not
//! answered; and of whoever ends, the next one hears the truth: a frame that was handed out once is in doubt, and one that is called unseen never was.

mod kill;
mod script;
mod survivor;
mod tests;

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, Redelivery, Wait};

use crate::operation::{BOUND, COMMITTED, FINISHED, GO, HANDED, STAGE, Side, body, length, soon};
use crate::process::Page;

/// The feature of the handshake by which both sides can resume, and the flags of frames that are sent again.
const FEATURE: u64 = 2;
const AGAIN: u64 = 4 << 48;
const DOUBT: u64 = 0x80 << 48;

/// Frames that are sent again.
const CARRIED: usize = 4;
/// And with the one that is sent then.
const ALL: usize = CARRIED + 1;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) side: Side,
    /// Payload bytes of most frames that are sent again.
    pub(crate) size: usize,
    /// They lie across the ring's end.
    pub(crate) wraps: bool,
}

impl Case {
    /// Payload bytes of what the first server has released.
    fn finished(&self) -> Vec<usize> {
        if self.wraps {
            vec![1000, 1000, 1000, 944]
        } else {
            vec![24]
        }
    }

    /// Of what it has not, and of the frame that is sent once the connection is resumed.
    fn rest(&self) -> [usize; ALL] {
        // At most one of no byte, or nobody could tell which is which.
        let some = self.size.max(1);
        [some, self.size, 40, some, 56]
    }

    /// The bytes of the `index`th of these.
    fn body(&self, index: usize) -> Vec<u8> {
        body(self.finished().len() + index, self.rest()[index])
    }

    /// Where that begins.
    fn position(&self, index: usize) -> u64 {
        let (finished, rest) = (self.finished(), self.rest());
        let before = finished.iter().chain(&rest[..index]);
        before.map(|&size| length(size) as u64).sum()
    }

    /// Which of the rest these bytes are, if they are any.
    fn index(&self, bytes: &[u8]) -> Option<usize> {
        (0..ALL).find(|&index| self.body(index) == bytes)
    }

    /// A client with all that its first server is sent, which has heard of that one's end.
    fn orphan(&self, page: &Page, path: &Path) -> Connection {
        page.until(BOUND, 1);
        let mut lost = config().connect(path).unwrap();
        for (number, size) in self.finished().into_iter().enumerate() {
            lost.sender().send(&body(number, size)).unwrap();
        }
        page.set(COMMITTED, 1);
        page.until(GO, 1);
        for index in 0..CARRIED {
            lost.sender().send(&self.body(index)).unwrap();
        }
        page.set(COMMITTED, 2);
        while lost.receiver().recv_deadline(soon()).is_ok() {}
        lost
    }

    /// The whole life of the process. `stop` is called before the operation.
    fn perform(&self, page: &Page, path: &Path, stop: impl Fn()) {
        match self.side {
            Side::Client => {
                let lost = self.orphan(page, path);
                let last = self.body(CARRIED);
                page.set(STAGE, 1);
                stop();
                let long = Instant::now() + Duration::from_secs(300);
                let resumed = config().resume(path, lost, long).unwrap();
                page.set(HANDED, 1);
                let mut connection = resumed.connection;
                connection.sender().send(&last).unwrap();
                page.set(HANDED, 2);
                page.set(STAGE, 2);
                std::mem::forget(connection);
            }
            Side::Server => {
                let mut listener = config().bind(path).unwrap();
                page.set(BOUND, 2);
                page.set(STAGE, 1);
                stop();
                let connection = listener.accept().unwrap();
                self.serve(page, connection);
                page.set(STAGE, 2);
                std::mem::forget(listener);
            }
        }
        stop();
        // Its end is for others to decide.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// The second server: each frame in a way of its own, answered before it is done with.
    fn serve(&self, page: &Page, mut connection: Connection) {
        let (sender, receiver) = connection.halves();
        let mut done = 0;
        // One that is dropped.
        let frame = receiver.recv().unwrap();
        page.set(HANDED, 1);
        assert_eq!(self.index(&frame.to_vec()), Some(0));
        assert_eq!(frame.redelivery(), Redelivery::InDoubt);
        let mut answer = || {
            sender.send(&reply(done)).unwrap();
            done += 1;
        };
        answer();
        page.set(FINISHED, 1);
        drop(frame);
        // One that is copied out, with which it is done when it comes back.
        let mut buffer = [0; 4096];
        let length = receiver.recv_into(&mut buffer).unwrap();
        page.set(HANDED, 2);
        assert_eq!(self.index(&buffer[..length]), Some(1));
        assert_eq!(receiver.last_redelivery(), Redelivery::Unseen);
        answer();
        page.set(FINISHED, 2);
        // Two that are held, and released together.
        receiver.hold(true);
        for index in 2..4 {
            let frame = receiver.recv().unwrap();
            page.set(HANDED, index + 1);
            assert_eq!(self.index(&frame.to_vec()), Some(index as usize));
            drop(frame);
            answer();
        }
        let _ = receiver.arm().unwrap();
        page.set(FINISHED, 4);
        receiver.release();
        receiver.hold(false);
        // One that was not sent before.
        let frame = receiver.recv().unwrap();
        page.set(HANDED, 5);
        assert_eq!(self.index(&frame.to_vec()), Some(4));
        assert_eq!(frame.redelivery(), Redelivery::First);
        answer();
        page.set(FINISHED, 5);
        drop(frame);
        std::mem::forget(connection);
    }
}

fn config() -> Config {
    Config::new()
        .wait(Wait::Park)
        .resumable(true)
        .capacity(4096)
        .peer_capacity(4096)
        .handshake_timeout(Duration::from_secs(300))
}

/// What the second server answers to each frame.
fn reply(index: usize) -> Vec<u8> {
    body(50 + index, 24)
}

/// A frame that came to a server: which of the rest it is, and what was said of it.
type Found = (usize, Redelivery);

/// What has become of the frames behind a second server that was killed.
#[derive(Debug)]
struct Fate {
    /// How many it had handed out, and with how many it was done.
    handled: [u64; 2],
    /// So many of its answers have come.
    answered: usize,
    /// What the third server found.
    again: Vec<Found>,
}

/// What is wrong with that, if anything is.
fn fault(fate: &Fate) -> Option<String> {
    let first = ALL - fate.again.len().min(ALL);
    for (place, (index, said)) in fate.again.iter().enumerate() {
        if *index != first + place {
            return Some(format!("not the last ones in order: {fate:?}"));
        }
        let handed = (*index as u64) < fate.handled[0];
        let doubted = *index == 0;
        if (handed || doubted || *index < fate.answered) && *said != Redelivery::InDoubt {
            return Some(format!("{index} was seen, and is said not to be: {fate:?}"));
        }
        // One may be about to be handed out.
        if *index as u64 > fate.handled[0] && *said == Redelivery::InDoubt && !doubted {
            return Some(format!("{index} cannot have been seen: {fate:?}"));
        }
        if *index < CARRIED && *said == Redelivery::First {
            return Some(format!("{index} was sent before: {fate:?}"));
        }
    }
    if (first as u64) > fate.handled[1] {
        return Some(format!("lost: nobody was done with it: {fate:?}"));
    }
    (first > fate.answered).then(|| format!("lost: neither answered nor there: {fate:?}"))
}

/// What is wrong with what the second server finds of a client that was killed, where the resume had returned so many times: for what was sent before, and for the frame behind it.
fn fault_of(found: &[Found], done: u64) -> Option<String> {
    let least = [0, CARRIED, ALL][done as usize];
    let right = |(place, (index, said)): (usize, &Found)| {
        let wanted = match place {
            0 => Redelivery::InDoubt,
            CARRIED => Redelivery::First,
            _ => Redelivery::Unseen,
        };
        *index == place && *said == wanted
    };
    if !found.iter().enumerate().all(right) {
        return Some(format!("broken, or not what was said: {found:?}"));
    }
    if found.len() < least {
        return Some(format!("what was sent again is not there: {found:?}"));
    }
    (![0, CARRIED, ALL].contains(&found.len()))
        .then(|| format!("neither nothing nor all: {found:?}"))
}
