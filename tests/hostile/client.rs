//! A hostile client against a listener: each is refused with words that name what differs, and the next good client gets in.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, ErrorKind, Listener};

use crate::peer::{self, Message, Watchdog, attach, eventfd, hello, memory, soon};
use crate::server;

const SIZE: usize = peer::CONTROL + peer::RING;

/// Runs `script` against the listener until it has refused someone; what the client was told, and the listener's own word.
fn refused(
    listener: &mut Listener,
    script: impl FnOnce(&Path) -> String + Send,
) -> (ErrorKind, String) {
    let before = listener.refusals();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| script(&path));
        let until = soon();
        while listener.refusals() == before {
            assert!(Instant::now() < until, "nobody was refused");
            assert!(listener.try_accept().unwrap().is_none(), "it was let in");
            thread::sleep(Duration::from_millis(1));
        }
        let told = client.join().unwrap();
        (listener.last_refusal().unwrap().kind(), told)
    })
}

/// A good client gets in and its frame arrives. The frame rings a bell for certain, so that what the library opens once per
/// process at its first ring is open from here on.
fn still_serves(listener: &mut Listener) {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| peer::let_in(&path, || ()));
        let mut server = listener.accept_deadline(soon()).unwrap();
        let mut client = client.join().unwrap();
        assert_eq!(server.receiver().arm(), Ok(Arm::Armed));
        client.sender().send(b"good").unwrap();
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), b"good");
    });
}

/// A Hello that must be refused, the kind and a part of the text.
fn case(listener: &mut Listener, bytes: Vec<u8>, kind: ErrorKind, part: &str) {
    let (found, told) = refused(listener, move |path| {
        let line = peer::dial(path).unwrap();
        peer::send(&line, &bytes, &[]);
        peer::refusal(&peer::receive(&line).0)
    });
    assert_eq!(found, kind, "{told}");
    assert!(told.contains(part), "{told:?} does not say {part:?}");
}

#[test]
fn every_bad_hello_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("bad hello");
    let mut listener = peer::patient().bind(peer::path("hello")).unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let mut magic = hello();
    magic.0[0] ^= 1;
    let mut long = hello();
    long.0.resize(300, 0);
    let changed: [(Message, ErrorKind, &str); 16] = [
        (magic, ErrorKind::Malformed, "Hello"),
        (long, ErrorKind::Malformed, "Hello"),
        (
            Message(hello().0[..255].to_vec()),
            ErrorKind::Malformed,
            "Hello",
        ),
        (Message(vec![0]), ErrorKind::Malformed, "Hello"),
        (hello().u32(8, 77), ErrorKind::Malformed, "Hello"),
        (attach(), ErrorKind::Malformed, "Hello"),
        (
            hello().u16(16, 0).u16(18, 0),
            ErrorKind::Version,
            "versions 0 to 0",
        ),
        (
            hello().u16(16, 2).u16(18, 9),
            ErrorKind::Version,
            "versions 2 to 9",
        ),
        (
            hello().u16(16, 3).u16(18, 1),
            ErrorKind::Version,
            "versions 3 to 1",
        ),
        (
            hello().u64(32, 1 << 63),
            ErrorKind::Feature,
            "0x8000000000000000",
        ),
        (hello().u16(20, 2), ErrorKind::Feature, "role 2"),
        (
            hello().u32(68, 7),
            ErrorKind::Schema,
            "messages by codec 7, the server expects frames",
        ),
        (hello().u32(88, 131_105), ErrorKind::Schema, "longer"),
        (hello().u32(88, u32::MAX), ErrorKind::Schema, "longer"),
        (hello().u16(22, 0), ErrorKind::Malformed, "lanes"),
        (hello().u32(64, 0xff), ErrorKind::Malformed, "waits"),
    ];
    for (message, kind, part) in changed {
        case(&mut listener, message.0, kind, part);
    }
    for at in [40, 48, 56] {
        for bytes in [0, 1, 4095] {
            let message = hello().u64(at, bytes).0;
            case(&mut listener, message, ErrorKind::Malformed, "4096");
        }
    }
    still_serves(&mut listener);
    peer::no_leak(before);
}

#[test]
fn absurd_wishes_are_cut_down_and_descriptors_with_a_hello_refused() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("absurd wishes");
    let mut listener = peer::patient()
        .max_capacity(256 << 10)
        .bind(peer::path("wishes"))
        .unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let path = listener.path().to_path_buf();
    let greedy = hello()
        .u64(40, u64::MAX)
        .u64(48, u64::MAX)
        .u64(56, u64::MAX);
    let line = peer::dial(&path).unwrap();
    peer::send(&line, &greedy.0, &[]);
    assert!(listener.try_accept().unwrap().is_none());
    let (answer, offered) = peer::receive(&line);
    assert_eq!(answer[8], 2);
    assert_eq!(answer[32..40], (256u64 << 10).to_ne_bytes());
    assert_eq!(answer[56..64], (256u64 << 10).to_ne_bytes());
    drop((line, offered));
    let until = soon();
    while listener.refusals() == 0 {
        assert!(Instant::now() < until, "nobody noticed that it left");
        assert!(listener.try_accept().unwrap().is_none());
    }
    assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::PeerGone);
    let (kind, told) = refused(&mut listener, |path| {
        let line = peer::dial(path).unwrap();
        let gifts = [eventfd(), eventfd()];
        let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
        peer::send(&line, &hello().0, &raw);
        peer::refusal(&peer::receive(&line).0)
    });
    assert_eq!(kind, ErrorKind::Descriptors, "{told}");
    still_serves(&mut listener);
    peer::no_leak(before);
}

/// An Attach with these descriptors.
fn attached(listener: &mut Listener, message: &Message, gifts: &[OwnedFd]) -> (ErrorKind, String) {
    let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
    refused(listener, |path| {
        let (line, _) = peer::greet(path);
        peer::send(&line, &message.0, &raw);
        peer::refusal(&peer::receive(&line).0)
    })
}

#[test]
fn every_bad_attach_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("bad attach");
    let mut listener = peer::patient().bind(peer::path("attach")).unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let good = || memory(SIZE, peer::SEALS, true);
    let with = |segment: OwnedFd| vec![segment, eventfd(), eventfd()];
    let (read, write) = peer::pipe();
    let segments: Vec<(Message, Vec<OwnedFd>, ErrorKind, &str)> = vec![
        (
            attach(),
            with(memory(SIZE, 0, true)),
            ErrorKind::Segment,
            "not sealed",
        ),
        (
            attach(),
            with(memory(SIZE, libc::F_SEAL_SHRINK, true)),
            ErrorKind::Segment,
            "not sealed",
        ),
        (
            attach(),
            with(memory(SIZE, peer::SEALS & !libc::F_SEAL_SHRINK, true)),
            ErrorKind::Segment,
            "not sealed",
        ),
        (
            attach(),
            with(memory(SIZE, peer::SEALS & !libc::F_SEAL_FUTURE_WRITE, true)),
            ErrorKind::Segment,
            "not sealed",
        ),
        (
            attach(),
            with(memory(SIZE, peer::SEALS, false)),
            ErrorKind::Segment,
            "sparse",
        ),
        (
            attach(),
            with(memory(4096, peer::SEALS, true)),
            ErrorKind::Segment,
            "4096 bytes",
        ),
        (
            attach(),
            with(memory(SIZE * 2, peer::SEALS, true)),
            ErrorKind::Segment,
            "16384 bytes",
        ),
        (
            attach(),
            with(File::open("/dev/null").unwrap().into()),
            ErrorKind::Segment,
            "no memory file",
        ),
        (attach(), with(read), ErrorKind::Segment, "no memory file"),
        (
            attach(),
            with(eventfd()),
            ErrorKind::Segment,
            "no memory file",
        ),
        (attach(), vec![], ErrorKind::Descriptors, "0 descriptors"),
        (
            attach(),
            vec![good()],
            ErrorKind::Descriptors,
            "1 descriptors",
        ),
        (
            attach(),
            (0..60).map(|_| eventfd()).collect(),
            ErrorKind::Descriptors,
            "descriptors",
        ),
        (
            attach(),
            vec![good(), eventfd(), write],
            ErrorKind::Descriptors,
            "no eventfd",
        ),
        (
            attach(),
            vec![
                good(),
                File::open("/proc/self/exe").unwrap().into(),
                eventfd(),
            ],
            ErrorKind::Descriptors,
            "no eventfd",
        ),
        (
            attach().u64(32, 6000),
            with(good()),
            ErrorKind::Geometry,
            "Capacity",
        ),
        (
            attach().u64(32, 1 << 40),
            with(good()),
            ErrorKind::Geometry,
            "Capacity",
        ),
        (
            attach().u64(32, 8192),
            with(good()),
            ErrorKind::Geometry,
            "not what was agreed",
        ),
        (
            attach().u64(16, u64::MAX),
            with(good()),
            ErrorKind::Geometry,
            "not what was agreed",
        ),
        (
            attach().u64(24, 0),
            with(good()),
            ErrorKind::Geometry,
            "not what was agreed",
        ),
        (
            attach().u64(40, 4),
            with(good()),
            ErrorKind::Geometry,
            "Start",
        ),
        (
            attach().u64(40, u64::MAX - 7),
            with(good()),
            ErrorKind::Geometry,
            "Start",
        ),
        (
            attach().u32(48, 0),
            with(good()),
            ErrorKind::Geometry,
            "Step",
        ),
        (
            attach().u32(52, 12),
            with(good()),
            ErrorKind::Geometry,
            "Alignment",
        ),
        (
            attach().u32(56, 2),
            with(good()),
            ErrorKind::Geometry,
            "not what was agreed",
        ),
        (
            attach().u32(60, 4),
            with(good()),
            ErrorKind::Geometry,
            "not what was agreed",
        ),
        (hello(), with(good()), ErrorKind::Malformed, "Attach"),
    ];
    for (message, gifts, kind, part) in segments {
        let (found, told) = attached(&mut listener, &message, &gifts);
        assert_eq!(found, kind, "{told}");
        assert!(told.contains(part), "{told:?} does not say {part:?}");
    }
    still_serves(&mut listener);
    peer::no_leak(before);
}

#[test]
fn a_client_that_refuses_is_quoted_and_not_answered() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("client refuses");
    let mut listener = peer::patient().bind(peer::path("refuses")).unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let kinds = [
        (1, ErrorKind::UidRefused),
        (7, ErrorKind::Segment),
        (9, ErrorKind::Resources),
        (11, ErrorKind::TimedOut),
        (12, ErrorKind::Schema),
        (99, ErrorKind::Malformed),
    ];
    for (reason, expected) in kinds {
        // Before all else, too.
        let (kind, _) = refused(&mut listener, |path| {
            let line = peer::dial(path).unwrap();
            peer::send(&line, &peer::refuse(reason, "not at all").0, &[]);
            let answer = peer::receive(&line).0;
            assert!(answer.is_empty(), "a Refuse was answered");
            String::new()
        });
        assert_eq!(kind, expected);
        let text = listener.last_refusal().unwrap().to_string();
        assert_eq!(text, "the client refused: not at all");
        for reads in [true, false] {
            let (kind, _) = refused(&mut listener, |path| {
                let line = peer::dial(path).unwrap();
                peer::send(&line, &hello().0, &[]);
                if reads {
                    assert_eq!(peer::receive(&line).0[8], 2);
                } else {
                    // The Welcome is there and stays unread: the kernel then tells the server of that before all else.
                    peer::wait_readable(&line);
                }
                peer::send(&line, &peer::refuse(reason, "not so").0, &[]);
                if reads {
                    let answer = peer::receive(&line).0;
                    assert!(answer.is_empty(), "a Refuse was answered");
                }
                String::new()
            });
            assert_eq!(kind, expected, "reads: {reads}");
            let text = listener.last_refusal().unwrap().to_string();
            assert_eq!(text, "the client refused: not so");
        }
    }
    still_serves(&mut listener);
    peer::no_leak(before);
}

#[test]
fn an_attach_of_another_process_and_empty_packets_are_refused() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("another process");
    let mut listener = peer::patient().bind(peer::path("another")).unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let (kind, told) = refused(&mut listener, |path| {
        let (line, _) = peer::greet(path);
        let gifts = [memory(SIZE, peer::SEALS, true), eventfd(), eventfd()];
        let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
        server::send_as_another(&line, &attach().0, &raw);
        peer::refusal(&peer::receive(&line).0)
    });
    assert_eq!(kind, ErrorKind::Malformed, "{told}");
    assert!(told.contains("two processes"), "{told}");
    // An empty packet is like a closed line, whatever it brings.
    let (kind, _) = refused(&mut listener, |path| {
        let (line, _) = peer::greet(path);
        let gifts = [eventfd(), eventfd()];
        let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
        peer::send(&line, &[], &raw);
        assert!(
            peer::receive(&line).0.is_empty(),
            "the line was to be closed"
        );
        String::new()
    });
    assert_eq!(kind, ErrorKind::PeerGone);
    still_serves(&mut listener);
    peer::no_leak(before);
}

#[test]
fn half_open_handshakes_hold_nobody_up() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("half-open");
    let mut listener = Config::new()
        .handshake_timeout(Duration::from_millis(50))
        .bind(peer::path("half"))
        .unwrap();
    still_serves(&mut listener);
    let before = peer::open_descriptors();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut lines = Vec::new();
            for index in 0..200 {
                let line = peer::dial(&path).unwrap();
                if index % 2 == 0 {
                    peer::send(&line, &hello().0, &[]);
                }
                lines.push(line);
            }
            peer::let_in(&path, || ());
        });
        listener.accept_deadline(soon()).unwrap();
    });
    // A listener moves handshakes on when it is called: those that never end are then dropped.
    let until = soon();
    while peer::open_descriptors() > before {
        assert!(Instant::now() < until, "half-open handshakes stay");
        assert!(listener.try_accept().unwrap().is_none());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(listener.refusals() > 0);
}
