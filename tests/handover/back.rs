//! A listener that is taken back hears of clients again, though it had looked meanwhile and found that they are another's.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use ringway::{ErrorKind, Event, Poller};

use super::forbid::forbid_with;
use super::{answer, asking, path, patient, serves, soon};

#[test]
fn a_loop_hears_of_clients_again() {
    let path = path("loop");
    let mut old = patient().bind(path.as_path()).unwrap();
    assert!(!old.is_idle(), "somebody may come");
    let socket = old.hand_over().unwrap();
    assert!(old.try_accept().unwrap().is_none());
    assert!(old.is_idle());
    old.take_back().unwrap();
    assert!(!old.is_idle());
    let client = asking(&path, b"hello");
    let mut connection = loop {
        let mut entry = libc::pollfd {
            fd: old.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid entry.
        let ready = unsafe { libc::poll(&raw mut entry, 1, 15_000) };
        assert_eq!(ready, 1, "nobody tells of the client");
        if let Some(connection) = old.try_accept().unwrap() {
            break connection;
        }
    };
    answer(&mut connection);
    assert_eq!(client.join().unwrap(), std::process::id());
    drop(socket);
}

#[test]
fn a_poller_hears_of_clients_again() {
    let path = path("poller");
    let mut poller: Poller = Poller::new().unwrap();
    let listener = patient().bind(path.as_path()).unwrap();
    let token = poller.listen(listener, |connection| connection).unwrap();
    let socket = poller.listener(token).unwrap().hand_over().unwrap();
    // Somebody comes, for whom the listener looks, and closes its door.
    let client = asking(&path, b"hello");
    let shortly = Instant::now() + Duration::from_millis(300);
    assert!(poller.event_deadline(shortly).unwrap().is_none());
    poller.listener(token).unwrap().take_back().unwrap();
    let until = soon();
    loop {
        let event = poller.event_deadline(until).unwrap();
        if let Event::Ready(mut turn) = event.expect("nobody tells of the client") {
            answer(&mut turn);
            break;
        }
    }
    assert_eq!(client.join().unwrap(), std::process::id());
    drop(socket);
}

/// A name that was never ours may be where this process has no way to.
#[test]
fn who_has_no_name_takes_back_whatever_lies_at_the_path() {
    let path = path("unnamed");
    let mut first = patient().bind(path.as_path()).unwrap();
    let socket = first.hand_over().unwrap();
    let unseeing = std::thread::spawn(move || {
        let flags = libc::AT_SYMLINK_NOFOLLOW as u32;
        forbid_with(libc::SYS_statx, 2, flags, libc::EACCES);
        let mut second = patient().listen_on(socket).unwrap();
        let socket = second.hand_over().unwrap();
        second.take_back().map(|()| (second, socket))
    });
    let (mut second, socket) = unseeing.join().unwrap().unwrap();
    serves(&mut second, &path);
    drop((second, socket));
    first.take_back().unwrap();
    drop(first);
    assert!(!path.exists(), "the name is left behind");
}

/// What cannot be looked at for a moment, as where memory is short, is neither gone nor another's.
#[test]
fn a_name_that_cannot_be_looked_at_is_still_ours() {
    let path = path("unseen");
    let place = path.clone();
    let unseeing = std::thread::spawn(move || {
        // Whatever looks at a path and follows no link.
        let flags = libc::AT_SYMLINK_NOFOLLOW as u32;
        forbid_with(libc::SYS_statx, 2, flags, libc::ENOMEM);
        let mut old = patient().bind(place.as_path()).unwrap();
        let socket = old.hand_over().unwrap();
        let refused = old.take_back().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Resources, "{refused}");
        (old, socket)
    });
    let (mut old, socket) = unseeing.join().unwrap();
    old.take_back().unwrap();
    drop((old, socket));
    assert!(!path.exists(), "the name is left behind");
}
