//! What all scenes of a process share, and what they do alike: fork who is to die, let it in or connect to it, and judge how it ended.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::{Config, Connection, ErrorKind, Listener, RecvError, Wait};

use super::process::{Child, Page};
use super::record;

/// Words of the page: frames whose sending has returned, of each lane.
pub(crate) const COMMITTED: usize = 0;
/// Lanes at most.
pub(crate) const LANES: usize = 3;
/// Not zero once the connection is made.
pub(crate) const CONNECTED: usize = 8;
/// Not zero once all is sent: a goodbye, and the ring that goes with it, may follow.
pub(crate) const ENDING: usize = 9;

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

impl Scene<'_> {
    /// To be called first in who is to die.
    pub(crate) fn die(&self) {
        ringway::chaos::die_at(self.label, self.passage);
    }

    /// Waits for the end of who was to die, and returns whether it did; else it has ended well.
    pub(crate) fn reap(&self, child: &mut Child) -> bool {
        let status = child.reap();
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        assert!(killed || status == 0, "{self:?}: status {status:#x}");
        killed
    }

    /// What the survivor finds of who is to die, by `listen`, and whether that one did. `None`: it died before there was a connection.
    pub(crate) fn meet<T>(
        &self,
        (config, theirs): (&Config, &Path),
        listener: &mut Listener,
        page: &Page,
        child: &mut Child,
        listen: impl FnOnce(Connection) -> T,
    ) -> Option<(T, bool)> {
        let connection = match self.role {
            Role::Client => accept(listener, child),
            Role::Server => connect(config, theirs, child),
        };
        let found = connection.map(listen);
        let killed = self.reap(child);
        if found.is_none() {
            let connected = page.get(CONNECTED) == 1;
            assert!(killed && !connected, "{self:?}: no connection came");
        }
        found.map(|found| (found, killed))
    }

    /// Fails if the survivor was told of another end than there was. Returns whether all that was committed has to have arrived.
    pub(crate) fn ends_by(&self, end: RecvError, page: &Page, killed: bool) -> bool {
        let ending = page.get(ENDING) == 1;
        match end {
            RecvError::PeerDied => assert!(killed, "{self:?}: it lives"),
            // The half that sends has said goodbye before the other one dies.
            RecvError::Closed => assert!(!killed || ending, "{self:?}: no goodbye was said"),
            other => panic!("{self:?}: {other:?}"),
        }
        !killed || ending
    }
}

/// What all scenes of a process share.
pub(crate) struct World {
    folder: PathBuf,
    pub(crate) page: Page,
    pub(crate) listener: Listener,
    /// What servers write records into, and where they are read.
    pub(crate) records: File,
    read: File,
}

impl World {
    pub(crate) fn new(share: usize) -> Self {
        let name = format!("ringway-killed-{}-{share}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        // Of a run that failed, whose number has come round.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let config = config(0).lanes(LANES).resumable(true);
        let listener = config.bind(folder.join("survivor")).unwrap();
        let (read, records) = record::pipe();
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        Self {
            folder,
            page: Page::new(),
            listener,
            records,
            read,
        }
    }

    /// Where the survivor listens.
    pub(crate) fn survivor(&self) -> PathBuf {
        self.listener.path().to_path_buf()
    }

    /// Where who is to die listens.
    pub(crate) fn dead(&self) -> PathBuf {
        self.folder.join("dead")
    }

    /// A name that is handed over.
    pub(crate) fn handed(&self) -> PathBuf {
        self.folder.join("handed")
    }

    /// What was written since it was last asked. Nobody writes any more.
    pub(crate) fn read(&self) -> Vec<record::Record> {
        record::read_all(self.read.try_clone().unwrap())
    }

    /// Nothing was said yet, and a dead listener has left its name, whose socket the next one removes.
    pub(crate) fn begin(&self) {
        if !self.dead().exists() {
            drop(UnixListener::bind(self.dead()).unwrap());
        }
        for word in [CONNECTED, ENDING]
            .into_iter()
            .chain(COMMITTED..COMMITTED + LANES)
        {
            self.page.set(word, 0);
        }
    }

    /// Nothing is left but the name that a dead server had, which is in nobody's way.
    pub(crate) fn end(self) {
        drop(config(0).bind(self.dead().as_path()).unwrap());
        drop(self.listener);
        let left = std::fs::read_dir(&self.folder).unwrap();
        let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
        assert!(left.is_empty(), "files are left: {left:?}");
        std::fs::remove_dir(&self.folder).unwrap();
    }
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) fn config(seed: u64) -> Config {
    Config::new()
        .wait([Wait::Adaptive, Wait::Park][seed as usize % 2])
        .membarrier(seed / 2 % 2 == 0)
        .capacity(1 << 14)
        .peer_capacity(1 << 14)
        .handshake_timeout(Duration::from_secs(20))
}

/// Has it ended? It is not reaped.
pub(crate) fn has_ended(child: &Child) -> bool {
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

pub(crate) fn accept(listener: &mut Listener, child: &Child) -> Option<Connection> {
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

pub(crate) fn connect(config: &Config, path: &Path, child: &Child) -> Option<Connection> {
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
