//! What a panic in the program's own code leaves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use ringway::{Connection, Event, Poller, RecvError};

use crate::server::{path, smallest, soon};

/// What the program makes of a client panics, and the program goes on.
#[test]
fn a_panic_over_one_client_leaves_the_listener_to_the_others() {
    let name = path("panics");
    let mut poller: Poller = Poller::new().unwrap();
    let mut first = true;
    let make = move |connection: Connection| {
        assert!(!std::mem::take(&mut first), "on purpose");
        connection
    };
    let listener = smallest().bind(name.as_path()).unwrap();
    poller.listen(listener, make).unwrap();
    let clients = thread::spawn(move || {
        let mut lost = smallest().connect(name.as_path()).unwrap();
        let end = lost.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(RecvError::PeerClosed));
        let mut other = smallest().connect(name.as_path()).unwrap();
        other.sender().send(b"is anybody there?").unwrap();
        let answer = other.receiver().recv_deadline(soon()).unwrap().to_vec();
        assert_eq!(answer, b"yes");
    });
    let event = catch_unwind(AssertUnwindSafe(|| poller.event_deadline(soon()).map(drop)));
    assert!(event.is_err());
    loop {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Connected(_)) => {}
            Some(Event::Ready(mut turn)) => {
                assert!(turn.more());
                drop(turn.receiver().recv().unwrap());
                turn.sender().send(b"yes").unwrap();
            }
            Some(Event::Ended(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    clients.join().unwrap();
}
