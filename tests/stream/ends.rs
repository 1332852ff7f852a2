//! How a stream ends that does not end in order.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use ringway::stream::{ByteListener, ByteStream};
use ringway::{Config, RecvError, SendError, Wait};

use crate::pair::{pair, soon};
use crate::process::{self, Page, fork};
use crate::{config, path, source, streams};

/// A killed peer is no end of the stream: what it wrote is read, and then the error says what happened.
#[test]
fn a_peer_that_is_killed_is_no_end_of_the_stream() {
    let name = "ends::a_peer_that_is_killed_is_no_end_of_the_stream";
    process::alone(name, Duration::from_secs(60), || {
        let path = path("killed");
        let mut listener = ByteListener::over(config().bind(path.as_path()).unwrap());
        let page = Page::new();
        let mut child = fork(|| {
            let connection = config().connect(path.as_path()).unwrap();
            let mut stream = ByteStream::over(connection).unwrap();
            stream.write_all(b"half of an ans").unwrap();
            page.set(0, 1);
            loop {
                thread::park();
            }
        });
        let mut stream = listener.accept_deadline(soon()).unwrap();
        page.until(0, 1);
        child.signal(libc::SIGKILL);
        // One whose socket is closed long before its process has ended is not known to have died.
        child.reap_killed();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).unwrap_err();
        assert_eq!(answer, b"half of an ans");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        assert_eq!(source(&end), Some(&RecvError::PeerDied));
        let end = stream.write(b"?").unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        assert_eq!(source(&end), Some(&SendError::PeerDied));
    });
}

/// What was written is read, and then that it is not all: whichever half of ours is dropped, and when.
#[test]
fn a_stream_that_is_broken_off_is_no_end_of_it() {
    for reader_first in [true, false] {
        let (left, mut right) = streams("aborted", 64 << 10);
        let (reader, mut writer) = left.split();
        writer.write_all(b"half of").unwrap();
        if reader_first {
            drop(reader);
            writer.abort();
        } else {
            writer.abort();
            drop(reader);
        }
        let mut text = Vec::new();
        let end = right.read_to_end(&mut text).unwrap_err();
        assert_eq!(text, b"half of");
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
        assert_eq!(source(&end), Some(&RecvError::PeerClosed));
    }
}

/// A half of ours that waits hears that the other one has broken the stream off, though the peer does nothing at all. What had come before is read.
#[test]
fn who_breaks_a_stream_off_ends_a_wait_of_his_own() {
    let name = "ends::who_breaks_a_stream_off_ends_a_wait_of_his_own";
    process::alone(name, Duration::from_secs(60), || {
        for wait in [Wait::Park, Wait::Adaptive, Wait::Spin] {
            let config = Config::new().byte_stream().wait(wait);
            for by_the_writer in [true, false] {
                let (server, client) = pair("stream-own", &config, &config);
                let (mut reader, mut writer) = ByteStream::over(server).unwrap().split();
                let mut peer = ByteStream::over(client).unwrap();
                peer.write_all(b"before").unwrap();
                if by_the_writer {
                    let waiting = thread::spawn(move || {
                        let mut text = Vec::new();
                        let end = reader.read_to_end(&mut text).unwrap_err();
                        let again = reader.try_read(&mut [0; 8]).unwrap_err();
                        (text, end, again, reader.arm().unwrap())
                    });
                    thread::sleep(Duration::from_millis(50));
                    writer.abort();
                    let (text, end, again, arm) = waiting.join().unwrap();
                    assert_eq!(text, b"before");
                    assert_eq!(arm, ringway::Arm::Ready);
                    for end in [end, again] {
                        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
                        assert_eq!(source(&end), Some(&RecvError::PeerClosed));
                    }
                } else {
                    let waiting = thread::spawn(move || {
                        let full = loop {
                            if let Err(error) = writer.write(&[7; 1000]) {
                                break error;
                            }
                        };
                        (full, writer.write(b"more").unwrap_err())
                    });
                    thread::sleep(Duration::from_millis(50));
                    reader.abort();
                    let (full, again) = waiting.join().unwrap();
                    for end in [full, again] {
                        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
                        assert_eq!(source(&end), Some(&SendError::PeerClosed));
                    }
                }
                let mut text = Vec::new();
                let end = peer.read_to_end(&mut text).unwrap_err();
                assert_eq!(
                    end.kind(),
                    ErrorKind::ConnectionReset,
                    "the peer hears it too"
                );
                assert_eq!(source(&end), Some(&RecvError::PeerClosed));
            }
        }
    });
}

/// What a peer that lives does, and what a read then says behind the last byte, and a write: `None` is the end of the stream, or that it goes on.
type Row = (
    &'static str,
    fn(ByteStream) -> Option<ByteStream>,
    Option<ErrorKind>,
    Option<ErrorKind>,
);

const ROWS: [Row; 5] = [
    ("dropped", |_| None, None, Some(ErrorKind::BrokenPipe)),
    (
        "shut down for writing",
        |mut peer| {
            peer.shutdown(Shutdown::Write).unwrap();
            Some(peer)
        },
        None,
        None,
    ),
    (
        "shut down for reading",
        |mut peer| {
            peer.shutdown(Shutdown::Read).unwrap();
            Some(peer)
        },
        Some(ErrorKind::WouldBlock),
        Some(ErrorKind::BrokenPipe),
    ),
    (
        "aborted",
        |peer| {
            peer.abort();
            None
        },
        Some(ErrorKind::ConnectionReset),
        Some(ErrorKind::ConnectionReset),
    ),
    (
        "dropped by a panic",
        |peer| {
            let panics = thread::spawn(move || {
                let _peer = peer;
                std::panic::resume_unwind(Box::new("the test's own panic"));
            });
            assert!(panics.join().is_err());
            None
        },
        Some(ErrorKind::ConnectionReset),
        Some(ErrorKind::ConnectionReset),
    ),
];

/// How a write ends. Where it is to end, that is waited for; otherwise it has a time that is long for whoever hears of an end.
fn end_of_writes(stream: &mut ByteStream, expected: Option<ErrorKind>) -> Option<ErrorKind> {
    let writer = stream.halves().1;
    let until = match expected {
        Some(_) => soon(),
        None => Instant::now() + Duration::from_millis(600),
    };
    while Instant::now() < until {
        match writer.try_write(&[7; 1000]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Some(error.kind()),
        }
    }
    None
}

/// The table of the module's page, but for a peer that is killed (above) and one that breaks a rule (`hostile`).
#[test]
fn each_end_is_told_by_reads_and_writes() {
    for (how, act, read, write) in ROWS {
        for writes_first in [false, true] {
            let (mut left, mut right) = streams("table", 64 << 10);
            right.write_all(b"last").unwrap();
            let _peer = act(right);
            if writes_first {
                assert_eq!(end_of_writes(&mut left, write), write, "{how}");
            }
            left.read_exact(&mut [0; 4]).unwrap();
            for _ in 0..2 {
                left.set_read_timeout(Some(Duration::from_secs(20)));
                let found = if read == Some(ErrorKind::WouldBlock) {
                    left.halves().0.try_read(&mut [0; 8])
                } else {
                    left.read(&mut [0; 8])
                };
                match read {
                    None => assert_eq!(found.unwrap(), 0, "{how}"),
                    Some(kind) => assert_eq!(found.unwrap_err().kind(), kind, "{how}"),
                }
            }
            assert_eq!(end_of_writes(&mut left, write), write, "{how}");
        }
    }
}

/// As a socket's: a time that is longer than the clock has is for ever.
#[test]
fn a_timeout_may_be_any_time() {
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX >> 1)] {
        let (mut left, mut right) = streams("timeout", 4096);
        left.set_read_timeout(Some(timeout));
        left.set_write_timeout(Some(timeout));
        let peer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            let mut read = vec![0; 40_000];
            right.read_exact(&mut read).unwrap();
            right.write_all(b"all").unwrap();
            read
        });
        let all = vec![7; 40_000];
        left.write_all(&all).unwrap();
        let mut answer = [0; 3];
        left.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"all");
        assert_eq!(peer.join().unwrap(), all);
    }
}

/// Without a write, which would be taken for something to be read.
#[test]
fn a_check_says_whether_anybody_reads() {
    let (left, mut right) = streams("check", 4096);
    let (_reader, mut writer) = left.split();
    writer.check().unwrap();
    right.shutdown(Shutdown::Write).unwrap();
    writer.check().unwrap();
    right.shutdown(Shutdown::Read).unwrap();
    assert_eq!(writer.check().unwrap_err().kind(), ErrorKind::BrokenPipe);
    let (mut left, right) = streams("check-reset", 4096);
    right.abort();
    let until = soon();
    let end = loop {
        match left.halves().1.check() {
            Ok(()) => assert!(Instant::now() < until),
            Err(error) => break error,
        }
    };
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    left.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        left.halves().1.check().unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}
