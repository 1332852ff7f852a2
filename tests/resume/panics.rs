//! A server whose handler panics, and whose process lives: it says no goodbye, and its client resumes with whoever is the next.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
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

/// It may not have answered: what it has in hand is dropped by the panic, and not finished with, one frame as several.
#[test]
fn what_a_handler_that_panics_has_in_hand_is_in_doubt() {
    let all = [(1, false), (1, true), (2, false), (2, true)];
    let all = all
        .into_iter()
        .flat_map(|case| [(case, false), (case, true)]);
    for ((lanes, batched), drops_expired) in all {
        let config = config().lanes(lanes).drop_expired(drops_expired);
        let (mut listener, mut server, mut client) = pair(&config, &config);
        send(client.sender(), 0..4);
        drop(server.receiver().recv().unwrap());
        let handler = thread::spawn(move || {
            let receiver = server.receiver();
            if batched {
                let mut frames = receiver.recv_batch(2).unwrap();
                drop(frames.next_frame());
                let _in_hand = frames.next_frame();
                resume_unwind(Box::new("the handler's"));
            } else {
                drop(receiver.recv().unwrap());
                let _in_hand = receiver.recv().unwrap();
                resume_unwind(Box::new("the handler's"));
            }
        });
        assert!(handler.join().is_err());
        assert_eq!(end(&mut client), RecvError::PeerClosed);
        let (mut server, resumed) = resume(&mut listener, &config, client);
        let in_doubt = 1 + u64::from(batched);
        assert_eq!(
            resumed.in_doubt(),
            in_doubt,
            "{lanes} lanes, {drops_expired}"
        );
        assert_eq!(resumed.unseen(), 1);
        let found = rest(&mut server);
        assert_eq!(found[0].0, 3 - u8::try_from(in_doubt).unwrap());
        assert_eq!(found[0].1, Redelivery::InDoubt);
    }
}

/// Its program has caught the panic, and what was in hand then is finished with as what was copied out is.
#[test]
fn a_handler_that_panics_and_comes_back_is_finished_with_what_it_had() {
    let config = config();
    for comes_back in [false, true] {
        let (mut listener, mut server, mut client) = pair(&config, &config);
        send(client.sender(), 0..2);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _in_hand = server.receiver().recv().unwrap();
            resume_unwind(Box::new("the handler's"));
        }));
        assert!(caught.is_err());
        if comes_back {
            assert_eq!(server.receiver().recv().unwrap().to_vec(), [1]);
        }
        drop(server);
        assert_eq!(end(&mut client), RecvError::Closed);
        let (_server, resumed) = resume(&mut listener, &config, client);
        let left = u64::from(!comes_back);
        assert_eq!((resumed.in_doubt(), resumed.unseen()), (left, left));
    }
}

/// As a panic does it by itself: what was left is in doubt until the next one is asked for.
#[test]
fn what_a_handler_leaves_is_in_doubt_until_it_comes_back() {
    for (lanes, batched, comes_back) in [
        (1, false, false),
        (1, false, true),
        (1, true, false),
        (1, true, true),
        (2, false, false),
        (2, true, false),
        (2, true, true),
    ] {
        let config = config().lanes(lanes).drop_expired(true);
        let (mut listener, mut server, mut client) = pair(&config, &config);
        send(client.sender(), 0..3);
        let receiver = server.receiver();
        if batched {
            let mut frames = receiver.recv_batch(2).unwrap();
            frames.next_frame().unwrap().leave();
            drop(frames.next_frame().unwrap());
            frames.leave();
        } else {
            drop(receiver.recv().unwrap());
            receiver.recv().unwrap().leave();
        }
        if comes_back {
            assert_eq!(receiver.recv().unwrap().to_vec(), [2]);
        }
        drop(server);
        assert_eq!(end(&mut client), RecvError::Closed);
        let (_server, resumed) = resume(&mut listener, &config, client);
        let left = if comes_back {
            0
        } else {
            1 + u64::from(batched)
        };
        let found = (resumed.in_doubt(), resumed.unseen());
        assert_eq!(found, (left, u64::from(!comes_back)), "{lanes} {batched}");
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
