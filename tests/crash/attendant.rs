//! A process that attends is stopped, and killed: its observers and its clients are told, and its name and its connections are as of any other.

use std::time::Duration;
use std::time::Instant;

use ringway::{Config, ErrorKind, Listener, RecvError};

use super::listeners::is_free;
use super::process::{Page, alone, fork};
use super::{path, patient, soon};

const LIMIT: Duration = Duration::from_secs(120);
const ATTENDS: usize = 0;

#[test]
fn an_attendant_that_is_stopped_or_killed_is_as_any_listener() {
    let name = "attendant::an_attendant_that_is_stopped_or_killed_is_as_any_listener";
    alone(name, LIMIT, || {
        let (page, path) = (Page::new(), path("attending"));
        let path = path.as_path();
        let mut child = fork(|| {
            let mut listener = patient().bind(path).unwrap();
            let mut ours = listener.accept_deadline(soon()).unwrap();
            let _attendant = listener.attend().unwrap();
            page.set(ATTENDS, 1);
            loop {
                let frame = ours.receiver().recv().unwrap().to_vec();
                ours.sender().send(&frame).unwrap();
            }
        });
        let mut theirs = connect(path);
        page.until(ATTENDS, 1);
        let observed = patient().observe(path).unwrap();
        let busy = || patient().connect(path).unwrap_err().kind();
        assert_eq!(busy(), ErrorKind::Busy);

        child.stop();
        let short = Config::new().handshake_timeout(Duration::from_millis(100));
        assert_eq!(short.observe(path).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(short.connect(path).unwrap_err().kind(), ErrorKind::TimedOut);
        let error = Listener::bind(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
        // What an observer has it needs nobody for.
        assert_eq!(observed.connections().unwrap().len(), 1);
        theirs.sender().send(b"meanwhile").unwrap();
        let shortly = Instant::now() + Duration::from_millis(20);
        let nothing = theirs.receiver().recv_deadline(shortly).map(drop);
        assert_eq!(nothing, Err(RecvError::TimedOut));

        child.signal(libc::SIGCONT);
        let frame = theirs.receiver().recv_deadline(soon()).unwrap().to_vec();
        assert_eq!(frame, b"meanwhile");
        assert_eq!(busy(), ErrorKind::Busy);
        patient().observe(path).unwrap();

        child.signal(libc::SIGKILL);
        child.reap_killed();
        let end = theirs.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(RecvError::PeerDied));
        let error = patient().observe(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(observed.connections().unwrap().len(), 1, "as it was");
        is_free(path, "killed");
    });
}

/// Once it listens.
fn connect(path: &std::path::Path) -> ringway::Connection {
    let until = soon();
    loop {
        match patient().connect(path) {
            Ok(connection) => return connection,
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
        }
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}
