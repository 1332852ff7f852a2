//! Killed for good at a system call of a resume, beside processes of the library's that live on.

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{ErrorKind, RecvError, SendError};

use super::survivor::{drain, note, noted, third};
use super::{CARRIED, Case, Fate, config, fault, fault_of, reply};
use crate::kill::{kill_at_each, run_to_stop};
use crate::operation::{BOUND, COMMITTED, DONE, FINISHED, GO, HANDED, RECEIVED, Side, soon};
use crate::process::{Child, Page, fork, watchdog};
use crate::trace::{self, Stop};

/// The first server holds a frame that it has not released.
const HOLDS: usize = 21;

fn spawn(body: impl FnOnce()) -> Child {
    fork(|| {
        watchdog(Duration::from_secs(60));
        body();
    })
}

/// The first server, which waits for its end.
fn first(case: &Case, page: &Page, path: &Path) {
    let mut listener = config().bind(path).unwrap();
    page.set(BOUND, 1);
    let mut connection = listener.accept_deadline(soon()).unwrap();
    for _ in case.finished() {
        drop(connection.receiver().recv_deadline(soon()).unwrap());
    }
    page.set(GO, 1);
    connection.receiver().hold(true);
    let frame = connection.receiver().recv_deadline(soon()).unwrap();
    assert_eq!(case.index(&frame.to_vec()), Some(0));
    drop(frame);
    page.set(HOLDS, 1);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The server that the client which is killed resumes with.
fn second(case: &Case, page: &Page, path: &Path) {
    let mut listener = config().bind(path).unwrap();
    page.set(BOUND, 2);
    let mut connection = loop {
        let dead = page.get(DONE) == 1;
        match listener.accept_deadline(Instant::now() + Duration::from_millis(5)) {
            Ok(connection) => break connection,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
        }
        if dead {
            if let Some(error) = listener.last_refusal() {
                assert_eq!(error.kind(), ErrorKind::PeerGone, "{error}");
            }
            return;
        }
    };
    let (found, end) = drain(case, &mut connection);
    assert!(matches!(end, RecvError::PeerDied), "{end:?}");
    note(page, &found);
}

/// The client of servers that end, until the third one greets it.
fn client(case: &Case, page: &Page, path: &Path) {
    let mut lost = case.orphan(page, path);
    let (mut sent, mut answered) = (false, 0);
    loop {
        let resumed = config().resume(path, lost, soon()).unwrap();
        assert_eq!(resumed.redelivered[0].broken, None);
        let mut connection = resumed.connection;
        if !sent {
            match connection
                .sender()
                .send_deadline(&case.body(CARRIED), soon())
            {
                Ok(()) => sent = true,
                Err(error) => assert_eq!(error, SendError::PeerDied),
            }
        }
        let greeted = loop {
            match connection.receiver().recv_deadline(soon()) {
                Ok(frame) if frame.to_vec() == b"next" => break true,
                Ok(frame) => {
                    assert_eq!(frame.to_vec(), reply(answered), "answer {answered}");
                    answered += 1;
                }
                Err(end) => {
                    assert_eq!(end, RecvError::PeerDied);
                    break false;
                }
            }
        };
        page.set(RECEIVED, answered as u64);
        if greeted {
            assert!(sent);
            return;
        }
        lost = connection;
    }
}

/// Runs a case to the `last`th entry or exit of a system call within the operation, where the process is killed; with none, to the operation's end. Returns how many there were.
fn run(case: &Case, path: &Path, last: Option<u64>) -> u64 {
    let page = Page::new();
    let mut old = spawn(|| first(case, &page, path));
    let traced = || {
        fork(|| {
            assert!(trace::be_traced());
            watchdog(Duration::from_secs(60));
            case.perform(&page, path, trace::stop);
        })
    };
    let settle = |old: &mut Child| {
        page.until(HOLDS, 1);
        page.until(COMMITTED, 2);
        old.signal(libc::SIGKILL);
        old.reap_killed();
    };
    let (child, mut other);
    match case.side {
        Side::Client => {
            child = traced();
            trace::take(child.pid);
            trace::run(child.pid, 0);
            settle(&mut old);
            other = spawn(|| second(case, &page, path));
            page.until(BOUND, 2);
        }
        Side::Server => {
            other = spawn(|| client(case, &page, path));
            settle(&mut old);
            child = traced();
            trace::take(child.pid);
            trace::run(child.pid, 0);
        }
    }
    let pid = child.pid;
    assert_eq!(trace::wait(pid), (pid, Stop::Signal(libc::SIGSTOP)));
    let stops = run_to_stop(pid, &page, last, case);
    // Kills and reaps.
    drop(child);
    page.set(DONE, 1);
    let next = (case.side == Side::Server).then(|| spawn(|| third(case, &page, path)));
    let place = format!("{case:?}, killed at stop {last:?}");
    assert_eq!(other.reap(), 0, "{place}: its peer's status");
    let fault = if let Some(mut next) = next {
        assert_eq!(next.reap(), 0, "{place}: the third server's status");
        fault(&Fate {
            handled: [page.get(HANDED), page.get(FINISHED)],
            answered: page.get(RECEIVED) as usize,
            again: noted(&page),
        })
    } else {
        fault_of(&noted(&page), page.get(HANDED))
    };
    assert_eq!(fault, None, "{place}");
    drop((old, other));
    page.unmap();
    let _ = std::fs::remove_file(path);
    stops
}

/// Kills the process at each entry and each exit of each system call of the operation. Returns how often.
pub(super) fn everywhere(case: &Case, path: &Path) -> u64 {
    kill_at_each(case, |last| run(case, path, last))
}
