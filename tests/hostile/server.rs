//! A hostile server against a client that connects: the client's error names what is wrong, and so does the Refuse that the
//! server gets.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use ringway::{Config, Error, ErrorKind};

use crate::peer::{self, Message, Watchdog, eventfd, memory, ready, welcome};

const SIZE: usize = peer::CONTROL + peer::RING;

/// What a client says that gets these answers, the empty one left out, and the next thing that the server hears of it then.
fn told(answers: &[(&Message, &[OwnedFd])], another: bool) -> (Error, Vec<u8>) {
    told_by(&peer::patient(), answers, another)
}

/// The same where what is missing is never sent: the client waits in vain, as long as it likes.
fn told_in_vain(answers: &[(&Message, &[OwnedFd])]) -> (Error, Vec<u8>) {
    let config = Config::new().handshake_timeout(Duration::from_secs(2));
    told_by(&config, answers, false)
}

/// The same of a client with these options, which is patient enough for what is expected of it.
pub(crate) fn told_by(
    config: &Config,
    answers: &[(&Message, &[OwnedFd])],
    another: bool,
) -> (Error, Vec<u8>) {
    let path = peer::path("server");
    let listener = peer::listen(&path);
    let (outcome, heard) = thread::scope(|scope| {
        let client = scope.spawn(|| {
            let config = config.clone();
            config
                .capacity(peer::RING)
                .peer_capacity(peer::RING)
                .connect(path.as_path())
        });
        let line = peer::accept(&listener);
        assert_eq!(peer::receive(&line).0[8], 1, "a Hello was expected");
        for (index, (message, gifts)) in answers.iter().enumerate() {
            if index == 1 {
                assert_eq!(peer::receive(&line).0[8], 3, "an Attach was expected");
            }
            let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
            if index == 1 && another {
                send_as_another(&line, &message.0, &raw);
            } else {
                peer::send(&line, &message.0, &raw);
            }
        }
        (client.join().unwrap(), peer::receive(&line).0)
    });
    std::fs::remove_file(&path).unwrap();
    (outcome.expect_err("the client took it"), heard)
}

/// The client's error is of this kind and says `part`, and the server is told `reason` and the same.
pub(crate) fn is_refused(
    (error, heard): (Error, Vec<u8>),
    kind: ErrorKind,
    reason: u32,
    part: &str,
) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(part), "{text:?} does not say {part:?}");
    let (number, words) = peer::reason(&heard);
    assert_eq!(number, reason, "{words}");
    assert!(words.contains(part), "{words:?} does not say {part:?}");
}

#[test]
fn every_bad_welcome_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("bad welcome");
    let good = || memory(SIZE, peer::SEALS, true);
    let with = |segment: OwnedFd| vec![segment, eventfd(), eventfd()];
    // Once before the descriptors are counted.
    is_refused(told_in_vain(&[]), ErrorKind::TimedOut, 11, "");
    let before = peer::open_descriptors();
    let mut magic = welcome();
    magic.0[3] = 0;
    let mut long = welcome();
    long.0.resize(400, 0);
    let short = Message(welcome().0[..64].to_vec());
    let malformed = ErrorKind::Malformed;
    let messages = [
        (magic, malformed, 5, "Welcome was expected"),
        (long, malformed, 5, "longer"),
        (short, malformed, 5, "no answer"),
        (ready(), malformed, 5, "no answer"),
        (welcome().u32(8, 99), malformed, 5, "no answer"),
        (welcome().u32(12, 255), malformed, 5, "no answer"),
        (welcome().u16(16, 2), ErrorKind::Version, 2, "version 2"),
        (welcome().u16(16, 0), ErrorKind::Version, 2, "version 0"),
        (welcome().u16(18, 3), malformed, 5, "3 lanes"),
        (welcome().u16(18, 0), malformed, 5, "0 lanes"),
        (welcome().u32(20, 4), malformed, 5, "waits, 0x4"),
        (welcome().u32(20, 1 << 31), malformed, 5, "waits"),
        (welcome().u64(24, 5), ErrorKind::Feature, 3, "0x5"),
        (
            welcome().u32(88, 1),
            ErrorKind::Schema,
            12,
            "messages by postcard, the client expects frames",
        ),
        (
            welcome().u32(92, 131_105),
            ErrorKind::Schema,
            12,
            "longer than any",
        ),
        (welcome().u32(92, u32::MAX), ErrorKind::Schema, 12, "longer"),
    ];
    for (message, kind, reason, part) in messages {
        is_refused(
            told(&[(&message, &with(good()))], false),
            kind,
            reason,
            part,
        );
    }
    let geometries = [
        (welcome().u64(32, 1 << 20), "more than was asked"),
        (welcome().u64(32, 8192), "more than was asked"),
        (welcome().u64(32, 100), "Capacity"),
        (welcome().u64(32, 0), "Capacity"),
        (welcome().u64(56, 1 << 40), "Capacity"),
        (welcome().u32(72, 3), "Step"),
        (welcome().u32(80, 2), "not what was agreed"),
        (welcome().u32(84, 2), "not what was agreed"),
    ];
    for (message, part) in geometries {
        let outcome = told(&[(&message, &with(good()))], false);
        is_refused(outcome, ErrorKind::Geometry, 8, part);
    }
    let descriptors = ErrorKind::Descriptors;
    let segment = ErrorKind::Segment;
    let gifts: Vec<(Vec<OwnedFd>, ErrorKind, u32, &str)> = vec![
        (vec![], descriptors, 6, "0 descriptors"),
        (
            (0..40).map(|_| eventfd()).collect(),
            descriptors,
            6,
            "more descriptors",
        ),
        (
            (0..80).map(|_| eventfd()).collect(),
            descriptors,
            6,
            "more descriptors",
        ),
        (
            vec![good(), eventfd(), peer::pipe().0],
            descriptors,
            10,
            "no eventfd",
        ),
        (with(memory(SIZE, 0, true)), segment, 7, "not sealed"),
        (with(memory(SIZE, peer::SEALS, false)), segment, 7, "sparse"),
        (
            with(memory(4096, peer::SEALS, true)),
            segment,
            7,
            "4096 bytes",
        ),
        (
            with(File::open("/dev/null").unwrap().into()),
            segment,
            7,
            "no memory file",
        ),
    ];
    for (gifts, kind, reason, part) in gifts {
        is_refused(told(&[(&welcome(), &gifts)], false), kind, reason, part);
    }
    // An empty packet is like a closed line, and its gifts are closed as well.
    let (error, heard) = told(&[(&Message(Vec::new()), &[eventfd(), eventfd()])], false);
    assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
    assert!(heard.is_empty(), "nobody is there to be told");
    peer::no_leak(before);
}

#[test]
fn every_bad_ready_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("bad ready");
    let before = peer::open_descriptors();
    let segment = || [memory(SIZE, peer::SEALS, true), eventfd(), eventfd()];
    let mut magic = ready();
    magic.0[0] = b'r';
    let mut long = ready();
    long.0.resize(300, 0);
    let malformed = ErrorKind::Malformed;
    let cases = [
        (magic, 0, malformed, 5, "Ready was expected"),
        (
            Message(ready().0[..63].to_vec()),
            0,
            malformed,
            5,
            "no answer",
        ),
        (long, 0, malformed, 5, "longer"),
        (welcome(), 3, malformed, 5, "no answer"),
        (Message(vec![4]), 0, malformed, 5, "no answer"),
        (ready(), 1, ErrorKind::Descriptors, 6, "no descriptors"),
        (ready(), 80, ErrorKind::Descriptors, 6, "more descriptors"),
    ];
    for (message, count, kind, reason, part) in cases {
        let gifts: Vec<OwnedFd> = (0..count).map(|_| eventfd()).collect();
        let outcome = told(&[(&welcome(), &segment()), (&message, &gifts)], false);
        is_refused(outcome, kind, reason, part);
    }
    // A sound Ready, but from another process than the Welcome.
    let gifts = segment();
    let outcome = told(&[(&welcome(), &gifts), (&ready(), &[])], true);
    is_refused(outcome, malformed, 5, "two processes");
    drop(gifts);
    // None at all: the Attach is what the server hears first. But for a server that was stalled until the client had given up.
    let mut heard = (0..4).map(|_| {
        let (error, heard) = told_in_vain(&[(&welcome(), &segment())]);
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        heard
    });
    let attach = heard.find(|heard| heard[8] != 5).expect("in time");
    assert_eq!(attach[8], 3);
    peer::no_leak(before);
}

#[test]
fn a_server_that_refuses_is_quoted_and_not_answered() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("quoted");
    let kinds = [
        ErrorKind::UidRefused,
        ErrorKind::Version,
        ErrorKind::Feature,
        ErrorKind::Feature,
        ErrorKind::Malformed,
        ErrorKind::Descriptors,
        ErrorKind::Segment,
        ErrorKind::Geometry,
        ErrorKind::Resources,
        ErrorKind::Descriptors,
        ErrorKind::TimedOut,
        ErrorKind::Schema,
        ErrorKind::Busy,
        // A number of a later version.
        ErrorKind::Malformed,
    ];
    for (reason, kind) in (1..).zip(kinds) {
        let (error, heard) = told(&[(&peer::refuse(reason, "so\x07 it is"), &[])], false);
        assert_eq!(error.kind(), kind, "{error}");
        let text = error.to_string();
        assert!(
            text.ends_with("the server refused: so\u{fffd} it is"),
            "{text}"
        );
        assert!(heard.is_empty(), "a Refuse was answered");
    }
}

/// Sends from a process of its own, which ends at once.
pub(crate) fn send_as_another(line: &OwnedFd, bytes: &[u8], descriptors: &[RawFd]) {
    // SAFETY: the child makes system calls only, on what it has inherited, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        peer::send(line, bytes, descriptors);
        // SAFETY: ends the child and runs nothing.
        unsafe { libc::_exit(0) };
    }
    let mut status = 1;
    // SAFETY: `status` is valid for writes.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((ended, status), (child, 0));
}
