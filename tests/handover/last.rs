//! A listener that was handed over has the handshakes that had begun, and says when none is left: nobody waits for clients that are another's.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use ringway::{Error, ErrorKind, Listener, Poller};

use super::{path, patient, soon};

/// One that connects and says nothing, as whoever asks whether somebody listens does.
fn probe(path: &Path) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC;
    let probe = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    connect(probe.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    probe
}

/// What `act` answers of a listener that has been handed over, with a handshake under way that comes to nothing.
fn outcome<T: Send + 'static>(name: &str, act: fn(Listener) -> T) -> T {
    let path = path(name);
    let mut old = patient().bind(path.as_path()).unwrap();
    let probe = probe(&path);
    assert!(old.try_accept().unwrap().is_none());
    assert_eq!(old.handshakes(), 1);
    let socket = old.hand_over().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(act(old)));
    // It waits for the handshake, or comes when that is over.
    thread::sleep(Duration::from_millis(20));
    drop(probe);
    let outcome = told.recv_timeout(Duration::from_secs(20));
    drop(socket);
    std::fs::remove_file(path).unwrap();
    outcome.expect("it never returns")
}

fn busy<T>(result: Result<T, Error>) -> ErrorKind {
    result.err().expect("no client").kind()
}

#[test]
fn accept_ends_with_the_last_handshake() {
    let kind = outcome("last", |mut old| busy(old.accept()));
    assert_eq!(kind, ErrorKind::Busy);
    let kind = outcome("last-deadline", |mut old| busy(old.accept_deadline(soon())));
    assert_eq!(kind, ErrorKind::Busy);
}

#[test]
fn a_poller_ends_with_the_last_handshake() {
    let ended = outcome("last-poller", |old| {
        let mut poller: Poller = Poller::new().unwrap();
        poller.listen(old, |connection| connection).unwrap();
        poller.event().unwrap().is_none()
    });
    assert!(ended);
}
