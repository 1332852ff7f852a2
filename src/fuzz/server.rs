//! The server's side of the handshake as a state machine: a listener at a real socket, and clients that say anything in any order, cut anywhere, with descriptors of any kind, and go at any
//! moment. It ends each with a rule that has a name, or serves it as it asked to be; it keeps nothing of theirs; and an honest client is served afterwards.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use zerocopy::FromBytes;

use super::input::Input;
use crate::connection::{Config, Connection, Listener};
use crate::error::ErrorKind;
use crate::hostile::{self, Gift, Message, is_gone, readable, receive, send};
use crate::layout::handshake::{self, Hello, Kind, Reason, Refuse};
use crate::layout::{OLDEST_VERSION, VERSION};

/// So many clients at once.
const CLIENTS: usize = 3;
/// The most steps of an input.
const STEPS: usize = 48;
/// What is closed on another thread is closed by then, on any machine.
const SOON: Duration = Duration::from_secs(30);

/// A client.
struct Client {
    line: OwnedFd,
    /// What the listener has from it, a message each, and what came with it.
    said: Vec<(Vec<u8>, Vec<Gift>)>,
    /// The kinds of what the listener has said.
    heard: Vec<u8>,
    /// What the listener has given: its segment first.
    offered: Vec<OwnedFd>,
    /// The reading ends of pipes whose writing ends it gave away.
    given: Vec<OwnedFd>,
}

impl Client {
    fn new(path: &Path) -> Option<Self> {
        // A listener's queue may be full of those that it has not looked at.
        let line = hostile::try_dial(path).ok()?;
        Some(Self {
            line,
            said: Vec::new(),
            heard: Vec::new(),
            offered: Vec::new(),
            given: Vec::new(),
        })
    }

    fn say(&mut self, bytes: &[u8], gifts: &[Gift]) {
        let mut files = Vec::new();
        let mut ends = Vec::new();
        // What it was not given yet it cannot hand back.
        let gifts = gifts.iter().map(|gift| match gift {
            Gift::Returned if self.offered.is_empty() => Gift::Segment,
            gift => *gift,
        });
        let gifts: Vec<Gift> = gifts.collect();
        for gift in &gifts {
            files.push(match gift {
                Gift::PipeIn => {
                    let (end, given) = hostile::pipe();
                    ends.push(end);
                    given
                }
                gift => gift.make_of(&self.offered),
            });
        }
        let raw: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        if send(&self.line, bytes, &raw) {
            self.said.push((bytes.to_vec(), gifts));
            self.given.extend(ends);
        }
    }

    /// Hears all that was said to it, which has to follow from what it said itself.
    fn hear(&mut self) {
        while readable(self.line_fd(), 0) {
            let (bytes, descriptors) = receive(&self.line);
            if bytes.is_empty() {
                return;
            }
            let kind = handshake::kind(&bytes).expect("a server speaks as the protocol says");
            match kind {
                Kind::Welcome => {
                    assert!(self.heard.is_empty(), "a Welcome comes first");
                    welcomed(&self.said[0]);
                    self.offered = descriptors;
                }
                Kind::Ready => {
                    assert_eq!(self.heard, [Kind::Welcome as u8], "a Ready comes second");
                    attached(&self.said);
                }
                Kind::Refuse => {
                    let refuse = Refuse::read_from_bytes(&bytes).expect("it has its length");
                    assert!(Reason::from_wire(refuse.reason).is_some(), "it has a name");
                    assert!(!refuse.text().is_empty());
                }
                other => panic!("a server says {other:?} to a client"),
            }
            self.heard.push(kind as u8);
        }
    }

    fn line_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.line)
    }
}

/// What was answered by a Welcome was a Hello that keeps the rules.
fn welcomed((bytes, gifts): &(Vec<u8>, Vec<Gift>)) {
    assert_eq!(handshake::kind(bytes), Some(Kind::Hello));
    let hello = Hello::read_from_bytes(bytes).expect("it has its length");
    assert!(gifts.is_empty(), "a Hello carries no descriptors");
    assert!(hello.oldest_version <= VERSION && hello.newest_version >= OLDEST_VERSION);
    assert_eq!(hello.required_features & !handshake::FEATURES, 0);
    match hello.role {
        handshake::ROLE_OBSERVER => assert_eq!(hello.observes & !handshake::OBSERVES_PAYLOAD, 0),
        role => {
            assert_eq!(role, handshake::ROLE_PEER);
            assert_eq!(
                hello.waits & !handshake::WAITS,
                0,
                "waits that mean nothing"
            );
            assert_ne!(hello.lanes, 0, "no lanes");
        }
    }
}

/// What was answered by a Ready was an Attach with a segment and bells that keep the rules.
fn attached(said: &[(Vec<u8>, Vec<Gift>)]) {
    let hello = Hello::read_from_bytes(&said[0].0).expect("it was welcomed");
    let (bytes, gifts) = &said[1];
    assert_eq!(handshake::kind(bytes), Some(Kind::Attach));
    assert_eq!(hello.role, handshake::ROLE_PEER);
    let (segment, bells) = gifts.split_first().expect("a segment");
    // A longer one has room for what an offer says.
    assert!(segment.is_segment() || *segment == Gift::Long);
    assert!(bells.iter().all(|gift| gift.is_bell()));
    assert_eq!(bells.len() as u32, 2 - hello.waits.count_ones());
}

pub(super) fn run(bytes: &[u8]) {
    // What a process has for all its connections, it has from the first one on.
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        try_input(&[]);
    });
    let held = held();
    try_input(bytes);
    soon("descriptors", || self::held() <= held);
}

fn try_input(bytes: &[u8]) {
    let thread = format!("{:?}", std::thread::current().id());
    let number = thread.trim_matches(|letter: char| !letter.is_ascii_digit());
    let name = format!("ringway-fuzz-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    // No input takes that long: nothing here depends on the clock.
    let config = Config::new().handshake_timeout(Duration::from_secs(600));
    let mut listener = config.bind(path.as_path()).expect("a listener");
    let mut clients: Vec<Client> = Client::new(&path).into_iter().collect();
    let mut served = Vec::new();
    let mut given = Vec::new();
    let (mut input, mut current) = (Input::new(bytes), 0);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let what = input.u8() % 16;
        let count = clients.len();
        let client = clients.get_mut(current % count.max(1));
        match (what, client) {
            (0, _) if count < CLIENTS => clients.extend(Client::new(&path)),
            (1, _) => current = usize::from(input.u8()),
            (2..=6, _) => step(&mut listener, &mut served),
            (7..=13, Some(client)) => speak(what, client, &mut input),
            (14, Some(client)) => client.hear(),
            (15, Some(_)) => {
                let gone = clients.remove(current % count);
                given.extend(gone.given);
            }
            _ => {}
        }
    }
    end(listener, clients, served, given, &path);
}

/// One move of the listener.
fn step(listener: &mut Listener, served: &mut Vec<Connection>) {
    served.extend(listener.try_accept().expect("a listener goes on"));
    if let Some(error) = listener.last_refusal() {
        let named = [
            ErrorKind::UidRefused,
            ErrorKind::Version,
            ErrorKind::Feature,
            ErrorKind::Malformed,
            ErrorKind::Descriptors,
            ErrorKind::Segment,
            ErrorKind::Geometry,
            ErrorKind::Schema,
            ErrorKind::Busy,
            ErrorKind::PeerGone,
        ];
        // What we do not say of a client, it may say of itself.
        let own = [ErrorKind::Resources, ErrorKind::TimedOut];
        let says =
            error.to_string().starts_with("the client refused: ") && own.contains(&error.kind());
        assert!(says || named.contains(&error.kind()), "{error}");
    }
}

/// A client says something.
fn speak(what: u8, client: &mut Client, input: &mut Input<'_>) {
    match what {
        7 => client.say(&changed(hostile::hello(), input), &[]),
        8 => client.say(&changed(hostile::attach(), input), &ORDERLY),
        9 => {
            let gifts = gifts(input);
            client.say(&changed(hostile::attach(), input), &gifts);
        }
        10 => {
            let gifts = gifts(input);
            client.say(&changed(hostile::hello(), input), &gifts);
        }
        11 => {
            let length = usize::from(input.u8());
            client.say(input.bytes(length), &[]);
        }
        // A message in two parts.
        12 => {
            let whole = if input.flag() {
                hostile::hello()
            } else {
                hostile::attach()
            };
            let (first, rest) = whole.0.split_at(usize::from(input.u8()) % whole.0.len());
            client.say(first, &[]);
            client.say(rest, &[]);
        }
        _ => client.say(&changed(hostile::refuse(5, "no more"), input), &[]),
    }
}

/// What an honest client gives.
const ORDERLY: [Gift; 3] = [Gift::Segment, Gift::Bell, Gift::Bell];

/// A message with some of its bytes changed.
fn changed(message: Message, input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = message.0;
    for _ in 0..input.u8() % 4 {
        let at = usize::from(input.u8()) % bytes.len();
        bytes[at] = input.u8();
    }
    bytes
}

/// One more than any message carries, at most.
fn gifts(input: &mut Input<'_>) -> Vec<Gift> {
    let count = usize::from(input.u8() % 5);
    let mut gifts = ORDERLY.to_vec();
    gifts.resize(count, Gift::PipeIn);
    for gift in &mut gifts {
        let number = usize::from(input.u8());
        match Gift::ALL.get(number % 64) {
            // That one makes a process.
            Some(Gift::Dead) | None => {}
            Some(other) => *gift = *other,
        }
    }
    gifts
}

/// All clients go; nothing of theirs is kept, and an honest one is served.
fn end(
    mut listener: Listener,
    mut clients: Vec<Client>,
    mut served: Vec<Connection>,
    mut given: Vec<OwnedFd>,
    path: &Path,
) {
    for mut client in clients.drain(..) {
        client.hear();
        given.append(&mut client.given);
    }
    // Each has a step, and those that were served one for each.
    for _ in 0..2 * CLIENTS + STEPS {
        step(&mut listener, &mut served);
    }
    // Where other tests run beside this, a child that one of them has forked has copies of the lines until it ends.
    let until = Instant::now() + SOON;
    while listener.handshakes() > 0 && Instant::now() < until {
        step(&mut listener, &mut served);
        std::thread::yield_now();
    }
    assert_eq!(listener.handshakes(), 0, "all are gone");
    served.clear();
    for end in &given {
        soon("a pipe", || is_hung_up(end));
    }
    let mut honest = Client::new(path).expect("a listener listens");
    honest.say(&hostile::hello().0, &[]);
    step(&mut listener, &mut served);
    honest.hear();
    assert!(served.is_empty());
    honest.say(&hostile::attach().0, &ORDERLY);
    step(&mut listener, &mut served);
    honest.hear();
    assert_eq!(honest.heard, [Kind::Welcome as u8, Kind::Ready as u8]);
    assert_eq!(served.len(), 1, "an honest client is served");
    served.clear();
    soon("the line", || is_gone(&honest.line));
}

/// Whether nobody holds the other end of a pipe.
fn is_hung_up(end: &OwnedFd) -> bool {
    let mut poll = libc::pollfd {
        fd: end.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: `poll` is one valid entry.
    unsafe { libc::poll(&raw mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

/// What is closed aside takes its time.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: still held");
        std::thread::yield_now();
    }
}

/// How many descriptors the process has. Where other tests run beside this they have some too, and only pipes and lines are looked at.
fn held() -> usize {
    if cfg!(fuzzing) {
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    } else {
        0
    }
}
