//! Either process is killed in the midst of a hand-over: the other one has the socket, and the name.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Instant;

use ringway::{Event, Poller};

use super::{answer, ask, asking, name, path, patient, role, serves, soon, started};

/// In the role of a predecessor that is killed with its listener in its hands.
pub(super) fn be_killed(path: &Path) {
    let _listener = name::founded(path);
    // SAFETY: no preconditions.
    unsafe { libc::raise(libc::SIGKILL) };
}

#[test]
fn a_successor_that_is_killed_leaves_all_to_who_takes_it_back() {
    let path = path("heir-killed");
    let mut old = patient().bind(path.as_path()).unwrap();
    let mut command = role::process("successor");
    old.pass_to(&mut command).unwrap();
    let mut heir = started(&mut command);
    assert_eq!(ask(&path, b"hello"), heir.id());
    heir.kill().unwrap();
    assert_eq!(heir.wait().unwrap().signal(), Some(libc::SIGKILL));
    // Somebody comes while nobody listens.
    let between = asking(&path, b"between");
    old.take_back().unwrap();
    answer(&mut old.accept_deadline(soon()).unwrap());
    assert_eq!(between.join().unwrap(), std::process::id());
    serves(&mut old, &path);
    drop(old);
    assert!(!path.exists());
}

#[test]
fn a_predecessor_that_is_killed_leaves_all_to_its_successor() {
    let path = path("founder-killed");
    let role = format!("killed founder={}", path.display());
    let mut old = started(&mut role::process(&role));
    assert_eq!(old.wait().unwrap().signal(), Some(libc::SIGKILL));
    let heir = ask(&path, b"hello");
    assert_ne!(heir, old.id());
    assert_eq!(ask(&path, b"end"), heir);
    let until = soon();
    while path.exists() {
        assert!(Instant::now() < until, "its successor removes the name");
        std::thread::yield_now();
    }
}

#[test]
fn while_both_let_clients_in_each_one_is_let_in_by_one_of_them() {
    const CLIENTS: usize = 8;
    let path = path("both");
    let mut old = patient().bind(path.as_path()).unwrap();
    let new = patient().listen_on(old.hand_over().unwrap()).unwrap();
    old.take_back().unwrap();
    let mut poller: Poller = Poller::new().unwrap();
    for listener in [old, new] {
        poller.listen(listener, |connection| connection).unwrap();
    }
    let clients: Vec<_> = (0..CLIENTS).map(|_| asking(&path, b"hello")).collect();
    let (mut answered, until) = (0, soon());
    while answered < CLIENTS {
        let event = poller.event_deadline(until).unwrap();
        if let Event::Ready(mut turn) = event.expect("all of them come") {
            answer(&mut turn);
            answered += 1;
        }
    }
    for client in clients {
        assert_eq!(client.join().unwrap(), std::process::id());
    }
}
