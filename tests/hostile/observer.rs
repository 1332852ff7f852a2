//! Observers that want more than they may see, and servers that show them something else.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use ringway::{Config, Error, ErrorKind};

use crate::peer::{self, Message, Watchdog, eventfd, hello, memory, soon, welcome};
use crate::record::quote;

/// Bytes of a counters segment.
const COUNTERS: usize = 131_072;

fn observer() -> Message {
    hello().u16(20, 1)
}

#[test]
fn an_observer_cannot_obtain_payload() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("observer");
    let secret = b"nobody but the peer shall read this";
    let config = peer::patient().sends(quote(&[("price", 8)]));
    let mut listener = config.bind(peer::path("observed")).unwrap();
    let path = listener.path().to_path_buf();
    let (_server, mut client) = thread::scope(|scope| {
        let client = scope.spawn(|| peer::patient().connect(path.as_path()).unwrap());
        let server = listener.accept_deadline(soon()).unwrap();
        (server, client.join().unwrap())
    });
    (0..100).for_each(|_| client.sender().send(secret).unwrap());
    let line = peer::dial(&path).unwrap();
    peer::send(&line, &observer().0, &[]);
    assert!(listener.try_accept().unwrap().is_none());
    let (answer, given) = peer::receive(&line);
    assert_eq!(answer[8], 2, "a Welcome was expected");
    assert!(answer[40..88].iter().all(|&byte| byte == 0), "no offer");
    assert_eq!(given.len(), 2, "counters and schemas");
    for file in given.into_iter().map(File::from) {
        // SAFETY: no memory is passed.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        assert_eq!(seals & peer::SEALS, peer::SEALS);
        assert!(file.write_at(b"x", 0).is_err(), "it can be written");
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(!bytes.windows(8).any(|part| part == &secret[..8]));
    }
    // It is not let in behind that.
    assert!(
        peer::receive(&line).0.is_empty(),
        "the line was to be closed"
    );
    peer::send(&line, &peer::attach().0, &[]);
    assert!(listener.try_accept().unwrap().is_none());
    // Nor is it given more where it asks for more.
    let line = peer::dial(&path).unwrap();
    for (asked, told) in [
        (1, "Config::allow_tap"),
        (2, "asks for 0x2"),
        (3, "asks for 0x3"),
    ] {
        let line = if asked == 1 {
            &line
        } else {
            &peer::dial(&path).unwrap()
        };
        peer::send(line, &observer().u32(128, asked).0, &[]);
        assert!(listener.try_accept().unwrap().is_none());
        let (answer, given) = peer::receive(line);
        let (reason, text) = peer::reason(&answer);
        assert_eq!((reason, given.len()), (3, 0), "{text}");
        assert!(text.contains(told), "{text}");
    }
    assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::Feature);
}

/// A memory file that begins so.
fn file(begin: &[u8], size: usize) -> OwnedFd {
    let file = File::from(memory(size, 0, true));
    file.write_all_at(begin, 0).unwrap();
    // SAFETY: no memory is passed.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, peer::SEALS) };
    assert_eq!(sealed, 0);
    file.into()
}

/// The beginning of a counters segment, with this version and these slots.
fn counters(version: u16, slots: u32) -> OwnedFd {
    let mut bytes = b"RINGCNT\0".to_vec();
    bytes.extend(version.to_ne_bytes());
    bytes.extend([0; 2]);
    for number in [512, slots, 512, 7, 0] {
        bytes.extend(number.to_ne_bytes());
    }
    // A slot of which everything is as large as can be.
    bytes.resize(512, 0);
    bytes.extend([0xff; 512]);
    file(&bytes, COUNTERS)
}

/// What an observer says whom a server answers so.
fn observe(answer: &Message, gifts: &[OwnedFd]) -> Result<ringway::Observed, Error> {
    let path = peer::path("observes");
    let listener = peer::listen(&path);
    let outcome = thread::scope(|scope| {
        let observer = scope.spawn(|| {
            Config::new()
                .handshake_timeout(Duration::from_secs(10))
                .observe(path.as_path())
        });
        let line = peer::accept(&listener);
        let (hello, _) = peer::receive(&line);
        assert_eq!((hello[8], hello[20]), (1, 1), "an observer was expected");
        let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
        peer::send(&line, &answer.0, &raw);
        observer.join().unwrap()
    });
    std::fs::remove_file(&path).unwrap();
    outcome
}

#[test]
fn whatever_a_server_shows_an_observer_takes_no_harm() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false shows");
    let shown = observe(&welcome(), &[counters(1, 255)]).unwrap();
    let connections = shown.counters().connections().unwrap();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].sends.frames, u64::MAX);
    assert_eq!(connections[0].name.chars().count(), 96);
    let cases: Vec<(Message, Vec<OwnedFd>, ErrorKind)> = vec![
        (welcome(), vec![], ErrorKind::Descriptors),
        (
            welcome(),
            vec![counters(1, 255), eventfd()],
            ErrorKind::Descriptors,
        ),
        (welcome(), vec![eventfd()], ErrorKind::Segment),
        (
            welcome(),
            vec![memory(COUNTERS, 0, true)],
            ErrorKind::Segment,
        ),
        (
            welcome(),
            vec![memory(COUNTERS, peer::SEALS, false)],
            ErrorKind::Segment,
        ),
        (
            welcome(),
            vec![memory(4096, peer::SEALS, true)],
            ErrorKind::Segment,
        ),
        (
            welcome(),
            vec![file(b"RINGWAY", COUNTERS)],
            ErrorKind::Malformed,
        ),
        (welcome(), vec![counters(2, 255)], ErrorKind::Version),
        (welcome(), vec![counters(1, u32::MAX)], ErrorKind::Version),
        (
            welcome().u16(16, 9),
            vec![counters(1, 255)],
            ErrorKind::Version,
        ),
        (
            welcome().u32(92, 40),
            vec![counters(1, 255)],
            ErrorKind::Descriptors,
        ),
        (
            welcome().u32(92, 40),
            vec![counters(1, 255), file(&[0xff; 40], 4096)],
            ErrorKind::Schema,
        ),
        (
            welcome().u32(92, 40),
            vec![counters(1, 255), file(&[0xff; 40], 8192)],
            ErrorKind::Segment,
        ),
        (
            welcome().u32(92, u32::MAX),
            vec![counters(1, 255), file(&[0xff; 40], 4096)],
            ErrorKind::Schema,
        ),
        (peer::ready(), vec![], ErrorKind::Malformed),
        (peer::refuse(1, "no"), vec![], ErrorKind::UidRefused),
    ];
    for (index, (answer, gifts, kind)) in cases.into_iter().enumerate() {
        let error = observe(&answer, &gifts).expect_err("it was taken");
        assert_eq!(error.kind(), kind, "case {index}: {error}");
    }
}

/// A segment of a lane with a ring of 4096 bytes, sealed, and the offer of it.
fn segment() -> (OwnedFd, Vec<u8>) {
    let mut offer = Vec::new();
    for word in [8192u64, 4096, 4096, 0] {
        offer.extend(word.to_ne_bytes());
    }
    for word in [512u32, 8, 0, 1] {
        offer.extend(word.to_ne_bytes());
    }
    (memory(8192, peer::SEALS, true), offer)
}

/// A Shown of this connection, with these offers.
fn shown(connection: u64, server: &[u8], client: &[u8]) -> Message {
    let mut bytes = b"RINGWAY\0".to_vec();
    bytes.extend(6u32.to_ne_bytes());
    bytes.extend(256u32.to_ne_bytes());
    bytes.extend(connection.to_ne_bytes());
    bytes.resize(32, 0);
    bytes.extend(server);
    bytes.extend(client);
    bytes.resize(256, 0);
    Message(bytes)
}

/// What a tap says to whom a server answers so, message by message.
fn tap(answers: &[(Message, Vec<OwnedFd>)]) -> Result<ringway::Tap, Error> {
    let path = peer::path("taps");
    let listener = peer::listen(&path);
    let outcome = thread::scope(|scope| {
        let tapping = scope.spawn(|| {
            Config::new()
                .handshake_timeout(Duration::from_secs(10))
                .tap(path.as_path())
        });
        let line = peer::accept(&listener);
        let (hello, _) = peer::receive(&line);
        assert_eq!((hello[20], hello[128]), (1, 1), "a tap was expected");
        for (message, gifts) in answers {
            let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
            peer::send(&line, &message.0, &raw);
        }
        drop(line);
        tapping.join().unwrap()
    });
    std::fs::remove_file(&path).unwrap();
    outcome
}

#[test]
fn whatever_a_server_shows_a_tap_takes_no_harm() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false shows to a tap");
    let begin = || (welcome(), vec![counters(1, 255)]);
    let two = || vec![segment().0, segment().0];
    let offer = segment().1;
    // What it cannot know to be false is followed, and shows nothing.
    let good = || (shown(1, &offer, &offer), two());
    let mut followed = tap(&[begin(), good()]).unwrap();
    assert_eq!(followed.lanes().len(), 2);
    let mut payload = Vec::new();
    for lane in followed.lanes().iter_mut() {
        assert_eq!(lane.try_recv(&mut payload).unwrap(), None);
    }
    assert_eq!(tap(&[begin()]).unwrap().lanes().len(), 0);
    let mut large = offer.clone();
    large[16..24].copy_from_slice(&(1u64 << 40).to_ne_bytes());
    let mut long = shown(1, &offer, &offer);
    long.0[128..132].copy_from_slice(&u32::MAX.to_ne_bytes());
    let shuffled = || vec![eventfd(), segment().0];
    let unsealed = || vec![segment().0, memory(8192, 0, true)];
    let sparse = || vec![memory(8192, peer::SEALS, false), segment().0];
    let cases: Vec<(Message, Vec<OwnedFd>, ErrorKind)> = vec![
        (shown(1, &offer, &offer), vec![], ErrorKind::Descriptors),
        (
            shown(1, &offer, &offer),
            vec![segment().0],
            ErrorKind::Descriptors,
        ),
        (shown(1, &offer, &offer), shuffled(), ErrorKind::Segment),
        (shown(1, &offer, &offer), unsealed(), ErrorKind::Segment),
        (shown(1, &offer, &offer), sparse(), ErrorKind::Segment),
        (shown(1, &large, &offer), two(), ErrorKind::Geometry),
        (shown(1, &offer, &[0; 48]), two(), ErrorKind::Geometry),
        (shown(0, &offer, &offer), two(), ErrorKind::Malformed),
        (long, two(), ErrorKind::Schema),
        (peer::ready(), vec![], ErrorKind::Malformed),
        (peer::refuse(3, "no"), vec![], ErrorKind::Feature),
    ];
    for (index, (message, gifts, kind)) in cases.into_iter().enumerate() {
        let error = tap(&[begin(), (message, gifts)]).expect_err("it was taken");
        assert_eq!(error.kind(), kind, "case {index}: {error}");
    }
    // The same connection twice, or more of them than are shown at once.
    let twice = tap(&[begin(), good(), good()]).expect_err("it was taken");
    assert_eq!(twice.kind(), ErrorKind::Malformed);
    let many = (1..=17).map(|number| (shown(number, &offer, &offer), two()));
    let answers: Vec<_> = std::iter::once(begin()).chain(many).collect();
    assert_eq!(tap(&answers).unwrap_err().kind(), ErrorKind::Malformed);
}

/// A server that says each time that it is another process is not asked for ever.
#[test]
fn a_tap_gives_up_on_a_server_that_is_another_each_time() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("another server each time");
    let path = peer::path("fickle");
    let listener = peer::listen(&path);
    let asked = thread::scope(|scope| {
        let tapping = scope.spawn(|| {
            let mut tap = peer::patient().tap(path.as_path()).unwrap();
            tap.refresh().unwrap_err().kind()
        });
        let mut asked = 0;
        while !tapping.is_finished() && asked < 20 {
            if !peer::readable(std::os::fd::AsFd::as_fd(&listener), 10) {
                continue;
            }
            let line = peer::accept(&listener);
            let _ = peer::receive(&line);
            let file = counters(1, 255);
            peer::send(&line, &welcome().0, &[file.as_raw_fd()]);
            asked += 1;
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tapping.join().unwrap(), ErrorKind::Malformed);
        asked
    });
    assert_eq!(asked, 3, "one for the tap, and two looks");
}
