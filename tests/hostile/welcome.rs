//! Hellos that are unusual, and welcome all the same.

use std::thread;
use std::time::Duration;

use crate::peer::{self, Watchdog, attach, hello, soon};

/// The longest tables that there may be are taken as far as a Hello goes.
#[test]
fn a_client_with_the_longest_schemas_is_welcome() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("longest schemas");
    let mut listener = peer::patient().bind(peer::path("longest")).unwrap();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let line = peer::dial(&path).unwrap();
            peer::send(&line, &hello().u32(88, 131_104).0, &[]);
            peer::receive(&line).0[8]
        });
        while !client.is_finished() {
            assert!(listener.try_accept().unwrap().is_none());
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(client.join().unwrap(), 2, "a Welcome");
    });
}

/// Of two versions that both know the newest is spoken, and there is one: a client that knows more is let in.
#[test]
fn a_client_that_speaks_newer_versions_too_is_let_in() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("newer versions");
    let mut listener = peer::patient().bind(peer::path("newer")).unwrap();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (hello, own) = (hello().u16(18, 9), peer::Segment::new(1));
            let attach = attach().offer(16, 1);
            peer::join_as(&path, &hello, &attach, own)
        });
        let _server = listener.accept_deadline(soon()).unwrap();
        drop(client.join().unwrap());
    });
}
