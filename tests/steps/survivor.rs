//! Who survives a process that was killed behind one instruction: the library's own receiver and sender, on a connection whose peer has left exactly
//! the bytes of a snapshot, and is dead. Where that was a server the survivor is its client, and the other way round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringway::{Config, Connection, ErrorKind, Listener, RecvError, SendError, Wait};

use crate::greeting::{admit, enter};
use crate::operation::{
    BOUND, Case, GO, LARGE, Operation, READY, Side, THEIRS, body, length, soon,
};
use crate::peer::{self, RELEASED, RING, Word};
use crate::process::{Child, Page, fork, watchdog};
use crate::record::Snapshot;

/// What a survivor has seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Frames, by priority.
    pub(crate) frames: Vec<(usize, Vec<u8>)>,
    pub(crate) received: RecvError,
    pub(crate) sent: SendError,
}

pub(crate) struct Survivor {
    case: Case,
    config: Config,
    /// Of who is a server.
    listener: Option<Listener>,
    path: PathBuf,
    page: Page,
}

/// Shakes hands as the process of the snapshot did, from the base on, takes on the snapshot when it is told to, and is killed.
fn twin(case: &Case, path: &Path, page: &Page, bytes: &[u8]) {
    let terms = case.twin();
    let own = terms.segment();
    let _greeted = match case.side {
        Side::Client => enter(path, &own, &terms),
        Side::Server => {
            let listener = peer::listen(path);
            page.set(BOUND, 1);
            admit(&listener, &own, &terms)
        }
    };
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
    /// Of the process of a case.
    pub(crate) fn new(case: &Case, path: &Path) -> Self {
        let config = Config::new()
            .wait(Wait::Park)
            .lanes(case.lanes())
            .membarrier(case.features() != 0)
            .capacity(RING)
            .peer_capacity(case.ring())
            .handshake_timeout(Duration::from_secs(10));
        let serves = case.side == Side::Client;
        Self {
            case: *case,
            listener: serves.then(|| config.bind(path).unwrap()),
            config,
            path: path.to_path_buf(),
            page: Page::new(),
        }
    }

    fn meet(&mut self) -> Connection {
        if let Some(listener) = &mut self.listener {
            return listener.accept_deadline(soon()).unwrap();
        }
        while self.page.get(BOUND) == 0 {
            std::thread::yield_now();
        }
        loop {
            match self.config.connect(self.path.as_path()) {
                Ok(connection) => return connection,
                // It has a name before it listens.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
        }
    }

    /// What is seen of a snapshot, by who has read up to the base and has sent as much as the real peer had.
    pub(crate) fn of(&mut self, bytes: &[u8]) -> Seen {
        for word in [BOUND, READY, GO] {
            self.page.set(word, 0);
        }
        let mut dead: Child = fork(|| {
            watchdog(Duration::from_secs(30));
            twin(&self.case, &self.path, &self.page, bytes);
        });
        let mut connection = self.meet();
        let (sender, receiver) = connection.halves();
        for (number, size) in THEIRS.into_iter().enumerate() {
            sender.send(&body(100 + number, size)).unwrap();
        }
        self.page.set(GO, 1);
        dead.reap_killed();
        // So large that it follows a large frame.
        let (mut frames, mut buffer) = (Vec::new(), vec![0; 2 * LARGE]);
        let received = loop {
            match receiver.recv_into_deadline(&mut buffer, soon()) {
                Ok(length) => frames.push((receiver.last_priority(), buffer[..length].to_vec())),
                Err(error) => break error,
            }
        };
        frames.sort_by_key(|frame| frame.0);
        let sent = loop {
            if let Err(error) = sender.send_deadline(&[7; 1000], soon()) {
                break error;
            }
        };
        if self.listener.is_none() {
            let _ = std::fs::remove_file(&self.path);
        }
        Seen {
            frames,
            received,
            sent,
        }
    }
}

/// What is wrong with what was seen of a snapshot, if anything is. `commits`: so many of the operation's have been seen before, or must be seen by now.
pub(crate) fn fault(
    case: &Case,
    snapshot: &Snapshot,
    seen: &Seen,
    commits: &mut usize,
) -> Option<String> {
    let ended = matches!(seen.received, RecvError::PeerDied | RecvError::Closed)
        && matches!(seen.sent, SendError::PeerDied | SendError::Closed);
    if !ended {
        return Some(format!("the end was {:?}, {:?}", seen.received, seen.sent));
    }
    let word = snapshot.bytes[RELEASED..RELEASED + 8].try_into().unwrap();
    let released = u64::from_ne_bytes(word);
    let done = snapshot.handled[1] as usize * length(THEIRS[0]);
    if released > done as u64 {
        return Some(format!("{released} is released, and {done} is done with"));
    }
    let word = Word::FenceMode.offset();
    let fences = snapshot.bytes[word..word + 8] == [0; 8];
    if case.operation == Operation::Unfenced && fences && seen.frames != case.frames(1) {
        return Some("it says that it fences before the last commit that does not".to_owned());
    }
    let mut all = 0..=case.commits().len();
    let found = all.find(|&commits| seen.frames == case.frames(commits));
    let sizes: Vec<_> = seen.frames.iter().map(|it| (it.0, it.1.len())).collect();
    match found {
        None => Some(format!(
            "neither nothing nor all: frames of {sizes:?} bytes"
        )),
        Some(found) if found < *commits => Some(format!(
            "what was committed is not there: frames of {sizes:?} bytes"
        )),
        Some(found) => {
            *commits = found;
            None
        }
    }
}
