//! What the failing process does, and what its peer does meanwhile.

mod bytes;
mod exchange;
mod heir;
mod placed;
mod poller;
mod resumed;
mod shown;
mod tasks;
mod watcher;

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use ringway::{Address, Config, Connection, ErrorKind, Wait, hostile};

use crate::forbid::{forbid, forbid_with};
use crate::process::Page;
use exchange::{answer, exchange, until_end};

/// Words of the page. The failing process counts per attempt, of which it makes two at most.
pub(crate) const RUNNING: usize = 0;
pub(crate) const DONE: usize = 1;
pub(crate) const ATTEMPT: usize = 2;
pub(crate) const WATCHED: usize = 3;
/// A socket was there behind an attempt that failed.
pub(crate) const LEFT: usize = 4;
/// Frames that the peer has committed, if that is of interest.
const PEER_SAID: usize = 5;
/// Frames that the failing process has committed, and that its peer has received, by attempt.
pub(crate) const SAID: usize = 8;
pub(crate) const HEARD: usize = 12;
/// Descriptors and mappings at its end, and what they should be (0: not known yet).
pub(crate) const HELD: usize = 16;
pub(crate) const WANTED: usize = 20;
/// Texts: of the failing process, by attempt, and of its peer.
pub(crate) const TEXTS: [usize; 3] = [64, 128, 192];
const TEXT: usize = 63 * 8;

pub(crate) fn write(page: &Page, at: usize, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(TEXT)];
    page.set(at, bytes.len() as u64);
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        page.set(at + 1 + index, u64::from_ne_bytes(word));
    }
}

pub(crate) fn read(page: &Page, at: usize) -> String {
    let length = page.get(at) as usize;
    let words = length.div_ceil(8);
    let bytes: Vec<u8> = (0..words)
        .flat_map(|index| page.get(at + 1 + index).to_ne_bytes())
        .collect();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// One way to use the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    Server,
    Client,
    /// With every option that makes system calls of its own.
    RichServer,
    RichClient,
    /// Without `io_uring`, as in a container, and without the pidfds of peers, as on an older kernel.
    ConfinedClient,
    /// Without the peers' bells: woken through the socket.
    LeanClient,
    Poller,
    /// Observes a listener, and reads along.
    Watcher,
    /// A listener that is observed, and whose connections are read along with.
    Shown,
    /// Its memory on a node, and the peer's bell by a plain `write`; the client's thread on a processor, in a class; before the server's client one who says nothing.
    PlacedServer,
    PlacedClient,
    /// Behind a server that went.
    ResumedServer,
    ResumedClient,
    /// Inherits its listening socket.
    Heir,
    /// A stream of bytes.
    BytesServer,
    BytesClient,
    /// In tasks of tokio.
    TaskServer,
    TaskClient,
}

/// Whether this host has nodes of memory, which may be asked for.
static NODES: OnceLock<bool> = OnceLock::new();

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(25)
}

/// What kind of failure a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Likely,
    /// One that nobody expects: what is said of it may be wrong about its cause.
    Rare,
    /// The same, and there is no such call: who listens may wait in vain for one who can be let in.
    ForGood,
}

static EXPECTED: AtomicU8 = AtomicU8::new(Expected::Likely as u8);

/// To be said before the processes of a run are made.
pub(crate) fn expect(expected: Expected) {
    EXPECTED.store(expected as u8, Ordering::Relaxed);
}

fn is_expected(expected: Expected) -> bool {
    EXPECTED.load(Ordering::Relaxed) == expected as u8
}

/// Until when a client is waited for.
pub(crate) fn for_a_client() -> Instant {
    if is_expected(Expected::ForGood) {
        Instant::now() + Duration::from_secs(4)
    } else {
        soon()
    }
}

/// An attempt that failed: whether it was before the exchange, and what was said.
type Outcome = Result<(), String>;

impl Scene {
    fn is_rich(self) -> bool {
        matches!(self, Self::RichServer | Self::RichClient)
    }

    fn is_placed(self) -> bool {
        matches!(self, Self::PlacedServer | Self::PlacedClient)
    }

    fn is_resumed(self) -> bool {
        matches!(self, Self::ResumedServer | Self::ResumedClient)
    }

    pub(crate) fn is_in_tasks(self) -> bool {
        matches!(self, Self::TaskServer | Self::TaskClient)
    }

    fn is_of_bytes(self) -> bool {
        matches!(self, Self::BytesServer | Self::BytesClient)
    }

    /// Whether the failing process is the client.
    fn connects(self) -> bool {
        matches!(
            self,
            Self::Client
                | Self::RichClient
                | Self::ConfinedClient
                | Self::LeanClient
                | Self::PlacedClient
                | Self::ResumedClient
                | Self::BytesClient
                | Self::TaskClient
        )
    }

    /// Whether it makes a socket at the path, which is gone with it.
    pub(crate) fn listens(self) -> bool {
        matches!(
            self,
            Self::Server
                | Self::Poller
                | Self::Shown
                | Self::PlacedServer
                | Self::ResumedServer
                | Self::BytesServer
                | Self::TaskServer
        )
    }

    fn config(self) -> Config {
        let config = Config::new()
            .wait(Wait::Park)
            .capacity(4096)
            .peer_capacity(4096)
            .few_descriptors(self == Self::LeanClient)
            .allow_tap(self == Self::Shown)
            .trust_peer(self.is_placed())
            .resumable(self.is_resumed())
            .handshake_timeout(Duration::from_secs(20));
        if self.is_of_bytes() {
            return config.byte_stream();
        }
        if self.is_placed() && *NODES.get_or_init(placed::has_nodes) {
            return config.numa_node(0);
        }
        if !self.is_rich() {
            return config;
        }
        config
            .membarrier(true)
            .lock_memory(true)
            .prefault(true)
            .timing(true)
            .drop_expired(true)
            .raise_descriptor_limit(true)
            // Its own: the way to it is open to others then.
            .allow_uid(nix::unistd::geteuid().as_raw())
            .lanes(2)
    }

    fn bind(self, path: &Path) -> Result<ringway::Listener, ringway::Error> {
        if self.is_rich() {
            self.config().bind(named(path))
        } else {
            self.config().bind(path)
        }
    }

    fn connect(self, path: &Path) -> Result<Connection, ringway::Error> {
        if self.is_rich() {
            self.config().connect(named(path))
        } else {
            self.config().connect(path)
        }
    }

    /// Before anything is to fail: what a sandbox refuses there, and what others have left.
    pub(crate) fn prepare(self, path: &Path) {
        match self {
            Self::ConfinedClient => {
                forbid(libc::SYS_io_uring_setup, libc::EPERM);
                // `SO_PASSPIDFD`.
                forbid_with(libc::SYS_setsockopt, 2, 76, libc::ENOPROTOOPT);
            }
            Self::Heir => heir::prepare(self, path),
            Self::TaskServer | Self::TaskClient => tasks::prepare(),
            // Whoever asks first asks the kernel.
            _ => drop(self.config()),
        }
    }

    /// One attempt of the failing process.
    pub(crate) fn attempt(self, page: &Page, path: &Path) -> Outcome {
        // The peer starts at the same time.
        while self.connects() && page.get(WATCHED) == 0 {
            std::thread::yield_now();
        }
        match self {
            Self::Server | Self::RichServer | Self::PlacedServer => {
                let mut listener = self.bind(path).map_err(|error| clear(&error))?;
                let connection = listener.accept_deadline(for_a_client());
                let mut connection = connection.map_err(|error| clear(&error))?;
                exchange(&mut connection, page, false)?;
                until_end(&mut connection)
            }
            Self::Client | Self::RichClient | Self::ConfinedClient | Self::LeanClient => {
                if self.is_rich() {
                    // What it cannot list, it can connect to all the same.
                    let names = Address::names().map_err(|error| clear(&error));
                    let is_listed =
                        names.is_ok_and(|all| all.iter().any(|one| *one == named(path)));
                    assert!(is_listed || page.get(WANTED) != 0);
                }
                let mut connection = self.connect(path).map_err(|error| clear(&error))?;
                exchange(&mut connection, page, true)
            }
            Self::Poller => poller::serve(self, page, path),
            Self::Watcher => watcher::watch(self, page, path),
            Self::Shown => shown::attempt(self, page, path),
            Self::PlacedClient => placed::attempt(self, page, path),
            Self::ResumedServer => resumed::server(self, page, path),
            Self::ResumedClient => resumed::client(self, page, path),
            Self::Heir => heir::attempt(self, page, path),
            Self::BytesServer | Self::BytesClient => bytes::attempt(self, page, path),
            Self::TaskServer | Self::TaskClient => tasks::attempt(self, page, path),
        }
    }

    /// The peer's side of one connection.
    fn answer(self, connection: Connection, page: &Page) -> String {
        match self {
            Self::ResumedClient => resumed::answer(connection, page),
            Self::BytesServer | Self::BytesClient => {
                bytes::answer(connection, page, !self.connects())
            }
            _ => answer(connection, page, !self.connects()),
        }
    }

    /// The peer, until the failing process has ended.
    pub(crate) fn accompany(self, page: &Page, path: &Path) {
        let told = match self {
            Self::Watcher => {
                watcher::shown(self, page, path);
                String::new()
            }
            Self::Shown => shown::accompany(self, page, path),
            Self::ResumedServer => resumed::accompany(self, page, path),
            _ if self.connects() => self.listen(page, path),
            _ => self.ask(page, path),
        };
        write(page, TEXTS[2], &told);
    }

    fn listen(self, page: &Page, path: &Path) -> String {
        let mut told = String::new();
        let mut listener = self.bind(path).unwrap();
        page.set(WATCHED, 1);
        while page.get(DONE) == 0 {
            let moment = Instant::now() + Duration::from_millis(4);
            match listener.accept_deadline(moment) {
                Ok(connection) => told.push_str(&self.answer(connection, page)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
            }
        }
        if let Some(refusal) = listener.last_refusal() {
            judge(refusal);
        }
        told
    }

    fn ask(self, page: &Page, path: &Path) -> String {
        let mut told = String::new();
        while page.get(DONE) == 0 {
            // A server that has time for somebody who says nothing sets a clock.
            let _silent = (self == Self::PlacedServer).then(|| hostile::dial(path));
            match self.connect(path) {
                Ok(connection) => told.push_str(&self.answer(connection, page)),
                Err(error) => {
                    judge(&error);
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        }
        told
    }
}

/// What a normal peer may hear of one whose system calls fail: that it is not there, or has gone, or lacks something.
fn judge(error: &ringway::Error) {
    let may_be = !is_expected(Expected::Likely) && error.kind() != ErrorKind::TimedOut;
    assert!(
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PeerGone | ErrorKind::Resources | ErrorKind::Io
        ) || may_be,
        "{:?}: {error}",
        error.kind()
    );
}

/// An error of setting up, as text, if it is one that says something.
fn clear(error: &ringway::Error) -> String {
    let text = error.to_string();
    assert!(
        text.len() > 20 && text.contains(' '),
        "{text:?} says nothing"
    );
    let nobody_came = is_expected(Expected::ForGood) && text == NOBODY;
    assert!(
        nobody_came
            || !matches!(
                error.kind(),
                ErrorKind::Malformed | ErrorKind::Version | ErrorKind::TimedOut | ErrorKind::Forked
            ),
        "not what is wrong: {:?}: {text}",
        error.kind()
    );
    if nobody_came {
        return text;
    }
    format!("{:?}: {text}", error.kind())
}

/// What who listens says then.
const NOBODY: &str = "no client connected before the deadline";

/// A name that is this process's own.
fn named(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A folder of one process, with the socket of its runs. Whoever listens locks the folder of its socket for a moment, and a process that is traced stands still there at each call that may
/// fail: in one that all share, workers would wait for each other's, and other tests for theirs.
pub(crate) struct Folder {
    itself: PathBuf,
    pub(crate) path: PathBuf,
    owner: u32,
}

impl Folder {
    pub(crate) fn new(scene: Scene) -> Self {
        let owner = std::process::id();
        let name = format!("ringway-failing-{owner}");
        let folder = std::env::temp_dir().join(format!("{name}.runs"));
        // Left by one of the same number that was killed.
        let _ = std::fs::remove_dir_all(&folder);
        // Where others can open it, another lock is taken.
        let mode = if scene == Scene::Server { 0o755 } else { 0o700 };
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(&folder)
            .unwrap();
        // Whatever the `umask` is.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        let path = folder.join(name);
        Self {
            itself: folder,
            path,
            owner,
        }
    }

    /// What is left there, too.
    pub(crate) fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.itself);
    }
}

impl Drop for Folder {
    /// A child has a copy, and no right to it.
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            self.remove();
        }
    }
}
