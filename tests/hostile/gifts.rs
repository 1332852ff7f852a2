//! Descriptors of every kind in every place, given by a client and by a server: what is no segment is refused as a segment, what is no bell as a bell, and what is one is
//! taken, in whatever state it is.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use ringway::{Config, Connection, Error, ErrorKind, Wait};

use crate::peer::{self, Gift, Watchdog, attach, ready, soon, welcome};

fn raw(gifts: &[OwnedFd]) -> Vec<RawFd> {
    gifts.iter().map(AsRawFd::as_raw_fd).collect()
}

/// Every kind in each place, between others as they should be; and what has to become of it.
fn cases() -> impl Iterator<Item = ([Gift; 3], Option<ErrorKind>)> {
    Gift::ALL.into_iter().flat_map(|gift| {
        let segment = (!gift.is_segment()).then_some(ErrorKind::Segment);
        let bell = (!gift.is_bell()).then_some(ErrorKind::Descriptors);
        [
            ([gift, Gift::Bell, Gift::Bell], segment),
            ([Gift::Segment, gift, Gift::Bell], bell),
            ([Gift::Segment, Gift::Bell, gift], bell),
        ]
    })
}

/// What is not made here is not tried, and a timer in its place.
fn say_what_is_not_there() {
    for gift in Gift::ALL.iter().filter(|gift| !gift.is_there()) {
        println!("SKIPPED: this host makes no {gift:?} to be handed over");
    }
}

/// What was taken is rung, and holds nobody up.
fn works(connection: &mut Connection, own: &OwnedFd) {
    let epochs = peer::Shown::new(own);
    assert_eq!(epochs.size(), peer::CONTROL + peer::RING);
    for _ in 0..3 {
        connection.sender().send_deadline(b"rung", soon()).unwrap();
    }
    assert!(
        connection.receiver().try_recv().is_err(),
        "nothing was sent"
    );
}

fn judge(
    gifts: [Gift; 3],
    expected: Option<ErrorKind>,
    outcome: Result<Connection, ErrorKind>,
    own: &OwnedFd,
) {
    match (outcome, expected) {
        (Ok(mut connection), None) => works(&mut connection, own),
        (outcome, expected) => assert_eq!(outcome.err(), expected, "{gifts:?}"),
    }
}

#[test]
fn whatever_a_client_hands_over_is_taken_or_refused_as_what_it_is() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("gifts of a client");
    say_what_is_not_there();
    let before = peer::open_descriptors();
    let mut listener = peer::patient()
        .wait(Wait::Park)
        .bind(peer::path("gifts"))
        .unwrap();
    for (gifts, expected) in cases() {
        let line = peer::dial(listener.path()).unwrap();
        peer::send(&line, &peer::hello().0, &[]);
        assert!(listener.try_accept().unwrap().is_none());
        let (answer, offered) = peer::receive(&line);
        assert_eq!(answer[8], 2, "a Welcome was expected");
        let given = gifts.map(|gift| gift.make_of(&offered));
        if !peer::send(&line, &attach().0, &raw(&given)) {
            assert!(gifts.contains(&Gift::Uring), "{gifts:?}");
            drop(line);
            while listener.handshakes() > 0 {
                assert!(listener.try_accept().unwrap().is_none());
            }
            continue;
        }
        let refusals = listener.refusals();
        let outcome = loop {
            if let Some(connection) = listener.try_accept().unwrap() {
                break Ok(connection);
            }
            if listener.refusals() > refusals {
                break Err(listener.last_refusal().map_or(ErrorKind::Io, Error::kind));
            }
        };
        judge(gifts, expected, outcome, &offered[0]);
    }
    drop(listener);
    peer::no_leak(before);
}

#[test]
fn whatever_a_server_hands_over_is_taken_or_refused_as_what_it_is() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("gifts of a server");
    let before = peer::open_descriptors();
    let path = peer::path("gifts-server");
    let listener = peer::listen(&path);
    // What a client may send, a server may: that the kernel sends no instance of `io_uring` is the client's test to see. And a client gives nothing before it was given all, unless it
    // resumes a connection.
    let is_left =
        |gifts: &[Gift; 3]| gifts.contains(&Gift::Uring) || gifts.contains(&Gift::Returned);
    for (gifts, expected) in cases().filter(|(gifts, _)| !is_left(gifts)) {
        let config = Config::new()
            .wait(Wait::Park)
            .capacity(peer::RING)
            .peer_capacity(peer::RING)
            .handshake_timeout(Duration::from_secs(20));
        let (outcome, attached) = thread::scope(|scope| {
            let client = scope.spawn(|| config.connect(path.as_path()));
            let line = peer::accept(&listener);
            assert_eq!(peer::receive(&line).0[8], 1, "a Hello was expected");
            let given = gifts.map(Gift::make);
            peer::send(&line, &welcome().0, &raw(&given));
            let (said, attached) = peer::receive(&line);
            if said[8] == 3 {
                peer::send(&line, &ready().0, &[]);
            }
            (client.join().unwrap(), attached)
        });
        let outcome = outcome.map_err(|error| error.kind());
        let own = attached.into_iter().next().unwrap_or_else(peer::eventfd);
        judge(gifts, expected, outcome, &own);
    }
    std::fs::remove_file(&path).unwrap();
    drop(listener);
    peer::no_leak(before);
}
