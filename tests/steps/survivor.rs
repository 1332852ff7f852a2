//! Who survives a process that was killed behind one instruction: the library's own receiver and sender, on a connection whose peer has left exactly
//! the bytes of a snapshot, and is dead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway::{Config, Listener, RecvError, SendError, Wait};

use crate::operation::{Case, GO, READY, THEIRS, body, soon};
use crate::peer::{self, Segment, attach, eventfd, hello};
use crate::process::{Child, Page, fork, watchdog};
use std::os::fd::AsRawFd;

/// What a survivor has seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) received: RecvError,
    pub(crate) sent: SendError,
}

pub(crate) struct Survivor {
    listener: Listener,
    path: PathBuf,
    page: Page,
}

/// Shakes hands as the process of the snapshot did, from `base` on, takes on the snapshot when it is told to, and is killed.
fn twin(path: &Path, page: &Page, base: usize, bytes: &[u8]) {
    let line = peer::dial(path).unwrap();
    peer::send(&line, &hello().0, &[]);
    assert_eq!(peer::receive(&line).0[8], 2, "a Welcome was expected");
    let own = Segment::new(1);
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    peer::send(&line, &attach().u64(40, base as u64).0, &gifts);
    assert_eq!(peer::receive(&line).0[8], 4, "a Ready was expected");
    page.set(READY, 1);
    while page.get(GO) == 0 {
        std::thread::yield_now();
    }
    for (index, word) in bytes.chunks_exact(8).enumerate() {
        own.set(8 * index, u64::from_ne_bytes(word.try_into().unwrap()));
    }
    // SAFETY: no memory is passed.
    unsafe { libc::raise(libc::SIGKILL) };
}

impl Survivor {
    pub(crate) fn new(path: &Path) -> Self {
        let config = Config::new()
            .wait(Wait::Park)
            .handshake_timeout(Duration::from_secs(10));
        Self {
            listener: config.bind(path).unwrap(),
            path: path.to_path_buf(),
            page: Page::new(),
        }
    }

    /// What is seen of a snapshot, by who has read up to `base` and has sent as much as the real peer had.
    pub(crate) fn of(&mut self, base: usize, bytes: &[u8]) -> Seen {
        self.page.set(READY, 0);
        self.page.set(GO, 0);
        let mut dead: Child = fork(|| {
            watchdog(Duration::from_secs(30));
            twin(&self.path, &self.page, base, bytes);
        });
        let mut connection = self.listener.accept_deadline(soon()).unwrap();
        let (sender, receiver) = connection.halves();
        for (number, size) in THEIRS.into_iter().enumerate() {
            sender.send(&body(100 + number, size)).unwrap();
        }
        self.page.set(GO, 1);
        dead.reap_killed();
        let (mut frames, mut buffer) = (Vec::new(), vec![0; 4096]);
        let received = loop {
            match receiver.recv_into_deadline(&mut buffer, soon()) {
                Ok(length) => frames.push(buffer[..length].to_vec()),
                Err(error) => break error,
            }
        };
        let sent = loop {
            if let Err(error) = sender.send_deadline(&[7; 1000], soon()) {
                break error;
            }
        };
        Seen {
            frames,
            received,
            sent,
        }
    }
}

/// What is wrong with what was seen, if anything is. `done`: all of the operation has been seen before, or must be seen by now.
pub(crate) fn fault(case: &Case, seen: &Seen, done: &mut bool) -> Option<String> {
    let ended = matches!(seen.received, RecvError::PeerDied | RecvError::Closed)
        && matches!(seen.sent, SendError::PeerDied | SendError::Closed);
    if !ended {
        return Some(format!("the end was {:?}, {:?}", seen.received, seen.sent));
    }
    let all = seen.frames == case.frames(true);
    if all {
        *done = true;
        return None;
    }
    let sizes: Vec<usize> = seen.frames.iter().map(Vec::len).collect();
    if *done {
        return Some(format!(
            "what was committed is not there: frames of {sizes:?} bytes"
        ));
    }
    (seen.frames != case.frames(false))
        .then(|| format!("neither nothing nor all: frames of {sizes:?} bytes"))
}
