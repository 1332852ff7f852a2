//! Two processes talk, of which one is to die at a label, and what the other one finds.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::{Config, Connection, ErrorKind, Listener, RecvError, Wait};

use super::process::{Child, Frames, Page, fork};

/// Frames whose sending has returned.
const COMMITTED: usize = 0;
/// Not zero once the connection is made.
const CONNECTED: usize = 1;
/// Not zero once all is sent: a goodbye, and the ring that goes with it, may follow.
const ENDING: usize = 2;
/// The largest frame.
const MOST: usize = 700;
/// How many exchanges end by themselves: it comes to each label more than five times in them, save the handshake's and the goodbye's.
const EXCHANGES: u64 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// Who dies where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) role: Role,
    pub(crate) label: &'a str,
    /// 1 is the first time.
    pub(crate) passage: u64,
    pub(crate) seed: u64,
}

/// What all scenes of a process share.
pub(crate) struct World {
    folder: PathBuf,
    page: Page,
    listener: Listener,
}

impl World {
    pub(crate) fn new(share: usize) -> Self {
        let name = format!("ringway-killed-{}-{share}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let listener = config(0).bind(folder.join("survivor")).unwrap();
        Self {
            folder,
            page: Page::new(),
            listener,
        }
    }

    /// Nothing is left but the name that a dead server had, which is in nobody's way.
    pub(crate) fn end(self) {
        let dead = self.folder.join("dead");
        drop(config(0).bind(dead.as_path()).unwrap());
        drop(self.listener);
        let left = std::fs::read_dir(&self.folder).unwrap();
        let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        std::fs::remove_dir(&self.folder).unwrap();
    }

    /// Returns whether it died there; else it has ended well.
    pub(crate) fn run(&mut self, scene: &Scene<'_>) -> bool {
        let page = &self.page;
        page.set(COMMITTED, 0);
        page.set(CONNECTED, 0);
        page.set(ENDING, 0);
        let config = config(scene.seed);
        let (ours, theirs) = (self.listener.path().to_path_buf(), self.folder.join("dead"));
        let mut child = fork(|| {
            ringway::chaos::die_at(scene.label, scene.passage);
            let connection = match scene.role {
                Role::Client => config.connect(ours.as_path()).unwrap(),
                Role::Server => {
                    let mut listener = config.bind(theirs.as_path()).unwrap();
                    listener.accept_deadline(soon()).unwrap()
                }
            };
            page.set(CONNECTED, 1);
            talk(connection, scene.seed, page);
        });
        let connection = match scene.role {
            Role::Client => accept(&mut self.listener, &child),
            Role::Server => connect(&config, &theirs, &child),
        };
        let found = connection.map(|connection| listen(connection, scene));
        let status = child.reap();
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        assert!(killed || status == 0, "{scene:?}: status {status:#x}");
        let Some((received, end)) = found else {
            assert!(
                killed && page.get(CONNECTED) == 0,
                "{scene:?}: no connection came"
            );
            return true;
        };
        let committed = page.get(COMMITTED);
        let ending = page.get(ENDING) == 1;
        match end {
            RecvError::PeerDied => assert!(killed, "{scene:?}: it lives"),
            // The half that sends has said goodbye before the other one dies.
            RecvError::Closed => assert!(!killed || ending, "{scene:?}: no goodbye was said"),
            other => panic!("{scene:?}: {other:?}"),
        }
        let expected = match scene.label {
            _ if !killed || ending => committed..=committed,
            "ringway.commit-before" => scene.passage - 1..=scene.passage - 1,
            "ringway.commit-after" => scene.passage..=scene.passage,
            // The kill can fall between a commit and its note.
            _ => committed..=committed + 1,
        };
        assert!(
            expected.contains(&received),
            "{scene:?}: {received} frames arrived where {expected:?} were committed"
        );
        killed
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn config(seed: u64) -> Config {
    Config::new()
        .wait([Wait::Adaptive, Wait::Park][seed as usize % 2])
        .membarrier(seed / 2 % 2 == 0)
        .capacity(1 << 14)
        .peer_capacity(1 << 14)
        .handshake_timeout(Duration::from_secs(20))
}

/// Has it ended? It is not reaped.
fn has_ended(child: &Child) -> bool {
    // SAFETY: all-zero is a valid `siginfo_t`.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let pid = libc::id_t::try_from(child.pid).unwrap();
    // SAFETY: `info` is valid for writes; the pid is ours until it is reaped.
    let asked = unsafe { libc::waitid(libc::P_PID, pid, &raw mut info, flags) };
    assert_eq!(asked, 0);
    // SAFETY: `waitid` has filled it, or left it zero.
    unsafe { info.si_pid() == child.pid }
}

fn accept(listener: &mut Listener, child: &Child) -> Option<Connection> {
    let refusals = listener.refusals();
    let until = soon();
    loop {
        // Asked before the look: what the dead one left is readable by then.
        let dead = has_ended(child);
        let mut wanted = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wanted, PollTimeout::from(1u8)).unwrap() > 0 {
            if let Some(connection) = listener.try_accept().unwrap() {
                return Some(connection);
            }
        } else if dead {
            break;
        }
        assert!(Instant::now() < until, "a handshake hangs");
    }
    let refused = listener.refusals() - refusals;
    assert!(refused <= 1, "one process, one handshake");
    if refused == 1 {
        assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::PeerGone);
    }
    None
}

fn connect(config: &Config, path: &Path, child: &Child) -> Option<Connection> {
    let until = soon();
    // Asked before the attempt: after the death there is one attempt more.
    let mut dead = false;
    while !dead {
        dead = has_ended(child);
        match config.connect(path) {
            Ok(connection) => return Some(connection),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => std::thread::sleep(Duration::from_micros(50)),
                ErrorKind::PeerGone => return None,
                other => panic!("{other:?}: {error}"),
            },
        }
        assert!(Instant::now() < until, "a handshake hangs");
    }
    None
}

/// What the one does that is to die: it sends one to three frames, copied and in place, and takes as many answers.
fn talk(mut connection: Connection, seed: u64, page: &Page) {
    let (mut frames, mut answers) = (Frames::new(seed, MOST), Frames::new(!seed, MOST));
    let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
    for exchange in 0..EXCHANGES {
        let burst = 1 + (seed.wrapping_add(exchange)) % 3;
        if seed / 4 % 2 == 0 {
            // The other one sleeps by now.
            std::thread::sleep(Duration::from_micros(50));
        }
        for _ in 0..burst {
            frames.next(&mut frame);
            if frames.sequence % 2 == 0 {
                connection.sender().send(&frame).unwrap();
            } else {
                let mut reservation = connection.sender().reserve(frame.len()).unwrap();
                reservation.copy_from_slice(&frame);
                reservation.commit_len(frame.len());
            }
            page.set(COMMITTED, frames.sequence);
        }
        for _ in 0..burst {
            answers.next(&mut frame);
            let receiver = connection.receiver();
            let length = receiver.recv_into_deadline(&mut buffer, soon()).unwrap();
            assert!(buffer[..length] == frame, "an answer is not what was sent");
        }
    }
    page.set(ENDING, 1);
}

/// The survivor: checks and answers each frame, until the end. Returns how many there were, and the end.
fn listen(mut connection: Connection, scene: &Scene<'_>) -> (u64, RecvError) {
    let seed = scene.seed;
    let (mut frames, mut answers) = (Frames::new(seed, MOST), Frames::new(!seed, MOST));
    let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
    let end = loop {
        let receiver = connection.receiver();
        match receiver.recv_into_deadline(&mut buffer, soon()) {
            Ok(length) => {
                frames.next(&mut frame);
                assert!(
                    buffer[..length] == frame,
                    "{scene:?}: frame {} is not what was sent, or comes twice",
                    frames.sequence
                );
            }
            Err(error) => break error,
        }
        answers.next(&mut frame);
        // Whoever is dead has no use for it: what it sent before is still to be read.
        let _ = connection.sender().send_deadline(&frame, soon());
    };
    let again = connection
        .receiver()
        .recv_into_deadline(&mut buffer, soon());
    assert_eq!(again, Err(end), "{scene:?}: the end is final");
    (frames.sequence, end)
}
