//! A Unix socket that a listener of several kinds listens at, and who may lie there before it.

use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;

use ringway::ErrorKind;
use ringway::tokio::any::{Listener, Targets};

use crate::scene::{LONG, one_thread, path};

/// Somebody listens who accepts nobody, and his queue is full: that he lives is told, and not waited for.
#[test]
fn a_socket_whose_listener_has_stopped_is_taken() {
    let path = path();
    let theirs = UnixListener::bind(&path).unwrap();
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::listen(theirs.as_raw_fd(), 0) }, 0);
    let _waits = UnixStream::connect(&path).unwrap();
    let targets: Targets = format!("unix:{}", path.display()).parse().unwrap();
    let (tells, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = one_thread();
        let _inside = runtime.enter();
        tells.send(Listener::bind(&targets).map(drop)).unwrap();
    });
    let error = told.recv_timeout(LONG).expect("it waits").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
    drop(theirs);
    std::fs::remove_file(path).unwrap();
}
