//! Killed for good at a system call, beside a peer that is a process of the library's and lives on.

use std::fmt::Debug;
use std::mem;
use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, RecvError, SendError, Wait};

use crate::operation::{
    BOUND, COMMITTED, Case, DONE, LARGE, Operation, RECEIVED, STAGE, Side, THEIRS, body, soon,
};
use crate::process::{Page, fork, holdings, until_child_sleeps, watchdog};
use crate::trace::{self, Stop};

/// The peer's own connection, if it comes to one.
fn join(case: &Case, page: &Page, path: &Path) -> Option<Connection> {
    let config = Config::new()
        .wait(Wait::Park)
        .lanes(case.lanes())
        .capacity(4096)
        .peer_capacity(case.ring())
        .handshake_timeout(Duration::from_secs(10));
    let gone = |error: &ringway::Error| {
        let kind = error.kind();
        assert!(
            matches!(kind, ErrorKind::PeerGone | ErrorKind::NotFound),
            "{kind:?}: {error}"
        );
    };
    if case.side == Side::Client {
        let mut listener = config.bind(path).unwrap();
        page.set(BOUND, 1);
        loop {
            let dead = page.get(DONE) == 1;
            match listener.accept_deadline(Instant::now() + Duration::from_millis(5)) {
                Ok(connection) => return Some(connection),
                Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"),
            }
            if dead {
                listener.last_refusal().into_iter().for_each(gone);
                return None;
            }
        }
    }
    loop {
        let dead = page.get(DONE) == 1;
        match config.connect(path) {
            Ok(connection) => return Some(connection),
            Err(error) => gone(&error),
        }
        if dead {
            return None;
        }
        std::thread::yield_now();
    }
}

/// The peer, to its end.
fn survive(case: &Case, page: &Page, path: &Path) {
    let before = holdings().0;
    let Some(mut connection) = join(case, page, path) else {
        // A process keeps two for all its connections: its counters, and what is always readable. Others may be closed on another thread.
        let until = soon();
        while holdings().0 > before + 2 {
            assert!(Instant::now() < until, "descriptors leak");
            std::thread::yield_now();
        }
        return;
    };
    let (sender, receiver) = connection.halves();
    let sent = THEIRS
        .into_iter()
        .enumerate()
        .try_for_each(|(number, size)| sender.send_deadline(&body(100 + number, size), soon()));
    let before = case.before();
    let lanes = before.iter().map(|&size| (size, 0));
    let wanted: Vec<_> = lanes.chain(case.commits().concat()).collect();
    let mut buffer = vec![0; 2 * LARGE];
    let mut found = Vec::new();
    if case.operation == Operation::Room {
        // Whoever waits for room does so.
        page.until(DONE, 1);
    }
    let received = loop {
        // Who is not asleep is not rung: so the ring within the operation is the process's first one, and makes all calls that there are.
        let is_early = case.operation != Operation::Handshake && found.len() < before.len();
        let outcome = if is_early {
            receiver.try_recv_into(&mut buffer)
        } else {
            receiver.recv_into_deadline(&mut buffer, soon())
        };
        match outcome {
            Ok(length) => {
                let (bytes, lane) = (&buffer[..length], receiver.last_priority());
                let is = |(number, it): (usize, &(usize, usize))| {
                    it.1 == lane && !found.contains(&number) && bytes == body(number, it.0)
                };
                let number = wanted.iter().enumerate().position(is);
                found.push(number.expect("a frame is broken"));
                page.set(RECEIVED, found.len() as u64);
            }
            Err(RecvError::Empty) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    let sent = sent.err().unwrap_or_else(|| {
        loop {
            if let Err(error) = sender.send_deadline(&[7; 1000], soon()) {
                break error;
            }
        }
    });
    let ended = matches!(received, RecvError::PeerDied | RecvError::Closed)
        && matches!(sent, SendError::PeerDied | SendError::Closed);
    assert!(ended, "the end was {received:?}, {sent:?}");
    let mut counts = vec![before.len()];
    for commit in case.commits() {
        counts.push(counts[counts.len() - 1] + commit.len());
    }
    // All of a group or nothing, and in each lane in order.
    let whole = case.operation == Operation::Handshake || counts.contains(&found.len());
    let ordered = found.is_sorted_by_key(|&number| (wanted[number].1, number));
    found.sort_unstable();
    let first = found.iter().copied().eq(0..found.len());
    assert!(
        whole && first && (ordered || case.lanes() > 1),
        "{found:?} came"
    );
}

/// Runs who is traced to the `last`th entry or exit of a system call within the operation; with none, to the operation's end. Returns how many there were.
pub(crate) fn run_to_stop(pid: i32, page: &Page, last: Option<u64>, case: &impl Debug) -> u64 {
    let mut stops = 0;
    while page.get(STAGE) != 2 && last != Some(stops) {
        trace::run_to_call(pid, 0);
        match trace::wait(pid).1 {
            Stop::Call => stops += 1,
            Stop::Signal(libc::SIGTRAP) => {}
            other => panic!("{case:?}: {other:?} at stop {stops}"),
        }
    }
    stops
}

/// Runs a case with a peer of the library's, to the `last`th entry or exit of a system call within the operation, where it is killed; with none, to
/// the operation's end. Returns how many there were.
fn run(case: &Case, path: &Path, last: Option<u64>) -> u64 {
    let page = Page::new();
    let child = fork(|| {
        assert!(trace::be_traced());
        watchdog(Duration::from_secs(60));
        case.perform(&page, path, trace::stop);
    });
    let pid = child.pid;
    trace::take(pid);
    let mut peer = fork(|| {
        watchdog(Duration::from_secs(60));
        survive(case, &page, path);
    });
    trace::run(pid, 0);
    assert_eq!(
        trace::wait(pid),
        (pid, Stop::Signal(libc::SIGSTOP)),
        "{case:?}"
    );
    // The peer has read what there is (a group that lacks room becomes visible in parts), and sleeps: else which calls there are is a matter of the moment.
    if !matches!(case.operation, Operation::Handshake | Operation::Room) {
        page.until(RECEIVED, case.before().len() as u64);
        until_child_sleeps(peer.pid);
    }
    let stops = run_to_stop(pid, &page, last, case);
    // Kills and reaps.
    drop(child);
    page.set(DONE, 1);
    let status = peer.reap();
    let (committed, received) = (page.get(COMMITTED), page.get(RECEIVED));
    assert_eq!(
        status, 0,
        "{case:?}, killed at stop {last:?}: its peer's status"
    );
    assert!(
        received >= committed,
        "{case:?}, killed at stop {last:?}: {committed} frames were committed, {received} received"
    );
    mem::drop(peer);
    page.unmap();
    let _ = std::fs::remove_file(path);
    stops
}

/// Kills the process at each entry and each exit of each system call of the operation. Returns how often.
pub(crate) fn everywhere(case: &Case, path: &Path) -> u64 {
    kill_at_each(case, |last| run(case, path, last))
}

/// `run` is told at which stop it is to kill, or at none, and says how many there were. Returns how often it has killed there, and once behind the end.
pub(crate) fn kill_at_each(case: &impl Debug, run: impl Fn(Option<u64>) -> u64) -> u64 {
    let all = run(None);
    let met = (1..=all).filter(|&last| run(Some(last)) == last).count() as u64;
    // How often a handshake asks the kernel is a matter of the moment: the last stops of one run may be none of another's.
    assert!(
        met + all / 4 >= all,
        "{case:?}: {met} stops of {all} were met"
    );
    met + 1
}
