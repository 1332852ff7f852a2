//! Peers that break the rules of a stream of bytes: each is named, for good, and holds nobody.

use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::hostile::{self, Hostile, Segment, Word};
use ringway::stream::{ByteReader, ByteStream, ByteWriter};
use ringway::{Config, RecvError, Sender, Violation, Wait};

use crate::pair::{pair, patient, soon};
use crate::{path, process, source};

/// Longer than a read takes that is not held.
const LONG: Duration = Duration::from_secs(60);
/// A buffer that takes large frames as a whole.
const LARGE: usize = 128 << 10;

/// A way to read.
type Way = fn(&mut ByteReader) -> io::Result<usize>;

/// Every way to read, into few bytes and into many. Those that wait do so for ever, or for so long that it is as good.
const WAYS: [(&str, Way); 8] = [
    ("try_read", |reader| reader.try_read(&mut [0; 8])),
    ("try_read, large", |reader| {
        reader.try_read(&mut vec![0; LARGE])
    }),
    ("read", |reader| reader.read(&mut [0; 8])),
    ("read, large", |reader| reader.read(&mut vec![0; LARGE])),
    ("read with a deadline", |reader| within(reader, 8)),
    ("read with a deadline, large", |reader| {
        within(reader, LARGE)
    }),
    ("read_vectored", |reader| slices(reader, 4)),
    ("read_vectored, large", |reader| slices(reader, LARGE)),
];

fn within(reader: &mut ByteReader, len: usize) -> io::Result<usize> {
    reader.set_timeout(Some(Duration::from_secs(20)));
    let read = reader.read(&mut vec![0; len]);
    reader.set_timeout(None);
    read
}

fn slices(reader: &mut ByteReader, len: usize) -> io::Result<usize> {
    let (mut first, mut second) = (vec![0; len], vec![0; len]);
    reader.read_vectored(&mut [
        IoSliceMut::new(&mut first),
        IoSliceMut::new(&mut []),
        IoSliceMut::new(&mut second),
    ])
}

/// A stream, and a peer that sends frames of its own into it.
fn victim(name: &str) -> (ByteReader, ByteWriter, Sender, ringway::Receiver) {
    let config = Config::new().byte_stream();
    let (server, client) = pair(&format!("stream-{name}"), &config, &config);
    let (reader, writer) = ByteStream::over(server).unwrap().split();
    let (raw, back) = client.split();
    (reader, writer, raw, back)
}

/// The rule that a read names.
fn rule(read: &io::Result<usize>) -> Option<Violation> {
    let error = read.as_ref().err()?;
    match source(error) {
        Some(RecvError::Protocol(violation)) if error.kind() == ErrorKind::InvalidData => {
            Some(*violation)
        }
        _ => None,
    }
}

fn assert_nothing_in_it(way: &str, read: &io::Result<usize>, payload: u64, already: u64) {
    let expected = Violation::NothingInFrame { payload, already };
    assert_eq!(rule(read), Some(expected), "{way}: {read:?}");
}

/// Behind nothing and behind a byte, whichever way it is read: a rule was broken, and what comes later changes nothing about it.
#[test]
fn a_frame_without_a_byte_breaks_a_rule_for_good() {
    let name = "hostile::a_frame_without_a_byte_breaks_a_rule_for_good";
    process::alone(name, LONG, || {
        for (way, read) in WAYS {
            for behind_a_byte in [false, true] {
                let (mut reader, mut writer, mut raw, _back) = victim("empty");
                if behind_a_byte {
                    raw.send(b"x").unwrap();
                }
                raw.send(b"").unwrap();
                raw.send(b"later").unwrap();
                if behind_a_byte {
                    assert_eq!(read(&mut reader).unwrap(), 1, "{way}");
                }
                assert_nothing_in_it(way, &read(&mut reader), 0, 0);
                for (again, read) in WAYS {
                    assert_nothing_in_it(again, &read(&mut reader), 0, 0);
                }
                // The half beside it found nothing wrong, and goes on until the reader is dropped or the peer is.
                assert_eq!(writer.write(b"still").unwrap(), 5);
            }
        }
    });
}

/// As many of them as a peer can send hold nobody: neither one who waits, nor one who does not, nor one who has a byte already.
#[test]
fn a_flood_of_frames_without_a_byte_holds_nobody() {
    let name = "hostile::a_flood_of_frames_without_a_byte_holds_nobody";
    process::alone(name, LONG, || {
        for (way, read) in WAYS {
            let (mut reader, _writer, mut raw, back) = victim("flood");
            raw.send(b"x").unwrap();
            let flood = thread::spawn(move || while raw.send(b"").is_ok() {});
            assert_eq!(read(&mut reader).unwrap(), 1, "{way}");
            let began = Instant::now();
            let end = loop {
                let read = read(&mut reader);
                let is_nothing_yet =
                    matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock);
                if !is_nothing_yet || began.elapsed() > LONG {
                    break read;
                }
            };
            assert_nothing_in_it(way, &end, 0, 0);
            drop((reader, back));
            flood.join().unwrap();
        }
    });
}

/// A victim that reads, and a peer with a ring of so many bytes, all of which it may write.
fn liar(name: &str, ring: usize) -> (ByteStream, Hostile) {
    let path = path(name);
    // Awake, as nobody rings.
    let config = Config::new()
        .wait(Wait::Spin)
        .capacity(ring)
        .peer_capacity(ring);
    let mut listener = patient(&config).bind(path.as_path()).unwrap();
    let peer = thread::spawn(move || {
        let hello = hostile::hello().u64(40, ring as u64).u64(48, ring as u64);
        let offer = hostile::attach()
            .u64(16, (hostile::CONTROL + ring) as u64)
            .u64(32, ring as u64)
            .u32(48, ring as u32 / 8);
        let own = Segment::with_rings(hostile::CONTROL + ring, hostile::CONTROL, ring);
        hostile::join_as(&path, &hello, &offer, own)
    });
    let victim = ByteStream::over(listener.accept_deadline(soon()).unwrap()).unwrap();
    (victim, peer.join().unwrap())
}

/// The header of a frame that is half read becomes no longer than what was read, or reaches out of the ring: no byte from elsewhere is read, and a broken rule is named. It is no
/// end of the stream.
#[test]
fn a_frame_that_changes_while_it_is_read_harms_nobody() {
    let name = "hostile::a_frame_that_changes_while_it_is_read_harms_nobody";
    process::alone(name, LONG, || {
        for (way, read) in WAYS {
            for lie in [0, 2, 4, 0xffff] {
                let (victim, peer) = liar("lies", hostile::RING);
                let (mut reader, _writer) = victim.split();
                peer.own.ring(8, u64::from_le_bytes(*b"abcdefgh"));
                peer.own.ring(0, hostile::FRAME | 8);
                let mut four = [0; 4];
                assert_eq!(reader.try_read(&mut four).unwrap(), 4);
                assert_eq!(&four, b"abcd");
                peer.own.ring(0, hostile::FRAME | lie);
                for _ in 0..2 {
                    let end = read(&mut reader);
                    if lie == 0xffff {
                        let rule = rule(&end);
                        let is_told = matches!(rule, Some(Violation::FrameTooLong { .. }));
                        assert!(is_told, "{way}: {end:?}");
                    } else {
                        assert_nothing_in_it(way, &end, lie, 4);
                    }
                }
                peer.own.say(Word::ReceiverEpoch, 7);
            }
        }
    });
}

/// A large frame is there at one look and is not at the next: a read that may wait does not say that it would have to.
#[test]
fn a_read_that_waits_never_says_that_it_would_block() {
    const RING: usize = 512 << 10;
    const TRIALS: usize = 100;
    let name = "hostile::a_read_that_waits_never_says_that_it_would_block";
    process::alone(name, LONG, || {
        let mut buffer = vec![0; LARGE];
        for trial in 0..TRIALS {
            let (victim, peer) = liar("flicker", RING);
            let (mut reader, _writer) = victim.split();
            reader.set_timeout(Some(Duration::from_secs(20)));
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        peer.own.ring(0, hostile::FRAME | (2 * LARGE) as u64);
                        peer.own.ring(0, 0);
                    }
                });
                let read = reader.read(&mut buffer);
                over.store(true, Ordering::Relaxed);
                assert_eq!(read.unwrap(), LARGE, "trial {trial}");
            });
        }
    });
}
