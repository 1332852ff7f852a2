//! One end is killed or stopped when half of what was written has been read, in the middle of a write: the reader goes on where it stands, and each byte comes once.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use ringway::stream::{ByteListener, ByteStream};
use ringway::{RecvError, SendError};

use crate::pair::soon;
use crate::process::{self, Child, Page, fork};
use crate::{byte, config, path, source};

/// What is written at a time, and how much of it is read when the other end stops: neither a whole write, nor the same one.
const WRITE: usize = 700;
const WRITES: usize = 5;
const ALL: usize = WRITES * WRITE;
const HALF: usize = ALL / 2 + 3;

const LIMIT: Duration = Duration::from_secs(120);
// Words of the page.
const WRITTEN: usize = 0;
const STANDS: usize = 1;

fn bytes(places: std::ops::Range<usize>) -> Vec<u8> {
    places.map(byte).collect()
}

fn write(stream: &mut ByteStream, from: usize) {
    for at in 0..WRITES {
        let place = from + at * WRITE;
        stream.write_all(&bytes(place..place + WRITE)).unwrap();
    }
}

fn stop() {
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
}

/// Our end, and a child with the other.
fn with_child(name: &str, body: impl FnOnce(ByteStream)) -> (ByteStream, Child) {
    let path = path(name);
    let mut listener =
        ByteListener::over(config().capacity(64 << 10).bind(path.as_path()).unwrap());
    let child = fork(|| {
        let connection = config().connect(path.as_path()).unwrap();
        body(ByteStream::over(connection).unwrap());
    });
    (listener.accept_deadline(soon()).unwrap(), child)
}

#[test]
fn what_a_writer_wrote_is_read_from_where_its_reader_stands() {
    let name = "half::what_a_writer_wrote_is_read_from_where_its_reader_stands";
    process::alone(name, LIMIT, || {
        for killed in [false, true] {
            let (mut ours, mut child) = with_child("half-writer", |mut theirs| {
                write(&mut theirs, 0);
                stop();
                write(&mut theirs, ALL);
            });
            let mut half = vec![0; HALF];
            ours.read_exact(&mut half).unwrap();
            child.until_it_stops();
            if killed {
                child.signal(libc::SIGKILL);
                child.reap_killed();
            }
            let mut rest = vec![0; ALL - HALF];
            ours.read_exact(&mut rest).unwrap();
            if !killed {
                ours.set_read_timeout(Some(Duration::from_millis(20)));
                let nothing = ours.read(&mut [0; 8]).unwrap_err();
                assert_eq!(nothing.kind(), ErrorKind::TimedOut);
                ours.set_read_timeout(None);
                child.signal(libc::SIGCONT);
            }
            let end = ours.read_to_end(&mut rest);
            let there = [half, rest].concat();
            if killed {
                let end = end.unwrap_err();
                assert_eq!(end.kind(), ErrorKind::ConnectionReset);
                assert_eq!(source(&end), Some(&RecvError::PeerDied));
                assert!(there == bytes(0..ALL), "{} bytes", there.len());
            } else {
                end.unwrap();
                assert_eq!(child.reap(), 0);
                assert!(there == bytes(0..2 * ALL), "{} bytes", there.len());
            }
        }
    });
}

#[test]
fn a_reader_that_is_stopped_or_killed_half_way_has_each_byte_once_or_none() {
    let name = "half::a_reader_that_is_stopped_or_killed_half_way_has_each_byte_once_or_none";
    process::alone(name, LIMIT, || {
        for killed in [false, true] {
            let page = Page::new();
            let (mut ours, mut child) = with_child("half-reader", |mut theirs| {
                let mut there = vec![0; HALF];
                theirs.read_exact(&mut there).unwrap();
                stop();
                theirs.read_to_end(&mut there).unwrap();
                assert_eq!(there.len() as u64, page.get(WRITTEN));
                assert!(there == bytes(0..there.len()));
                page.set(STANDS, 1);
            });
            write(&mut ours, 0);
            child.until_it_stops();
            // Until the ring is full.
            let mut place = ALL;
            let full = loop {
                match ours.halves().1.try_write(&bytes(place..place + WRITE)) {
                    Ok(written) => place += written,
                    Err(full) => break full,
                }
            };
            assert_eq!(
                full.kind(),
                ErrorKind::WouldBlock,
                "it is stopped, not dead"
            );
            page.set(WRITTEN, place as u64);
            if killed {
                child.signal(libc::SIGKILL);
                child.reap_killed();
                let end = ours.write(&bytes(place..place + WRITE)).unwrap_err();
                assert_eq!(end.kind(), ErrorKind::ConnectionReset);
                assert_eq!(source(&end), Some(&SendError::PeerDied));
            } else {
                child.signal(libc::SIGCONT);
                drop(ours);
                assert_eq!(child.reap(), 0);
            }
            assert_eq!(page.get(STANDS), u64::from(!killed));
            page.unmap();
        }
    });
}
