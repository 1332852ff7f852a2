//! Schemas of a hostile peer: whatever its area holds, the answer is a refusal that names it, or a connection.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use ringway::schema::{self, Schema};
use ringway::{Config, ErrorKind, Listener};

use crate::peer::{self, Message, Watchdog, eventfd, soon};
use crate::random::Random;
use crate::record::quote;

fn ours() -> Schema {
    quote(&[("price", 8), ("size", 8)])
}

fn other() -> Schema {
    quote(&[("price", 8), ("size", 4), ("flags", 4)])
}

/// What a script says of its frames.
#[derive(Clone)]
struct Said {
    area: Vec<u8>,
    fingerprint: [u8; 16],
}

impl Said {
    /// An area by the rules: what is sent, and what is expected.
    fn new(sends: Option<&Schema>, expects: Option<&Schema>) -> Self {
        let print = |schema: Option<&Schema>| schema.map_or([0; 16], schema::fingerprint);
        let table = |schema: Option<&Schema>| {
            schema.map_or_else(Vec::new, |schema| schema::encode(schema).unwrap())
        };
        Self::of(&table(sends), &table(expects), print(sends), print(expects))
    }

    fn of(sends: &[u8], expects: &[u8], fingerprint: [u8; 16], other: [u8; 16]) -> Self {
        let mut area = Vec::new();
        for table in [sends, expects] {
            area.extend((table.len() as u32).to_ne_bytes());
        }
        area.extend([0; 8]);
        area.extend(other);
        for table in [sends, expects] {
            area.extend(table);
            area.resize(area.len().next_multiple_of(8), 0);
        }
        Self { area, fingerprint }
    }

    fn ring_offset(&self) -> usize {
        (peer::CONTROL + self.area.len()).next_multiple_of(4096)
    }

    /// A sealed segment with the area in it, and two bells.
    fn gifts(&self) -> Vec<OwnedFd> {
        let file = File::from(peer::memory(self.ring_offset() + peer::RING, 0, true));
        file.write_all_at(&self.area, peer::CONTROL as u64).unwrap();
        // SAFETY: no memory is passed.
        let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, peer::SEALS) };
        assert_eq!(sealed, 0);
        vec![file.into(), eventfd(), eventfd()]
    }

    /// A Hello or a Welcome with its announcement.
    fn announced(&self, mut message: Message, bytes: usize, fingerprint: usize) -> Message {
        message.0[fingerprint..fingerprint + 16].copy_from_slice(&self.fingerprint);
        message.u32(bytes, self.area.len() as u32)
    }

    /// A message whose offer at `at` is of the segment.
    fn offered(&self, message: Message, at: usize) -> Message {
        message
            .u64(at, (self.ring_offset() + peer::RING) as u64)
            .u64(at + 8, self.ring_offset() as u64)
    }
}

fn raw(gifts: &[OwnedFd]) -> Vec<RawFd> {
    gifts.iter().map(AsRawFd::as_raw_fd).collect()
}

/// A client that says so: how the listener refuses it, and what the client is told; `None`: it got in.
fn client(listener: &mut Listener, said: &Said) -> Option<(ErrorKind, String, String)> {
    let refusals = listener.refusals();
    let line = peer::dial(listener.path()).unwrap();
    let hello = said.announced(peer::hello(), 88, 72);
    peer::send(&line, &hello.0, &[]);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(peer::receive(&line).0[8], 2, "a Welcome was expected");
    let attach = said.offered(peer::attach(), 16);
    peer::send(&line, &attach.0, &raw(&said.gifts()));
    let until = soon();
    loop {
        assert!(Instant::now() < until, "no answer");
        if listener.try_accept().unwrap().is_some() {
            assert_eq!(peer::receive(&line).0[8], 4, "a Ready was expected");
            return None;
        }
        if listener.refusals() > refusals {
            let (reason, told) = peer::reason(&peer::receive(&line).0);
            let error = listener.last_refusal().unwrap();
            assert_eq!(reason == 12, error.kind() == ErrorKind::Schema, "{told}");
            return Some((error.kind(), error.to_string(), told));
        }
    }
}

/// A server that says so, and the library's client.
fn server(config: &Config, said: &Said) -> Result<(), (ErrorKind, String, String)> {
    let path = peer::path("tables");
    let listener = peer::listen(&path);
    let outcome = thread::scope(|scope| {
        let client = scope.spawn(|| {
            config
                .clone()
                .capacity(peer::RING)
                .peer_capacity(peer::RING)
                .handshake_timeout(Duration::from_secs(10))
                .connect(path.as_path())
        });
        let line = peer::accept(&listener);
        assert_eq!(peer::receive(&line).0[8], 1, "a Hello was expected");
        let welcome = said.offered(said.announced(peer::welcome(), 92, 96), 40);
        peer::send(&line, &welcome.0, &raw(&said.gifts()));
        let answer = peer::receive(&line).0;
        if answer[8] == 3 {
            peer::send(&line, &peer::ready().0, &[]);
        }
        client.join().unwrap().map(drop).map_err(|error| {
            let (reason, told) = peer::reason(&answer);
            assert_eq!(reason, 12, "{told}");
            (error.kind(), error.to_string(), told)
        })
    });
    std::fs::remove_file(&path).unwrap();
    outcome
}

/// Areas that nobody may take, and a part of what is said of them.
fn bad() -> Vec<(Said, &'static str)> {
    let table = schema::encode(&ours()).unwrap();
    let print = schema::fingerprint(&ours());
    let foreign = schema::fingerprint(&other());
    let good = Said::new(Some(&other()), None);
    let with = |at: usize, value: u32| {
        let mut said = good.clone();
        said.area[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        said
    };
    let mut cases = vec![
        (with(0, 65_537), "longer than any"),
        (with(0, u32::MAX), "longer than any"),
        (with(4, u32::MAX), "longer than any"),
        (with(0, 1), "do not add up"),
        (with(4, 8), "do not add up"),
        (
            Said {
                area: vec![0; 32],
                fingerprint: [0; 16],
            },
            "do not add up",
        ),
        (
            Said {
                area: vec![0; 8],
                fingerprint: [0; 16],
            },
            "do not add up",
        ),
        (
            Said {
                area: Vec::new(),
                fingerprint: print,
            },
            "go together",
        ),
        (Said::of(&table, &[], [0; 16], [0; 16]), "go together"),
        (Said::of(&table, &[], foreign, [7; 16]), "go together"),
        (
            Said::of(&table, &[], [9; 16], [0; 16]),
            "not the one that its fingerprint announces",
        ),
        (
            Said::of(&[], &table, [0; 16], [9; 16]),
            "not the one that its fingerprint announces",
        ),
        (
            Said::of(&[0xff; 60_000], &[], [9; 16], [0; 16]),
            "cannot be read",
        ),
        (
            Said::of(&[], &[0; 65_536], [0; 16], [9; 16]),
            "cannot be read",
        ),
    ];
    // Every beginning of a table.
    for length in (1..table.len()).step_by(7) {
        let said = Said::of(&table[..length], &[], [9; 16], [0; 16]);
        cases.push((said, "cannot be read"));
    }
    cases
}

#[test]
fn a_false_area_is_refused_by_a_server_and_by_a_client() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false areas");
    let untyped = peer::patient();
    let typed = peer::patient().sends(other()).expects(other());
    for config in [untyped, typed] {
        let mut listener = config.bind(peer::path("tables-server")).unwrap();
        for (said, part) in bad() {
            let (kind, text, told) = client(&mut listener, &said).expect("it was let in");
            assert_eq!(kind, ErrorKind::Schema, "{text}");
            assert!(text.contains("the client's schema"), "{text}");
            assert!(text.contains(part), "{text:?} does not say {part:?}");
            assert!(told.contains(part), "{told:?} does not say {part:?}");
            let (kind, text, told) = server(&config, &said).expect_err("it was joined");
            assert_eq!(kind, ErrorKind::Schema, "{text}");
            assert!(text.contains("the server's schema"), "{text}");
            assert!(text.contains(part), "{text:?} does not say {part:?}");
            assert!(told.contains(part), "{told:?} does not say {part:?}");
        }
    }
}

#[test]
fn a_server_judges_by_itself_what_the_client_let_pass() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("server judges");
    let config = peer::patient().sends(ours()).expects(ours());
    let mut listener = config.bind(peer::path("tables-judge")).unwrap();
    let fits = Said::new(Some(&ours()), Some(&ours()));
    assert_eq!(client(&mut listener, &fits), None);
    let cases = [
        (
            Said::new(Some(&other()), None),
            "the server cannot read what the client sends",
        ),
        (
            Said::new(Some(&ours()), Some(&other())),
            "the client cannot read what the server sends",
        ),
    ];
    for (said, who) in cases {
        let (kind, text, told) = client(&mut listener, &said).expect("it was let in");
        assert_eq!(kind, ErrorKind::Schema, "{text}");
        for text in [&text, &told] {
            assert!(text.contains(who), "{text}");
            assert!(text.contains("field `size` of `Quote`"), "{text}");
        }
        assert!(text.contains("flags: u32"), "the tables are shown: {text}");
        assert!(
            !told.contains('\n') && !told.contains("flags: u32"),
            "{told}"
        );
    }
    let nothing = Said::new(None, None);
    let nothing = Said {
        area: Vec::new(),
        ..nothing
    };
    let (kind, text, _) = client(&mut listener, &nothing).expect("it was let in");
    assert_eq!(kind, ErrorKind::Schema);
    assert!(text.contains("bytes without a schema"), "{text}");
}

#[test]
fn the_ring_lies_where_the_announced_schemas_end() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("ring offset");
    let mut listener = peer::patient().bind(peer::path("tables-offset")).unwrap();
    let mut said = Said::new(Some(&ours()), None);
    assert_eq!(client(&mut listener, &said), None);
    // One page further than it says.
    let refusals = listener.refusals();
    let line = peer::dial(listener.path()).unwrap();
    peer::send(&line, &said.announced(peer::hello(), 88, 72).0, &[]);
    assert!(listener.try_accept().unwrap().is_none());
    assert_eq!(peer::receive(&line).0[8], 2);
    said.area.resize(5000, 0);
    peer::send(
        &line,
        &said.offered(peer::attach(), 16).0,
        &raw(&said.gifts()),
    );
    while listener.refusals() == refusals {
        assert!(listener.try_accept().unwrap().is_none());
    }
    let error = listener.last_refusal().unwrap();
    assert_eq!(error.kind(), ErrorKind::Geometry, "{error}");
}

#[test]
fn spoiled_tables_lead_to_schema_errors_only() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("spoiled tables");
    let mut random = Random::new(0x7ab1_e500_5eed);
    let config = peer::patient().expects(ours());
    let mut listener = config.bind(peer::path("tables-noise")).unwrap();
    let (mut admitted, mut refused) = (0, 0);
    for _ in 0..300 {
        let mut said = Said::new(Some(&quote(&[("price", 8)])), None);
        let at = random.next() as usize % said.area.len();
        said.area[at] ^= 1 << (random.next() % 8);
        match client(&mut listener, &said) {
            None => admitted += 1,
            Some((kind, text, _)) => {
                assert_eq!(kind, ErrorKind::Schema, "{text}");
                refused += 1;
            }
        }
    }
    assert!(admitted > 0 && refused > 0, "{admitted} {refused}");
}
