//! Clients that claim what they like of connections before theirs, and servers that lie about how far they have come and are gone.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{
    Config, Connection, ErrorKind, Listener, RecvError, Redelivered, Redelivery, SendError,
    Violation,
};

use crate::peer::{
    self, CONTROL, Hostile, Message, RELEASED, RING, Segment, Watchdog, attach, eventfd, hello,
    soon, welcome,
};
use crate::server::{is_refused, told_by};

pub(crate) const TAKEN: usize = 0x608;
const RESUME: u64 = 2;
const FRAME: u64 = 1 << 48;
const AGAIN: u64 = 4 << 48;
const DOUBT: u64 = 0x80 << 48;

pub(crate) fn config() -> Config {
    Config::new()
        .resumable(true)
        .capacity(RING)
        .peer_capacity(RING)
        .handshake_timeout(Duration::from_secs(10))
}

/// A Hello of a line of connections.
fn claim(token: u64, position: u64, generation: u32) -> Message {
    hello()
        .u64(24, RESUME)
        .u64(96, token)
        .u64(112, position)
        .u32(120, generation)
}

/// What a client is told that says this Hello and this Attach.
fn told(
    listener: &mut Listener,
    hello: &Message,
    attach: Option<&Message>,
    lanes: usize,
) -> (ErrorKind, String) {
    let before = listener.refusals();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let line = peer::dial(&path).unwrap();
            peer::send(&line, &hello.0, &[]);
            let mut answer = peer::receive(&line).0;
            if let Some(attach) = attach {
                assert_eq!(answer[8], 2, "a Welcome was expected");
                assert_eq!(answer[112..128], hello.0[96..112], "the same line");
                let own = Segment::new(lanes);
                let bells = [eventfd(), eventfd()];
                let files = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
                peer::send(&line, &attach.0, &files);
                answer = peer::receive(&line).0;
            }
            peer::refusal(&answer)
        });
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

#[test]
fn every_absurd_claim_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("absurd claims");
    let mut listener = config().lanes(2).bind(peer::path("claims")).unwrap();
    let hellos = [
        (claim(0, 0, 0), ErrorKind::Malformed, "no token"),
        (claim(0, 8, 3), ErrorKind::Malformed, "no token"),
        (claim(1, 4, 3), ErrorKind::Geometry, "lane 0 starts at 4"),
        (
            claim(1, u64::MAX, 3),
            ErrorKind::Geometry,
            "no multiple of 8",
        ),
        (
            claim(1, (1 << 62) + 8, 3),
            ErrorKind::Geometry,
            "no multiple of 8",
        ),
    ];
    for (hello, kind, part) in hellos {
        let (found, text) = told(&mut listener, &hello, None, 1);
        assert_eq!(found, kind, "{text}");
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    let start = 1 << 20;
    let good = || attach().u64(40, start).u64(64, start);
    let two = || good().offer(16, 2).u64(40, start);
    let attaches = [
        (good().u64(64, 0), 1, "lane 0 starts at"),
        (good().u64(64, start + 8), 1, "lane 0 starts at"),
        (good().u64(40, start + 8), 1, "lane 0 starts at"),
        (good().u64(72, 8), 1, "there are 1"),
        (good().u64(88, 8), 1, "there are 1"),
        (two().u64(72, 12), 2, "lane 1 starts at 12"),
        (two().u64(72, u64::MAX - 7), 2, "no multiple of 8"),
        (two().u64(80, 8), 2, "there are 2"),
    ];
    for (attach, lanes, part) in attaches {
        let hello = claim(1, start, 3).u16(22, lanes as u16);
        let (found, text) = told(&mut listener, &hello, Some(&attach), lanes);
        assert_eq!(found, ErrorKind::Geometry, "{text}");
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    // Who has not asked for any of it looks at none of it, unless the client cannot do without.
    let mut plain = peer::patient().bind(peer::path("unasked")).unwrap();
    let needs = claim(1, 8, 3).u64(32, RESUME);
    let (found, text) = told(&mut plain, &needs, None, 1);
    assert_eq!(found, ErrorKind::Feature);
    assert!(text.contains("Config::resumable"), "{text}");
    let joined = join(&mut plain, &claim(0, 4, u32::MAX), &attach().u64(64, 4));
    assert_eq!(joined.0.lineage(), None);
}

/// The connection of a client that says this, and the client.
fn join(listener: &mut Listener, hello: &Message, attach: &Message) -> (Connection, Hostile) {
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let hostile = scope.spawn(|| peer::join_as(&path, hello, attach, Segment::new(1)));
        let connection = listener.accept_deadline(soon()).unwrap();
        (connection, hostile.join().unwrap())
    })
}

#[test]
fn flags_of_frames_that_are_sent_again_are_looked_at() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("flags of redelivery");
    let mut listener = config().bind(peer::path("again")).unwrap();
    let start = 40u64;
    let attach = attach().u64(40, start).u64(64, start);
    let resumes = claim(7, start, u32::MAX);
    for (word, said) in [
        (FRAME, Redelivery::First),
        (FRAME | AGAIN, Redelivery::Unseen),
        (FRAME | AGAIN | DOUBT, Redelivery::InDoubt),
    ] {
        let (mut server, hostile) = join(&mut listener, &resumes, &attach);
        let lineage = server.lineage().unwrap();
        assert_eq!((lineage.token[0], lineage.generation), (7, u32::MAX));
        hostile.own.ring(start as usize, word | 8);
        let frame = server.receiver().recv_deadline(soon()).unwrap();
        assert_eq!((frame.redelivery(), frame.position()), (said, start));
    }
    for word in [FRAME | DOUBT, FRAME | AGAIN | 2 << 48, AGAIN, DOUBT | AGAIN] {
        let (mut server, hostile) = join(&mut listener, &resumes, &attach);
        hostile.own.ring(start as usize, word | 8);
        let end = server.receiver().recv_deadline(soon()).map(drop);
        let flags = (word >> 48) as u16;
        let broken = Violation::UnknownFlags { flags };
        assert_eq!(end, Err(RecvError::Protocol(broken)));
    }
    // Where nothing of the kind was agreed on, each of them breaks a rule.
    let mut plain = peer::patient().bind(peer::path("never-again")).unwrap();
    for word in [FRAME | AGAIN, FRAME | AGAIN | DOUBT] {
        let (mut server, hostile) = join(&mut plain, &hello(), &peer::attach());
        hostile.own.ring(0, word | 8);
        let end = server.receiver().recv_deadline(soon()).map(drop);
        assert!(matches!(
            end,
            Err(RecvError::Protocol(Violation::UnknownFlags { .. }))
        ));
    }
}

/// A server that shakes hands in order with the next client. Its Hello's token is repeated.
fn serve(at: &Path) -> Hostile {
    let listener = peer::listen(at);
    let welcome = |hello: &Message| {
        let welcome = welcome().u64(24, RESUME);
        (welcome.bytes(112, &hello.0[96..112]), Segment::new(1))
    };
    let hostile = peer::serve_with(&listener, welcome, |_| false);
    std::fs::remove_file(at).unwrap();
    hostile.expect("an Attach was expected")
}

pub(crate) fn victim(name: &str) -> (PathBuf, Connection, Hostile) {
    let at = peer::path(name);
    thread::scope(|scope| {
        let hostile = scope.spawn(|| serve(&at));
        let until = soon();
        let connection = loop {
            match config().connect(at.as_path()) {
                Ok(connection) => break connection,
                Err(error) if Instant::now() < until => {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        };
        (at.clone(), connection, hostile.join().unwrap())
    })
}

/// What an honest server gets of the victim.
fn rescue(at: &Path, mut lost: Connection) -> (Redelivered, Vec<(u64, Redelivery)>) {
    assert_eq!(
        lost.receiver().recv_deadline(soon()).map(drop),
        Err(RecvError::PeerClosed)
    );
    let mut listener = config().bind(at).unwrap();
    let (mut server, resumed) = thread::scope(|scope| {
        let client = scope.spawn(|| config().resume(at, lost, soon()).unwrap());
        let server = listener.accept_deadline(soon()).unwrap();
        (server, client.join().unwrap())
    });
    let mut found = Vec::new();
    while let Ok(frame) = server.receiver().try_recv() {
        assert_eq!(frame.to_vec(), [7; 8]);
        found.push((frame.position(), frame.redelivery()));
    }
    (resumed.redelivered[0], found)
}

#[test]
fn a_server_that_lies_and_is_gone_has_its_clients_frames_in_doubt() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("last lies");
    let all = [0, 16, 32, 48];
    let cases: [(u64, u64, u64, &str); 8] = [
        // Released, taken; the first that is sent again, the broken rule.
        (16, 32, 16, "None"),
        (8, 32, 0, "Some(ReleasedInsideFrame"),
        (80, 80, 0, "Some(ReleasedOutOfRange"),
        (u64::MAX, 0, 0, "Some(ReleasedOutOfRange"),
        (12, 16, 0, "Some(ReleasedOutOfRange"),
        (16, 8, 16, "Some(TakenOutOfRange"),
        (16, 72, 16, "Some(TakenOutOfRange"),
        (16, 17, 16, "Some(TakenOutOfRange"),
    ];
    for (index, (released, taken, from, broken)) in cases.into_iter().enumerate() {
        let (at, mut lost, hostile) = victim(&format!("lies{index}"));
        for _ in all {
            lost.sender().send(&[7; 8]).unwrap();
        }
        hostile.own.set(RELEASED, released);
        hostile.own.set(TAKEN, taken);
        drop(hostile.line);
        let (lane, found) = rescue(&at, lost);
        assert_eq!((lane.from, lane.to), (from, 64));
        assert!(format!("{:?}", lane.broken).starts_with(broken), "{lane:?}");
        let positions: Vec<u64> = found.iter().map(|(position, _)| *position).collect();
        assert_eq!(positions, all[(from / 16) as usize..]);
        let doubt = if broken == "None" { 32 } else { u64::MAX };
        for (position, said) in found {
            assert_eq!(said == Redelivery::InDoubt, position < doubt, "{position}");
            assert_ne!(said, Redelivery::First);
        }
    }
}

#[test]
fn a_release_inside_a_frame_ends_the_connection_and_it_can_still_be_resumed() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("release inside");
    let (at, mut lost, hostile) = victim("inside");
    let mut sent = 0;
    while lost.sender().try_send(&[7; 8]).is_ok() {
        sent += 1;
    }
    hostile.own.set(RELEASED, 24);
    assert_eq!(
        lost.sender().try_send(&[7; 8]),
        Err(SendError::Protocol(Violation::ReleasedInsideFrame {
            released: 24
        }))
    );
    hostile.own.set(RELEASED, 32);
    hostile.own.set(TAKEN, 48);
    drop(hostile.line);
    let (lane, found) = rescue(&at, lost);
    assert_eq!((lane.from, lane.in_doubt, lane.broken), (32, 1, None));
    assert_eq!(found.len(), sent - 2);
}

/// Who has the segment of a client from before has nothing of that one's to give: it would read what it writes itself.
#[test]
fn a_server_that_hands_back_what_the_client_gave_the_one_before_is_refused() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("a segment handed back");
    let (at, mut lost, hostile) = victim("handed-back");
    for _ in 0..3 {
        lost.sender().send(&[7; 8]).unwrap();
    }
    drop(hostile.line);
    assert!(lost.receiver().recv_deadline(soon()).is_err());
    let (refused, told) = thread::scope(|scope| {
        let next = peer::listen(&at);
        let client = scope.spawn(|| config().resume(at.as_path(), lost, soon()).unwrap_err());
        let line = peer::accept(&next);
        let hello = peer::receive(&line).0;
        let welcome = welcome().u64(24, RESUME).bytes(112, &hello[96..112]);
        let files = [&hostile.shown, &hostile.bells[0], &hostile.bells[1]];
        peer::send(&line, &welcome.0, &files.map(AsRawFd::as_raw_fd));
        let answer = peer::receive(&line).0;
        std::fs::remove_file(&at).unwrap();
        drop((line, next));
        (client.join().unwrap(), peer::refusal(&answer))
    });
    assert_eq!(refused.error().kind(), ErrorKind::Segment, "{refused}");
    for text in [refused.to_string(), told] {
        assert!(text.contains("own segment"), "{text}");
    }
    let (lane, found) = rescue(&at, refused.into_connection());
    assert_eq!((lane.unseen, found.len()), (3, 3));
}

/// What is in a segment that was given to us.
fn map_read(file: &std::os::fd::OwnedFd, size: usize) -> Vec<u8> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let base = unsafe {
        libc::mmap(
            core::ptr::null_mut(),
            size,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(base, libc::MAP_FAILED);
    // SAFETY: mapped just now; its owner waits for our answer, and writes nothing.
    let copy = unsafe { core::slice::from_raw_parts(base.cast::<u8>(), size) }.to_vec();
    // SAFETY: the range is our own mapping, and nothing points into it any more.
    unsafe { libc::munmap(base, size) };
    copy
}

/// A server that goes away when it has the client's segment has seen nothing in it.
#[test]
fn an_attempt_that_fails_shows_nobody_a_frame() {
    /// Why a client ends a handshake that takes too long.
    const DEADLINE: u32 = 11;
    let _alone = peer::alone();
    let _dog = Watchdog::new("failed attempts");
    let (at, mut lost, hostile) = victim("attempts");
    for _ in 0..4 {
        lost.sender().send(&[7; 8]).unwrap();
    }
    drop(hostile.line);
    assert!(lost.receiver().recv_deadline(soon()).is_err());
    let fails = thread::scope(|scope| {
        let attempts = scope.spawn(|| {
            let listener = peer::listen(&at);
            let mut round = 0;
            while round < 3 {
                let line = peer::accept(&listener);
                let hello = peer::receive(&line).0;
                // Where its deadline passes in the midst of it an attempt ends, and there is another one.
                if hello.is_empty() {
                    continue;
                }
                assert_eq!(hello[120], 1, "the generation is that of the first attempt");
                if round == 0 {
                    round += 1;
                    continue;
                }
                let own = Segment::new(1);
                let bells = [eventfd(), eventfd()];
                let files = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
                let mut answer = welcome().u64(24, RESUME);
                answer.0[112..128].copy_from_slice(&hello[96..112]);
                peer::send(&line, &answer.0, &files);
                let (attach, theirs) = peer::receive(&line);
                if attach.is_empty() || attach[8] == 5 && peer::reason(&attach).0 == DEADLINE {
                    continue;
                }
                assert_eq!(attach[8], 3, "an Attach was expected");
                if round == 2 {
                    thread::sleep(Duration::from_millis(30));
                }
                let seen = map_read(&theirs[0], CONTROL + RING);
                let ring = &seen[CONTROL..];
                let words = ring.iter().filter(|byte| **byte != 0).count();
                assert_eq!(words, 0, "it saw something");
                round += 1;
            }
            std::fs::remove_file(&at).unwrap();
        });
        let until = soon();
        // A loaded machine may not get to all of them before its deadline: then it goes on with what is given back.
        let not = loop {
            let deadline = Instant::now() + Duration::from_millis(500);
            let not = config().resume(at.as_path(), lost, deadline).unwrap_err();
            if attempts.is_finished() && not.error().kind() == ErrorKind::NotFound {
                break not;
            }
            assert!(Instant::now() < until, "{not}");
            lost = not.into_connection();
        };
        attempts.join().unwrap();
        not
    });
    assert_eq!(fails.error().kind(), ErrorKind::NotFound, "{fails}");
    let mut lost = fails.into_connection();
    assert!(lost.receiver().recv_deadline(soon()).is_err());
    let (lane, found) = rescue(&at, lost);
    assert_eq!((lane.unseen, lane.in_doubt), (4, 0));
    assert_eq!(found.len(), 4);
}

#[test]
fn a_server_that_answers_for_another_line_is_refused() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("another line");
    let segment = || {
        vec![
            peer::memory(CONTROL + RING, peer::SEALS, true),
            eventfd(),
            eventfd(),
        ]
    };
    let another = welcome().u64(24, RESUME).u64(112, 1);
    is_refused(
        told_by(&config(), &[(&another, &segment())], false),
        ErrorKind::Malformed,
        5,
        "another line of connections",
    );
}
