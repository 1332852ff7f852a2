//! Another process writes lies into every word of its segment at full rate, while the library reads, sends, follows and reads along: ten million of them.
//!
//! `RINGWAY_LIES`: how many, of all tests here together.

mod kinds;
mod resumed;
mod victim;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ringway::schema::{self, Schema};
use ringway::{Config, ErrorKind, Wait, typed};

use crate::peer::{self, CONTROL, Hostile, Liar, Lies, Message, Segment};
use crate::random::Random;
use kinds::Quote;
use victim::{Ends, live};

/// What the liar is told: its role, the path and how many words.
const ROLE: &str = "RINGWAY_LIAR";
/// Bytes of the schemas' area, in pages.
const SHELF: usize = 4096;
/// Lives of victims, of each test, at least: a rule that is broken ends one, and however many words follow, they end nothing any more.
const LIVES: u64 = 240;
/// Liars one after the other, each with victims of another kind.
const PARTS: u64 = 12;
/// Nothing happens for so long only where something hangs. (A machine whose processors are all taken for minutes is no such case.)
const STALL: Duration = Duration::from_secs(240);

fn lies() -> u64 {
    std::env::var("RINGWAY_LIES").map_or(10_000_000, |lies| lies.parse().unwrap())
}

fn ours() -> Schema {
    kinds::schema()
}

/// Ends the process when nobody says for long that something has happened.
struct Pulse(Sender<()>);

impl Pulse {
    fn new() -> Self {
        let (beat, beats) = mpsc::channel();
        thread::spawn(move || {
            loop {
                match beats.recv_timeout(STALL) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("the victim of a liar hangs");
                        std::process::abort();
                    }
                }
            }
        });
        Self(beat)
    }

    fn beat(&self) {
        self.0.send(()).unwrap();
    }
}

/// The liar's process, in a role at a path.
struct Process(Child);

impl Process {
    fn new(role: &str, path: &Path, (words, lives): (u64, u64), seed: u64) -> Self {
        let told = format!("{role} {words} {lives} {seed} {}", path.display());
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "racing::in_a_role", "--nocapture"])
            .env(ROLE, told)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Adds what it did, by its own words.
    fn told(mut self, all: &mut BTreeMap<String, u64>) {
        let mut text = String::new();
        let mut output = self.0.stdout.take().unwrap();
        output.read_to_string(&mut text).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "the liar: {status}\n{text}");
        let line = text.lines().find_map(|line| line.strip_prefix("lies: "));
        let pairs = line.expect("it tells").split(", ");
        for pair in pairs {
            let (count, what) = pair.split_once(' ').unwrap();
            *all.entry(what.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, and is then waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The liar itself; nothing at all in the process that runs the tests.
#[test]
fn in_a_role() {
    let Ok(told) = std::env::var(ROLE) else {
        return;
    };
    // SAFETY: no memory is passed; the process dies with the one that runs the tests.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let words: Vec<&str> = told.splitn(5, ' ').collect();
    let [role, words, lives, seed, path] = words[..] else {
        panic!("{told}");
    };
    let number = |text: &str| text.parse().unwrap();
    let mut liar = Liars::new((number(words), number(lives)), number(seed));
    match role {
        "client" => liar.clients(Path::new(path)),
        "server" => liar.servers(Path::new(path)),
        other => panic!("{other}"),
    }
    let Lies { words, broken, .. } = liar.done;
    let Lies {
        punches, punched, ..
    } = liar.done;
    let Lies { frames, pranks, .. } = liar.done;
    let Lies { replayed, .. } = liar.done;
    println!(
        "\nlies: {words} words, {broken} broken, {replayed} replayed, {frames} frames, {pranks} pranks, {punches} punches, {punched} punched, {} lives, {} refused",
        liar.lives, liar.refused
    );
}

/// One liar after the other.
struct Liars {
    /// Words and lives.
    target: (u64, u64),
    random: Random,
    done: Lies,
    lives: u64,
    refused: u64,
}

impl Liars {
    fn new(target: (u64, u64), seed: u64) -> Self {
        Self {
            target,
            random: Random::new(seed),
            done: Lies::default(),
            lives: 0,
            refused: 0,
        }
    }

    /// The bytes of a ring: mostly the smallest, in which a lap is short, or one in which frames are large enough to be followed.
    fn ring(&mut self) -> usize {
        [4096, 4096, 16 << 10, 256 << 10][self.random.next() as usize % 4]
    }

    /// A segment with schemas in it, and what is said of them in a Hello (at 72 and 88) or a Welcome (at 92 and 96).
    fn segment(lanes: usize, ring: usize) -> Segment {
        let first = CONTROL + SHELF;
        let own = Segment::with_rings(first + lanes * ring, first, ring);
        let table = schema::encode(&ours()).unwrap();
        let mut area = Vec::new();
        for _ in 0..2 {
            area.extend((table.len() as u32).to_ne_bytes());
        }
        area.extend([0; 8]);
        area.extend(schema::fingerprint(&ours()));
        for _ in 0..2 {
            area.extend(&table);
            area.resize(area.len().next_multiple_of(8), 0);
        }
        for (index, word) in area.chunks_exact(8).enumerate() {
            own.set(
                CONTROL + 8 * index,
                u64::from_ne_bytes(word.try_into().unwrap()),
            );
        }
        own
    }

    fn area() -> u32 {
        let table = schema::encode(&ours()).unwrap().len().next_multiple_of(8);
        32 + 2 * table as u32
    }

    /// Lies about the schemas while the victim takes them, in one life of four.
    fn meanwhile(&mut self) -> impl FnMut(&Segment) -> bool + use<> {
        let rounds = if self.random.next() % 4 == 0 {
            20_000
        } else {
            0
        };
        let mut random = Random::new(self.random.next() | 1);
        let mut round = 0;
        move |own| {
            round += 1;
            let draw = random.next();
            let offset = CONTROL + (((draw >> 8) as usize % Self::area() as usize) & !7);
            let before = own.get(offset);
            own.set(offset, before ^ 1 << (draw % 64));
            if draw & 3 != 0 {
                own.set(offset, before);
            }
            round < rounds
        }
    }

    fn enough(&self) -> bool {
        self.done.words >= self.target.0 && self.lives >= self.target.1
    }

    fn clients(&mut self, path: &Path) {
        while !self.enough() {
            let lanes = 1 + self.random.next() as usize % 2;
            let ring = self.ring();
            let features = self.random.next() % 2;
            let hello = peer::hello()
                .u16(22, lanes as u16)
                .u64(24, features)
                .u64(40, ring as u64)
                .u64(48, ring as u64)
                .bytes(72, &schema::fingerprint(&ours()))
                .u32(88, Self::area());
            let meanwhile = self.meanwhile();
            let joined = peer::join_with(
                path,
                &hello,
                |welcome| {
                    // As many lanes as there are at the victim's, and as much room as was granted.
                    let lanes = usize::from(welcome.0[18]);
                    let ring = welcome.read_u64(32) as usize;
                    let attach = peer::attach().offer_of(16, lanes, CONTROL + SHELF, ring);
                    (attach, Self::segment(lanes, ring))
                },
                meanwhile,
            );
            self.race(joined);
        }
    }

    fn servers(&mut self, path: &Path) {
        let listener = peer::listen(path);
        while !self.enough() {
            let ring = self.ring();
            let meanwhile = self.meanwhile();
            let served = peer::serve_with(
                &listener,
                |hello| {
                    let wanted = hello.read_u64(40) as usize;
                    let grant = ring.min(wanted);
                    let lanes = usize::from(hello.0[22]);
                    let features = hello.read_u64(24);
                    let welcome = peer::welcome()
                        .u16(18, lanes as u16)
                        .u64(24, features)
                        .u64(32, grant as u64)
                        .offer_of(40, lanes, CONTROL + SHELF, grant)
                        .u32(92, Self::area())
                        .bytes(96, &schema::fingerprint(&ours()))
                        .bytes(112, &hello.0[96..112]);
                    (welcome, Self::segment(lanes, grant))
                },
                meanwhile,
            );
            self.race(served);
        }
        std::fs::remove_file(path).unwrap();
    }

    /// Lies until the victim hangs up.
    fn race(&mut self, joined: Result<Hostile, Message>) {
        let Ok(hostile) = joined else {
            self.refused += 1;
            return;
        };
        self.lives += 1;
        let mut liar = Liar::new(&hostile, self.random.next());
        while !peer::is_gone(&hostile.line) {
            liar.lie(256);
        }
        let Lies { words, broken, .. } = liar.lies();
        self.done.words += words;
        self.done.broken += broken;
        self.done.frames += liar.lies().frames;
        self.done.pranks += liar.lies().pranks;
        self.done.replayed += liar.lies().replayed;
        self.done.punches += liar.lies().punches;
        self.done.punched += liar.lies().punched;
    }
}

/// The options of a victim, of which each kind meets liars.
fn config(random: &mut Random) -> Config {
    let wait = [Wait::Spin, Wait::Adaptive, Wait::Park][random.next() as usize % 3];
    Config::new()
        .wait(wait)
        .lanes(1 + random.next() as usize % 2)
        .capacity(256 << 10)
        .peer_capacity([4096, 16 << 10, 256 << 10][random.next() as usize % 3])
        .max_capacity(256 << 10)
        .membarrier(random.next() % 2 == 0)
        .resumable(random.next() % 2 == 0)
        .few_descriptors(random.next() % 4 == 0)
        .sends(ours())
        .expects(ours())
        .handshake_timeout(Duration::from_secs(60))
}

/// Rules that a liar breaks, whoever it is.
const RULES: &[&str] = &[
    "FrameTooLong",
    "UnknownFlags",
    "PadWithoutFrame",
    "ReleasedOutOfRange",
];
/// One that is found broken by a client alone, which may be resumed, and so knows where each of its frames begins.
const OF_SERVERS: &[&str] = &["ReleasedInsideFrame"];

/// What no life has shown yet. Connections in which nothing was found, or nothing came, would prove nothing.
fn unshown(ends: &Ends, rules: [&'static [&'static str]; 2]) -> Vec<&'static str> {
    let counts = [
        ("received", ends.received),
        ("sent", ends.sent),
        ("shared", ends.shared),
        ("batched", ends.batched),
        ("messages", ends.messages),
        ("invalid", ends.invalid),
    ];
    let rules = rules.into_iter().flatten().copied();
    let rules = rules.filter(|rule| !ends.named.contains_key(rule));
    let counts = counts.into_iter().filter(|(_, count)| *count == 0);
    rules.chain(counts.map(|(what, _)| what)).collect()
}

/// What both sides did has to be something.
fn judge(
    who: &str,
    told: &BTreeMap<String, u64>,
    ends: &Ends,
    rules: [&'static [&'static str]; 2],
) {
    println!("{who}: {told:?}\n  {ends:?}");
    println!("{} lies told", told["words"]);
    assert_eq!(told["punched"], 0, "a hole in a sealed segment");
    for what in ["broken", "replayed", "frames", "pranks", "punches"] {
        assert!(told[what] > 0, "{who}: 0 {what}");
    }
    let unshown = unshown(ends, rules);
    assert!(unshown.is_empty(), "{unshown:?}: {ends:?}");
}

/// Ends who reads along, after a panic too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads along what the liar sends, and what is sent to it, until it is over. Returns the frames that were seen, and the lanes that a broken rule ended.
fn read_along(path: &Path, over: &AtomicBool) -> (u64, u64) {
    let (mut frames, mut broken) = (0, 0);
    let mut payload = Vec::new();
    while !over.load(Ordering::Relaxed) {
        // The victim may be busy for longer than this waits.
        let Ok(mut tap) = Config::new().tap(path) else {
            continue;
        };
        for _ in 0..64 {
            for lane in tap.lanes() {
                for _ in 0..16 {
                    match lane.try_recv(&mut payload) {
                        Ok(Some(_)) => frames += 1,
                        Ok(None) => break,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
                            broken += 1;
                            break;
                        }
                    }
                }
            }
        }
    }
    (frames, broken)
}

#[test]
fn whatever_a_client_writes_while_it_is_read_ends_in_a_named_rule() {
    let _alone = peer::alone();
    let pulse = Pulse::new();
    let mut random = Random::new(0x0bad_c11e_27aa);
    let before = peer::open_descriptors();
    let (mut told, mut ends, mut seen) = (BTreeMap::new(), Ends::default(), (0, 0));
    // Who reads along is one of three threads: on a busy machine it may come too late for all of them. And which rules are seen broken is drawn, and a matter of who is faster.
    for part in 0..10 * PARTS {
        if part >= PARTS && seen.0 > 0 && unshown(&ends, [RULES, &[]]).is_empty() {
            break;
        }
        let config = config(&mut random).allow_tap(true);
        let path = peer::path(&format!("racing-{part}"));
        let mut listener = typed::Listener::<Quote, Quote>::bind_with(&config, path).unwrap();
        let seed = random.next() >> 1;
        let share = (lies() / 2 / PARTS, LIVES / PARTS);
        let path = listener.path().to_path_buf();
        let mut liar = Process::new("client", &path, share, seed);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let until = Over(&over);
            let along = scope.spawn(|| read_along(&path, &over));
            while !liar.is_over() {
                let soon = Instant::now() + Duration::from_millis(20);
                if random.next() % 6 == 0 {
                    if let Ok(connection) = listener.accept_deadline(soon) {
                        kinds::messages(connection, &mut random, &mut ends);
                    }
                } else if let Ok(connection) = listener.untyped().accept_deadline(soon) {
                    live(connection, Some(listener.untyped()), &mut random, &mut ends);
                }
                pulse.beat();
            }
            drop(until);
            while !along.is_finished() {
                assert!(listener.try_accept().unwrap().is_none());
                thread::sleep(Duration::from_millis(1));
            }
            let (frames, broken) = along.join().unwrap();
            seen = (seen.0 + frames, seen.1 + broken);
        });
        liar.told(&mut told);
    }
    judge("clients", &told, &ends, [RULES, &[]]);
    println!("read along: {} frames, {} rules broken", seen.0, seen.1);
    assert!(seen.0 > 0, "nobody read along");
    peer::no_leak(before);
}

#[test]
fn whatever_a_server_writes_while_it_is_read_ends_in_a_named_rule() {
    let _alone = peer::alone();
    let pulse = Pulse::new();
    let mut random = Random::new(0x0bad_5e1f_e127);
    let before = peer::open_descriptors();
    let path: PathBuf = peer::path("racing-server");
    let (mut told, mut ends) = (BTreeMap::new(), Ends::default());
    // A release inside a frame ends ten of so many lives on average: where one rule or another has ended none, more lives follow.
    let mut share = (lies() - lies() / 2, LIVES);
    for part in 0..10 * PARTS {
        if part > 0 && unshown(&ends, [RULES, OF_SERVERS]).is_empty() {
            break;
        }
        let seed = random.next() >> 1;
        let mut liar = Process::new("server", &path, share, seed);
        while !liar.is_over() {
            let config = config(&mut random);
            let lived = if random.next() % 6 == 0 {
                let connected = typed::connect_with(&config, path.as_path());
                connected.map(|connection| kinds::messages(connection, &mut random, &mut ends))
            } else {
                let connected = config.connect(path.as_path());
                connected.map(|connection| live(connection, None, &mut random, &mut ends))
            };
            if lived.is_err() {
                // Not there yet, there no more, or its schemas are lies.
                thread::sleep(Duration::from_millis(1));
            }
            pulse.beat();
        }
        liar.told(&mut told);
        share = (lies() / 2 / PARTS, LIVES / PARTS);
    }
    judge("servers", &told, &ends, [RULES, OF_SERVERS]);
    peer::no_leak(before);
}
