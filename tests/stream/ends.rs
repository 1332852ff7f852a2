//! How a stream ends that does not end in order.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use ringway::stream::{ByteListener, ByteStream};
use ringway::{Config, RecvError, SendError, Wait};

use crate::pair::{pair, soon};
use crate::process::{self, Page, fork};
use crate::{path, source, streams};

/// A killed peer is no end of the stream: what it wrote is read, and then the error says what happened.
#[test]
fn a_peer_that_is_killed_is_no_end_of_the_stream() {
    let name = "a_peer_that_is_killed_is_no_end_of_the_stream";
    process::alone(name, Duration::from_secs(60), || {
        let path = path("killed");
        let mut listener = ByteListener::bind(path.as_path()).unwrap();
        let page = Page::new();
        let mut child = fork(|| {
            let mut stream = ByteStream::connect(path.as_path()).unwrap();
            stream.write_all(b"half of an ans").unwrap();
            page.set(0, 1);
            loop {
                thread::park();
            }
        });
        let mut stream = listener.accept_deadline(soon()).unwrap();
        page.until(0, 1);
        child.signal(libc::SIGKILL);
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).unwrap_err();
        child.reap_killed();
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
