//! A hostile server against a client that connects.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use ringway::{Config, Error, ErrorKind};

use crate::peer::{self, Message, Watchdog, eventfd, memory, welcome};

const SIZE: usize = peer::CONTROL + peer::RING;

/// What a client says that gets `message` for an answer.
fn answered(message: &Message, gifts: &[OwnedFd]) -> Error {
    let path = peer::path("server");
    let listener = peer::listen(&path);
    let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
    let outcome = thread::scope(|scope| {
        let client = scope.spawn(|| {
            Config::new()
                .capacity(peer::RING)
                .peer_capacity(peer::RING)
                .handshake_timeout(Duration::from_millis(400))
                .connect(path.as_path())
        });
        let line = peer::accept(&listener);
        assert_eq!(peer::receive(&line).0[8], 1, "a Hello was expected");
        if !message.0.is_empty() {
            peer::send(&line, &message.0, &raw);
        }
        client.join().unwrap()
    });
    std::fs::remove_file(&path).unwrap();
    outcome.expect_err("the client took it")
}

#[test]
fn every_bad_welcome_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("bad welcome");
    let good = || memory(SIZE, peer::SEALS, true);
    let with = |segment: OwnedFd| vec![segment, eventfd(), eventfd()];
    let silent = Message(Vec::new());
    assert_eq!(answered(&silent, &[]).kind(), ErrorKind::TimedOut);
    let before = peer::open_descriptors();
    let mut magic = welcome();
    magic.0[3] = 0;
    let mut long = welcome();
    long.0.resize(400, 0);
    let cases: Vec<(Message, Vec<OwnedFd>, ErrorKind, &str)> = vec![
        (magic, with(good()), ErrorKind::Malformed, "no answer"),
        (long, with(good()), ErrorKind::Malformed, "longer"),
        (
            Message(welcome().0[..64].to_vec()),
            with(good()),
            ErrorKind::Malformed,
            "no answer",
        ),
        (peer::ready(), vec![], ErrorKind::Malformed, "no answer"),
        (
            welcome().u16(16, 2),
            with(good()),
            ErrorKind::Version,
            "version 2",
        ),
        (
            welcome().u16(18, 3),
            with(good()),
            ErrorKind::Version,
            "do not speak",
        ),
        (
            welcome().u64(24, 5),
            with(good()),
            ErrorKind::Version,
            "0x5",
        ),
        (
            welcome().u64(32, 1 << 20),
            with(good()),
            ErrorKind::Geometry,
            "more than was asked",
        ),
        (
            welcome().u64(32, 100),
            with(good()),
            ErrorKind::Geometry,
            "Capacity",
        ),
        (
            welcome().u64(32, 0),
            with(good()),
            ErrorKind::Geometry,
            "Capacity",
        ),
        (
            welcome().u64(56, 1 << 40),
            with(good()),
            ErrorKind::Geometry,
            "Capacity",
        ),
        (
            welcome().u32(72, 3),
            with(good()),
            ErrorKind::Geometry,
            "Step",
        ),
        (welcome(), vec![], ErrorKind::Descriptors, "0 descriptors"),
        (
            welcome(),
            (0..40).map(|_| eventfd()).collect(),
            ErrorKind::Descriptors,
            "descriptors",
        ),
        (
            welcome(),
            with(memory(SIZE, 0, true)),
            ErrorKind::Segment,
            "not sealed",
        ),
        (
            welcome(),
            with(memory(SIZE, peer::SEALS, false)),
            ErrorKind::Segment,
            "sparse",
        ),
        (
            welcome(),
            with(memory(4096, peer::SEALS, true)),
            ErrorKind::Segment,
            "4096 bytes",
        ),
        (
            welcome(),
            with(File::open("/dev/null").unwrap().into()),
            ErrorKind::Segment,
            "no memory file",
        ),
        (
            welcome(),
            vec![good(), eventfd(), peer::pipe().0],
            ErrorKind::Descriptors,
            "no eventfd",
        ),
        // The offer is in order, and then nothing: no Ready.
        (welcome(), with(good()), ErrorKind::PeerGone, "went away"),
    ];
    for (message, gifts, kind, part) in cases {
        let error = answered(&message, &gifts);
        let told = error.to_string();
        // The script's end of the line closes when it is done; either is a true word for the last case.
        assert!(
            error.kind() == kind
                || (kind == ErrorKind::PeerGone && error.kind() == ErrorKind::TimedOut),
            "{kind:?}: {told}"
        );
        assert!(
            error.kind() != kind || told.contains(part),
            "{told:?} does not say {part:?}"
        );
    }
    peer::no_leak(before);
}
