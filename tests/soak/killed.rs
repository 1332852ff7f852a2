//! A third process that connects and is killed while it sends and receives: what it had committed arrives, and then the news of its death.

use std::path::{Path, PathBuf};
use std::process::Command;

use ringway::{RecvError, SendError};

use crate::frames::Frames;
use crate::process::{Random, watchdog};
use crate::talk::Talk;
use crate::tally::Count;
use crate::terms::{Terms, soon};

/// What the third process is told: the path, and the seed of all that is drawn.
const TOLD: &str = "RINGWAY_SOAK_VICTIM";

/// Its longest frame, which the smallest ring takes.
const LONGEST: usize = 2048;

/// Sends until it is killed.
pub(crate) fn victim() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    watchdog(std::time::Duration::from_secs(120));
    let (seed, path) = told.split_once(' ').unwrap();
    let seed: u64 = seed.parse().unwrap();
    let terms = Terms::draw(&mut Random::new(seed), 0);
    let mut connection = terms.client.connect(Path::new(path)).unwrap();
    let sender = connection.sender();
    let frames = Frames::new(seed, 1, LONGEST);
    let mut frame = Vec::new();
    for number in 0.. {
        frames.write(number, &mut frame);
        sender.send_deadline(&frame, soon()).unwrap();
    }
}

impl Talk<'_> {
    /// By each side for itself.
    pub(crate) fn killed(&mut self) {
        let mut own = Random::new(self.draw.next() ^ self.side);
        let seed = own.next();
        let mut path = self.path.as_os_str().to_owned();
        path.push(format!("-{}", self.side));
        let path = PathBuf::from(path);
        let terms = Terms::draw(&mut Random::new(seed), 0);
        let mut listener = terms.server.bind(path.as_path()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(TOLD, format!("{seed} {}", path.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let (mut sender, mut receiver) = listener.accept_deadline(soon()).unwrap().split();
        self.tally.add(Count::Connections, 1);
        let frames = Frames::new(seed, 1, LONGEST);
        let mut scratch = Vec::new();
        let until = own.below(2_000);
        for number in 0.. {
            if number == until {
                child.kill().unwrap();
            }
            let bytes = match receiver.recv_deadline(soon()) {
                Ok(frame) => frame.to_vec(),
                Err(error) => {
                    assert_eq!(error, RecvError::PeerDied);
                    assert!(number >= until, "it died by itself at {number}");
                    break;
                }
            };
            frames.check(number, &bytes, &mut scratch);
            self.tally.received(bytes.len());
        }
        let _ = child.wait().unwrap();
        assert_eq!(sender.check(), Err(SendError::PeerDied));
        assert_eq!(sender.send(&[0]), Err(SendError::PeerDied));
        self.tally.add(Count::Killed, 1);
    }
}
