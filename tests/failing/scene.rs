//! What the failing process does, and what its peer does meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Event, Poller, RecvError, SendError, Wait};

use crate::forbid::forbid;
use crate::process::Page;

/// Words of the page. The failing process counts per attempt, of which it makes two at most.
pub(crate) const RUNNING: usize = 0;
pub(crate) const DONE: usize = 1;
pub(crate) const ATTEMPT: usize = 2;
pub(crate) const WATCHED: usize = 3;
/// A socket was there behind an attempt that failed.
pub(crate) const LEFT: usize = 4;
/// Frames that the failing process has committed, and that its peer has received, by attempt.
pub(crate) const SAID: usize = 8;
pub(crate) const HEARD: usize = 12;
/// Descriptors and mappings at its end, and what they should be (0: not known yet).
pub(crate) const HELD: usize = 16;
pub(crate) const WANTED: usize = 20;
/// Texts: of the failing process, by attempt, and of its peer.
pub(crate) const TEXTS: [usize; 3] = [64, 128, 192];
const TEXT: usize = 63 * 8;

/// Short exchanges, each of which finds the other side asleep, and then long frames, which fill the ring.
const ROUNDS: u64 = 3;
const FRAMES: u64 = ROUNDS + 7;
const LONG: usize = 900;

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
    /// Without `io_uring`, as in a container.
    ConfinedClient,
    /// Without the peers' bells: woken through the socket.
    LeanClient,
    Poller,
    /// Observes a listener, and reads along.
    Watcher,
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// An attempt that failed: whether it was before the exchange, and what was said.
type Outcome = Result<(), String>;

impl Scene {
    fn is_rich(self) -> bool {
        matches!(self, Self::RichServer | Self::RichClient)
    }

    /// Whether the failing process is the client.
    fn connects(self) -> bool {
        matches!(
            self,
            Self::Client | Self::RichClient | Self::ConfinedClient | Self::LeanClient
        )
    }

    /// Whether it makes a socket at the path.
    pub(crate) fn listens(self) -> bool {
        matches!(self, Self::Server | Self::Poller)
    }

    fn config(self) -> Config {
        let config = Config::new()
            .wait(Wait::Park)
            .capacity(4096)
            .peer_capacity(4096)
            .few_descriptors(self == Self::LeanClient)
            .handshake_timeout(Duration::from_secs(8));
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

    /// What a sandbox refuses there.
    pub(crate) fn confine(self) {
        if self == Self::ConfinedClient {
            forbid(libc::SYS_io_uring_setup, libc::EPERM);
        }
    }

    /// One attempt of the failing process.
    pub(crate) fn attempt(self, page: &Page, path: &Path) -> Outcome {
        match self {
            Self::Server | Self::RichServer => {
                let mut listener = self.bind(path).map_err(|error| clear(&error))?;
                let connection = listener.accept_deadline(soon());
                let mut connection = connection.map_err(|error| clear(&error))?;
                exchange(&mut connection, page, false)?;
                until_end(&mut connection)
            }
            Self::Client | Self::RichClient | Self::ConfinedClient | Self::LeanClient => {
                // The peer starts at the same time.
                while page.get(WATCHED) == 0 {
                    std::thread::yield_now();
                }
                let mut connection = self.connect(path).map_err(|error| clear(&error))?;
                exchange(&mut connection, page, true)
            }
            Self::Poller => serve(self, page, path),
            Self::Watcher => watch(self, page, path),
        }
    }

    /// The peer, until the failing process has ended.
    pub(crate) fn accompany(self, page: &Page, path: &Path) {
        let mut told = String::new();
        if self == Self::Watcher {
            shown(self, page, path);
        } else if self.connects() {
            let mut listener = self.bind(path).unwrap();
            page.set(WATCHED, 1);
            while page.get(DONE) == 0 {
                let moment = Instant::now() + Duration::from_millis(4);
                match listener.accept_deadline(moment) {
                    Ok(connection) => told.push_str(&answer(connection, page, false)),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
                }
            }
            if let Some(refusal) = listener.last_refusal() {
                judge(refusal);
            }
        } else {
            while page.get(DONE) == 0 {
                match self.connect(path) {
                    Ok(connection) => told.push_str(&answer(connection, page, true)),
                    Err(error) => {
                        judge(&error);
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
            }
        }
        write(page, TEXTS[2], &told);
    }
}

/// What a normal peer may hear of one whose system calls fail: that it is not there, or has gone, or lacks something.
fn judge(error: &ringway::Error) {
    assert!(
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PeerGone | ErrorKind::Resources | ErrorKind::Io
        ),
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
    assert!(
        !matches!(
            error.kind(),
            ErrorKind::Malformed | ErrorKind::Version | ErrorKind::TimedOut | ErrorKind::Forked
        ),
        "not what is wrong: {:?}: {text}",
        error.kind()
    );
    format!("{:?}: {text}", error.kind())
}

/// The bytes of a frame: who sends it, in which attempt, its number, and what follows from these.
fn frame(fails: bool, attempt: u64, number: u64) -> Vec<u8> {
    let length = if number < ROUNDS { 24 } else { LONG };
    let mut bytes = vec![(number as u8).wrapping_mul(31) ^ attempt as u8; length];
    bytes[0] = u8::from(fails);
    bytes[1] = attempt as u8;
    bytes[2] = number as u8;
    bytes
}

/// One end's account of one connection.
struct Ends<'a> {
    page: &'a Page,
    /// It is the end whose calls fail.
    fails: bool,
    attempt: u64,
    buffer: Vec<u8>,
    heard: u64,
}

impl Ends<'_> {
    fn say(&mut self, connection: &mut Connection, number: u64) -> Result<(), SendError> {
        let bytes = frame(self.fails, self.attempt, number);
        connection.sender().send_deadline(&bytes, soon())?;
        if self.fails {
            self.page.set(SAID + self.attempt as usize, number + 1);
        }
        Ok(())
    }

    fn hear(&mut self, connection: &mut Connection) -> Result<(), RecvError> {
        let receiver = connection.receiver();
        let length = receiver.recv_into_deadline(&mut self.buffer, soon())?;
        let bytes = &self.buffer[..length];
        let attempt = u64::from(bytes[1]);
        assert!(
            bytes == frame(!self.fails, attempt, self.heard),
            "a frame is broken"
        );
        self.heard += 1;
        if !self.fails {
            self.page.set(HEARD + attempt as usize, self.heard);
        }
        Ok(())
    }
}

/// The whole conversation, from one end: `first` speaks first.
fn converse(ends: &mut Ends<'_>, connection: &mut Connection, first: bool) -> Result<(), String> {
    let sends = |error: SendError| format!("send: {error:?}");
    let receives = |error: RecvError| format!("receive: {error:?}");
    for number in 0..ROUNDS {
        if first {
            ends.say(connection, number).map_err(sends)?;
        }
        ends.hear(connection).map_err(receives)?;
        if !first {
            ends.say(connection, number).map_err(sends)?;
        }
    }
    for turn in [true, false] {
        if first == turn {
            for number in ROUNDS..FRAMES {
                ends.say(connection, number).map_err(sends)?;
            }
        } else {
            // The ring is full by then, and its sender asleep.
            for _ in 0..4 {
                std::thread::yield_now();
            }
            for _ in ROUNDS..FRAMES {
                ends.hear(connection).map_err(receives)?;
            }
        }
    }
    Ok(())
}

fn exchange(connection: &mut Connection, page: &Page, first: bool) -> Outcome {
    let mut ends = Ends {
        page,
        fails: true,
        attempt: page.get(ATTEMPT),
        buffer: vec![0; 4096],
        heard: 0,
    };
    converse(&mut ends, connection, first).map_err(|text| format!("exchange: {text}"))
}

/// The peer says goodbye first.
fn until_end(connection: &mut Connection) -> Outcome {
    match connection.receiver().recv_deadline(soon()).map(drop) {
        Err(RecvError::Closed) => Ok(()),
        other => Err(format!("exchange: the end was {other:?}")),
    }
}

/// The peer's side of one connection, to its end.
fn answer(mut connection: Connection, page: &Page, first: bool) -> String {
    let mut ends = Ends {
        page,
        fails: false,
        attempt: 0xff,
        buffer: vec![0; 4096],
        heard: 0,
    };
    let outcome = converse(&mut ends, &mut connection, first);
    if outcome.is_ok() && first {
        return "complete;".to_owned();
    }
    // Whatever ended it, all that was committed is to be had, and then an end that is one.
    let end = loop {
        if let Err(error) = ends.hear(&mut connection) {
            break error;
        }
    };
    assert!(
        matches!(
            end,
            RecvError::Closed | RecvError::PeerClosed | RecvError::PeerDied
        ),
        "{end:?}"
    );
    match outcome {
        Ok(()) => "complete;".to_owned(),
        Err(text) => format!("{text}, {end:?};"),
    }
}

fn serve(scene: Scene, page: &Page, path: &Path) -> Outcome {
    let mut poller = Poller::<Connection>::new().map_err(|error| clear(&error))?;
    let listener = scene.bind(path).map_err(|error| clear(&error))?;
    poller
        .listen(listener, |connection| connection)
        .map_err(|error| clear(&error))?;
    let (mut said, mut heard) = (0, 0);
    let attempt = page.get(ATTEMPT);
    let limit = soon();
    loop {
        match poller
            .event_deadline(limit)
            .map_err(|error| clear(&error))?
        {
            None => return Err("exchange: the poller heard nothing".to_owned()),
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    let (_, receiver) = turn.halves();
                    let bytes = receiver.recv().unwrap().to_vec();
                    assert!(bytes == frame(false, 0xff, heard), "a frame is broken");
                    heard += 1;
                }
                // As a partner in `converse`: an answer to each short frame, and the long ones when all have come.
                while said < heard.min(ROUNDS) || (heard == FRAMES && said < FRAMES) {
                    let bytes = frame(true, attempt, said);
                    let sent = turn.halves().0.try_send(&bytes);
                    if sent == Err(SendError::Full) {
                        turn.until_room(bytes.len());
                        break;
                    }
                    if sent.is_err() {
                        break;
                    }
                    said += 1;
                    page.set(SAID + attempt as usize, said);
                }
            }
            Some(Event::Ended(ended)) if ended.end == RecvError::Closed && said == FRAMES => {
                return Ok(());
            }
            // A connection that failed is made anew by the peer.
            Some(Event::Ended(ended)) => {
                return Err(format!("exchange: the end was {:?}", ended.end));
            }
            Some(Event::Stalled { error, .. }) => drop(clear(&error)),
            Some(_) => {}
        }
    }
}

/// What a watcher looks at: a connection within the peer, that carries frames again and again.
fn shown(scene: Scene, page: &Page, path: &Path) {
    let mut listener = scene.config().allow_tap(true).bind(path).unwrap();
    let there = path.to_path_buf();
    let client = std::thread::spawn(move || scene.config().connect(there.as_path()).unwrap());
    let mut server = listener.accept_deadline(soon()).unwrap();
    let mut client = client.join().unwrap();
    let attendant = listener.attend().unwrap();
    page.set(WATCHED, 1);
    while page.get(DONE) == 0 {
        client.sender().send(b"seen").unwrap();
        assert_eq!(server.receiver().recv().unwrap().to_vec(), b"seen");
        std::thread::sleep(Duration::from_micros(200));
    }
    drop(attendant);
}

fn watch(scene: Scene, page: &Page, path: &Path) -> Outcome {
    while page.get(WATCHED) == 0 {
        std::thread::yield_now();
    }
    let config = scene.config();
    let observed = config.observe(path).map_err(|error| clear(&error))?;
    let connections = observed.connections().map_err(|error| clear(&error))?;
    if connections.is_empty() {
        return Err(format!("exchange: {} connections", connections.len()));
    }
    let mut tap = config.tap(path).map_err(|error| clear(&error))?;
    let mut payload = Vec::new();
    let limit = soon();
    while Instant::now() < limit {
        for lane in tap.lanes().iter_mut() {
            let seen = lane.try_recv(&mut payload).map_err(|error| clear(&error))?;
            if seen.is_some() {
                assert_eq!(payload, b"seen");
                let refreshed = tap.refresh().map_err(|error| clear(&error));
                assert_eq!(tap.lanes().len(), 2, "of one connection");
                return refreshed;
            }
        }
        std::thread::yield_now();
    }
    Err("exchange: nothing was seen".to_owned())
}

/// A name that is this process's own.
fn named(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

pub(crate) fn path() -> PathBuf {
    std::env::temp_dir().join(format!("ringway-failing-{}", std::process::id()))
}
