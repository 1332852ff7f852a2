//! The peers of those who are stepped, and what these leave in their segments.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use super::{AGAIN, ALL, CARRIED, Case, DOUBT, FEATURE};
use crate::greeting::patiently;
use crate::operation::{BOUND, COMMITTED, GO, SEGMENT, Side};
use crate::peer::{self, Message, RELEASED, Segment, Word, attach, eventfd, hello, ready, welcome};
use crate::process::{Page, fork, watchdog};
use crate::record::{Recording, Stops, given, walk};
use crate::trace::{self, Stop};

/// What the first server was sent, as a descriptor of the script's own, plus one.
const OLD: usize = 20;

/// The Hello of a client that goes on at `start`; for a new line that is 0.
pub(super) fn claim(generation: u32, start: u64) -> Message {
    hello()
        .u64(24, FEATURE)
        .u64(96, 7)
        .u64(112, start)
        .u32(120, generation)
}

/// Its Attach.
pub(super) fn offer(start: u64) -> Message {
    attach().u64(40, start).u64(64, start)
}

/// Writes a frame of the rest into a ring.
fn put(case: &Case, own: &Segment, index: usize) {
    let position = case.position(index) as usize;
    let mut bytes = case.body(index);
    let flags = match index {
        0 => AGAIN | DOUBT,
        CARRIED => 0,
        _ => AGAIN,
    };
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(8), 0);
    for (word, chunk) in bytes.chunks_exact(8).enumerate() {
        let value = u64::from_ne_bytes(chunk.try_into().unwrap());
        own.ring(position + 8 + 8 * word, value);
    }
    own.ring(position, 1 << 48 | flags | size as u64);
}

/// Lets in the next client, of a line that goes on at `start`. Returns the line and what it was given.
pub(super) fn admit(listener: &OwnedFd, own: &Segment, start: u64) -> (OwnedFd, Vec<OwnedFd>) {
    let line = peer::accept(listener);
    let hello = Message(patiently(&line).0);
    assert_eq!(hello.0[8], 1, "a Hello was expected");
    assert_eq!(hello.read_u64(112), start, "where the line goes on");
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    let answer = welcome().u64(24, FEATURE).bytes(112, &hello.0[96..112]);
    peer::send(&line, &answer.0, &gifts);
    let (attach, theirs) = patiently(&line);
    assert_eq!(attach[8], 3, "an Attach was expected");
    peer::send(&line, &ready().0, &[]);
    (line, theirs)
}

/// Connects as a client of such a line. Returns the line and what it was given.
pub(super) fn enter(
    path: &Path,
    own: &Segment,
    generation: u32,
    start: u64,
) -> (OwnedFd, Vec<OwnedFd>) {
    let line = peer::dial(path).unwrap();
    peer::send(&line, &claim(generation, start).0, &[]);
    let (welcome, theirs) = patiently(&line);
    assert_eq!(welcome[8], 2, "a Welcome was expected");
    let bells = [eventfd(), eventfd()];
    let gifts = [&own.file, &bells[0], &bells[1]].map(AsRawFd::as_raw_fd);
    peer::send(&line, &offer(start).0, &gifts);
    assert_eq!(patiently(&line).0[8], 4, "a Ready was expected");
    (line, theirs)
}

/// The first server: has released what it finished with, took one frame more, and is gone; with a goodbye or without. `keep` has what it was given.
pub(super) fn first(
    case: &Case,
    page: &Page,
    listener: &OwnedFd,
    keep: impl FnOnce(OwnedFd),
    goodbye: bool,
) {
    let own = Segment::new(1);
    let (line, mut theirs) = admit(listener, &own, 0);
    keep(theirs.remove(0));
    page.until(COMMITTED, 1);
    own.set(RELEASED, case.position(0));
    page.set(GO, 1);
    page.until(COMMITTED, 2);
    own.say(Word::Taken(0), case.position(1));
    if goodbye {
        own.say(Word::ReceiverEpoch, u64::MAX);
        own.say(Word::SenderEpoch, u64::MAX);
    }
    drop(line);
}

/// The peer, which does nothing any more when it has shaken hands.
fn script(case: &Case, page: &Page, path: &Path, own: &Segment) {
    let number = |file: &OwnedFd| u64::from(file.as_raw_fd().unsigned_abs()) + 1;
    let start = case.position(0);
    let _kept = match case.side {
        Side::Server => {
            page.until(BOUND, 2);
            let entered = enter(path, own, 1, start);
            page.set(SEGMENT, number(&entered.1[0]));
            entered
        }
        Side::Client => {
            let listener = peer::listen(path);
            page.set(BOUND, 1);
            let keep = |old| {
                page.set(OLD, number(&old));
                std::mem::forget(old);
            };
            first(case, page, &listener, keep, false);
            admit(&listener, own, start)
        }
    };
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Runs a case to its operation, and then step by step to the operation's end.
pub(super) fn record(case: &Case, path: &Path, stops: Stops) -> Recording {
    let page = Page::new();
    let own = Segment::new(1);
    if case.side == Side::Server {
        own.set(RELEASED, 0);
        (0..ALL).for_each(|index| put(case, &own, index));
    }
    let peer = fork(|| {
        watchdog(Duration::from_secs(300));
        script(case, &page, path, &own);
    });
    let child = fork(|| {
        assert!(trace::be_traced());
        watchdog(Duration::from_secs(300));
        case.perform(&page, path, trace::stop);
    });
    let pid = child.pid;
    trace::take(pid);
    trace::run(pid, 0);
    assert_eq!(trace::wait(pid), (pid, Stop::Signal(libc::SIGSTOP)));
    let old = (case.side == Side::Client).then(|| given(peer.pid, page.get(OLD)).unwrap());
    let recording = walk(pid, &page, None, old.as_ref(), stops);
    drop(child);
    drop(peer);
    page.unmap();
    let _ = std::fs::remove_file(path);
    recording
}
