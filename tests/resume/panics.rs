//! A server whose handler panics, and whose process lives: it says no goodbye, and its client resumes with whoever is the next.

use std::thread;

use ringway::{Connection, ErrorKind, RecvError, Redelivery};

use super::client::soon;
use super::orderly::{config, end, pair, rest, resume, send};
use super::process::drop_by_panic;
use super::refusals::{refused, shortly};

/// How often a client is asleep while its server panics: the two ends of a socket that close at once meet in about every second try.
const ROUNDS: usize = 16;

#[test]
fn a_client_that_sleeps_is_resumed_behind_a_panic() {
    let config = config();
    for _ in 0..ROUNDS {
        let (mut listener, server, mut client) = pair(&config, &config);
        send(client.sender(), 0..3);
        let client = thread::scope(|scope| {
            let sleeper = scope.spawn(move || {
                assert_eq!(end(&mut client), RecvError::PeerClosed);
                client
            });
            thread::yield_now();
            drop_by_panic(server);
            sleeper.join().unwrap()
        });
        let (mut server, resumed) = resume(&mut listener, &config, client);
        assert_eq!(resumed.unseen(), 3);
        assert_eq!(rest(&mut server).len(), 3);
    }
}

/// One half panics, the client hears of the end, and the other half is dropped later, which nobody tells the client of.
#[test]
fn the_half_that_a_panic_has_left_holds_a_resume_up_and_no_longer() {
    let config = config();
    for sends in [true, false] {
        let (mut listener, server, mut client) = pair(&config, &config);
        let at = listener.path().to_path_buf();
        send(client.sender(), 0..3);
        let (sender, receiver) = server.split();
        let left: Box<dyn FnOnce()> = if sends {
            drop_by_panic(sender);
            Box::new(move || drop(receiver))
        } else {
            drop_by_panic(receiver);
            Box::new(move || drop(sender))
        };
        assert_eq!(end(&mut client), RecvError::PeerClosed);
        client = refused(config.resume(&*at, client, shortly()), ErrorKind::PeerLives);
        left();
        let (mut server, resumed) = resume(&mut listener, &config, client);
        assert_eq!(resumed.unseen(), 3);
        assert_eq!(rest(&mut server).len(), 3);
    }
}

/// The half that is left hears that it is over though the client, which has not looked, still holds its own.
#[test]
fn the_half_that_a_panic_has_left_ends_by_itself() {
    let config = config();
    let (_listener, server, mut client): (_, Connection, _) = pair(&config, &config);
    send(client.sender(), 0..1);
    let (sender, mut receiver) = server.split();
    let waits = thread::spawn(move || {
        let first = receiver
            .recv_deadline(soon())
            .map(|frame| frame.redelivery());
        (first, receiver.recv_deadline(soon()).map(drop))
    });
    drop_by_panic(sender);
    let (first, ended) = waits.join().unwrap();
    assert_eq!(first, Ok(Redelivery::First));
    assert_eq!(ended, Err(RecvError::PeerClosed));
    drop(client);
}
