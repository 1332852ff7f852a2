//! Either process is stopped in the midst of a hand-over: nothing is taken from it, and who connects is let in by the other one.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use ringway::{Config, ErrorKind, Listener};

use super::{answer, ask, asking, name, path, patient, role, serves, soon, started, waited};

/// In the role of a predecessor that is stopped with its listener in its hands, and then leaves in order.
pub(super) fn be_stopped(path: &Path) {
    let listener = name::founded(path);
    // SAFETY: no preconditions.
    unsafe { libc::raise(libc::SIGSTOP) };
    drop(listener);
}

fn pid(child: &Child) -> libc::pid_t {
    child.id().try_into().unwrap()
}

/// Waits until it stands still.
fn until_it_stops(child: &Child) {
    let (pid, mut status) = (pid(child), 0);
    // SAFETY: `status` is valid for writes.
    let stopped = unsafe { libc::waitpid(pid, &raw mut status, libc::WUNTRACED) };
    assert!(stopped == pid && libc::WIFSTOPPED(status), "{status:#x}");
}

fn signal(child: &Child, signal: i32) {
    // SAFETY: no memory is passed; the child is not reaped.
    assert_eq!(unsafe { libc::kill(pid(child), signal) }, 0);
}

#[test]
fn a_successor_that_is_stopped_keeps_clients_waiting_until_it_goes_on_or_all_is_taken_back() {
    let path = path("heir-stopped");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = role::process("successor");
    old.pass_to(&mut command).unwrap();
    let mut heir = started(&mut command);
    assert_eq!(ask(&path, b"hello"), heir.id());
    signal(&heir, libc::SIGSTOP);
    until_it_stops(&heir);
    // Somebody who has no patience, and two who have.
    let short = Config::new().handshake_timeout(Duration::from_millis(100));
    let error = short.connect(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let patient = asking(&path, b"patient");
    signal(&heir, libc::SIGCONT);
    assert_eq!(patient.join().unwrap(), heir.id());
    signal(&heir, libc::SIGSTOP);
    until_it_stops(&heir);
    let between = asking(&path, b"between");
    old.take_back().unwrap();
    // Who had no patience may be in the queue still.
    let until = soon();
    while !between.is_finished() {
        assert!(Instant::now() < until);
        let shortly = Instant::now() + Duration::from_millis(20);
        if let Ok(mut connection) = old.accept_deadline(shortly) {
            answer(&mut connection);
        }
    }
    assert_eq!(between.join().unwrap(), std::process::id());
    serves(&mut old, &path);
    assert!(heir.try_wait().unwrap().is_none(), "nobody has ended it");
    heir.kill().unwrap();
    heir.wait().unwrap();
    serves(&mut old, &path);
    drop(old);
    assert!(!path.exists());
}

#[test]
fn a_predecessor_that_is_stopped_holds_its_successor_up_in_nothing() {
    let path = path("founder-stopped");
    let role = format!("stopped founder={}", path.display());
    let old = started(&mut role::process(&role));
    until_it_stops(&old);
    let heir = ask(&path, b"hello");
    assert_ne!(heir, old.id());
    assert_eq!(ask(&path, b"again"), heir);
    // And while the old one is there the name is taken.
    let error = Listener::bind(path.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
    signal(&old, libc::SIGCONT);
    waited(old);
    assert_eq!(ask(&path, b"later"), heir);
    assert_eq!(ask(&path, b"end"), heir);
    let until = soon();
    while path.exists() {
        assert!(Instant::now() < until, "its successor removes the name");
        std::thread::yield_now();
    }
}
