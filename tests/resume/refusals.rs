//! When a connection is not resumed: nothing of it is lost, and the error says what to do.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Limits, NotResumed, RecvError, Redelivery};

use super::client::soon;
use super::orderly::{config, end, meet, pair, path, rest, resume, send};
use super::process::{Page, alone, fork};

pub(super) fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(200)
}

/// Why it was not, and the connection.
pub(super) fn refused(result: Result<ringway::Resumed, NotResumed>, kind: ErrorKind) -> Connection {
    let Err(not) = result else {
        panic!("it was resumed");
    };
    assert_eq!(not.error().kind(), kind, "{not}");
    assert_eq!(not.to_string(), not.error().to_string());
    not.into_connection()
}

#[test]
fn a_server_that_lives_is_not_replaced() {
    let config = config();
    let (mut listener, server, mut client) = pair(&config, &config);
    let at = listener.path().to_path_buf();
    send(client.sender(), 0..3);
    client = refused(config.resume(&*at, client, shortly()), ErrorKind::PeerLives);
    // One half of it is not all of it, whichever it is.
    let (sender, receiver) = server.split();
    drop(sender);
    assert_eq!(end(&mut client), RecvError::Closed);
    client = refused(config.resume(&*at, client, shortly()), ErrorKind::PeerLives);
    drop(receiver);
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!(resumed.unseen(), 3);
    assert_eq!(rest(&mut server).len(), 3);
    // The other way round.
    let (sender, receiver) = server.split();
    drop(receiver);
    let mut client = resumed.connection;
    assert!(client.sender().check().is_err());
    client = refused(config.resume(&*at, client, shortly()), ErrorKind::PeerLives);
    drop(sender);
    assert_eq!(end(&mut client), RecvError::Closed);
    drop(resume(&mut listener, &config, client));
}

#[test]
fn a_stopped_server_is_not_dead() {
    alone(
        "refusals::a_stopped_server_is_not_dead",
        Duration::from_secs(60),
        || {
            let config = config();
            let at = path();
            let mut listener = config.bind(at.as_path()).unwrap();
            let mut child = fork(|| {
                let mut connection = config.connect(at.as_path()).unwrap();
                drop(connection.receiver().recv());
                std::thread::sleep(Duration::from_secs(50));
            });
            // Of those that accept none resumes.
            let mut accepted = listener.accept_deadline(soon()).unwrap();
            accepted.sender().send(b"x").unwrap();
            child.signal(libc::SIGKILL);
            child.reap_killed();
            assert_eq!(end(&mut accepted), RecvError::PeerDied);
            drop(refused(
                config.resume(at.as_path(), accepted, shortly()),
                ErrorKind::InvalidConfig,
            ));
            drop(listener);

            let page = Page::new();
            let mut child = fork(|| {
                let mut listener = config.bind(at.as_path()).unwrap();
                let mut server = listener.accept().unwrap();
                server.receiver().hold(true);
                drop(server.receiver().recv().unwrap());
                page.set(0, 1);
                std::thread::sleep(Duration::from_secs(50));
            });
            let mut client = super::client::connect(&config, &at);
            send(client.sender(), 0..3);
            page.until(0, 1);
            child.signal(libc::SIGSTOP);
            client = refused(
                config.resume(at.as_path(), client, shortly()),
                ErrorKind::PeerLives,
            );
            child.signal(libc::SIGKILL);
            child.reap_killed();
            // Nobody is there yet, and what there is to read has been read.
            client = refused(
                config.resume(at.as_path(), client, shortly()),
                ErrorKind::NotFound,
            );
            let mut listener = config.bind(at.as_path()).unwrap();
            let (mut server, resumed) = resume(&mut listener, &config, client);
            assert_eq!((resumed.unseen(), resumed.in_doubt()), (2, 1));
            let found = rest(&mut server);
            assert_eq!(found[0].1, Redelivery::InDoubt);
            assert_eq!(found[2].1, Redelivery::Unseen);
        },
    );
}

#[test]
fn the_child_of_a_fork_resumes_nothing_and_takes_nothing_away() {
    alone(
        "refusals::the_child_of_a_fork_resumes_nothing_and_takes_nothing_away",
        Duration::from_secs(60),
        || {
            let config = config();
            let at = path();
            let mut server = fork(|| {
                let mut listener = config.bind(at.as_path()).unwrap();
                let _server = listener.accept().unwrap();
                std::thread::sleep(Duration::from_secs(50));
            });
            let mut lost = super::client::connect(&config, &at);
            send(lost.sender(), 0..3);
            server.signal(libc::SIGKILL);
            server.reap_killed();
            assert_eq!(end(&mut lost), RecvError::PeerDied);
            let mut slot = Some(lost);
            let mut child = fork(|| {
                let lost = slot.take().unwrap();
                drop(refused(
                    config.resume(at.as_path(), lost, shortly()),
                    ErrorKind::Forked,
                ));
            });
            assert_eq!(child.reap(), 0);
            let lost = slot.take().unwrap();
            let mut listener = config.bind(at.as_path()).unwrap();
            let (mut server, resumed) = resume(&mut listener, &config, lost);
            assert_eq!(resumed.unseen(), 3);
            assert_eq!(rest(&mut server).len(), 3);
        },
    );
}

#[test]
fn last_frames_are_received_first() {
    let config = config();
    let (mut listener, mut server, mut client) = pair(&config, &config);
    let at = listener.path().to_path_buf();
    send(client.sender(), 0..3);
    server.sender().send(b"one").unwrap();
    server.sender().send(b"two").unwrap();
    drop(server);
    client = refused(config.resume(&*at, client, shortly()), ErrorKind::Unread);
    assert_eq!(client.receiver().recv().unwrap().to_vec(), b"one");
    client = refused(config.resume(&*at, client, shortly()), ErrorKind::Unread);
    assert_eq!(client.receiver().recv().unwrap().to_vec(), b"two");
    let (_server, resumed) = resume(&mut listener, &config, client);
    assert_eq!(resumed.unseen(), 3);
}

#[test]
fn who_did_not_ask_for_it_resumes_nothing() {
    let plain = config().resumable(false);
    let (listener, server, mut client) = pair(&config(), &plain);
    assert_eq!((client.lineage(), server.lineage()), (None, None));
    drop(server);
    assert_eq!(end(&mut client), RecvError::Closed);
    let at = listener.path().to_path_buf();
    client = refused(
        plain.resume(&*at, client, shortly()),
        ErrorKind::InvalidConfig,
    );
    drop(refused(
        config().resume(&*at, client, shortly()),
        ErrorKind::InvalidConfig,
    ));
}

#[test]
fn of_a_server_that_gives_no_account_everything_is_in_doubt() {
    let plain = config().resumable(false);
    let config = config();
    let (listener, mut server, mut client) = pair(&plain, &config);
    assert_eq!(server.lineage(), None);
    send(client.sender(), 0..4);
    drop(server.receiver().recv().unwrap());
    drop(server);
    end(&mut client);
    // One that takes nothing again is no place to go to.
    let mut listener = listener;
    let (at, mine) = (listener.path().to_path_buf(), config.clone());
    let resuming =
        std::thread::spawn(move || refused(mine.resume(at, client, soon()), ErrorKind::Feature));
    let late = soon();
    while listener.refusals() == 0 {
        assert!(Instant::now() < late, "nobody is refused");
        assert!(listener.accept_deadline(shortly()).is_err());
    }
    let refusal = listener.last_refusal().unwrap();
    assert_eq!(refusal.kind(), ErrorKind::Feature);
    assert!(
        refusal.to_string().contains("the client resumes"),
        "{refusal}"
    );
    let client = resuming.join().unwrap();
    drop(listener);
    let mut listener = config.bind(path()).unwrap();
    let (mut server, resumed) = resume(&mut listener, &config, client);
    // It had not told of its one release: those come in steps.
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (0, 4));
    let found = rest(&mut server);
    assert!(found.iter().all(|frame| frame.1 == Redelivery::InDoubt));
}

#[test]
fn what_does_not_fit_is_not_sent_and_not_lost() {
    let config = config().capacity(1 << 16).lanes(2);
    let (mut listener, server, mut client) = pair(&config, &config);
    for _ in 0..100 {
        client.sender().at(1).unwrap().send(&[7; 100]).unwrap();
    }
    drop(server);
    end(&mut client);
    let small = config.clone().capacity(4096).max_capacity(8192);
    let few = config.clone().lanes(1);
    for (next, kind) in [(small, ErrorKind::Geometry), (few, ErrorKind::Feature)] {
        let mut other = next.bind(path()).unwrap();
        let (at, mine) = (other.path().to_path_buf(), config.clone());
        let resuming = std::thread::spawn(move || refused(mine.resume(at, client, soon()), kind));
        let late = soon();
        while other.refusals() == 0 {
            assert!(Instant::now() < late, "nobody is refused");
            assert!(other.accept_deadline(shortly()).is_err());
        }
        client = resuming.join().unwrap();
    }
    let (mut server, resumed) = resume(&mut listener, &config, client);
    assert_eq!(resumed.unseen(), 100);
    assert_eq!(rest(&mut server).len(), 100);
}

/// A client that has sent three frames to a server that has ended, and where that listened.
fn left_alone(config: &Config) -> (Connection, PathBuf) {
    let (listener, server, mut client) = pair(config, config);
    send(client.sender(), 0..3);
    let at = listener.path().to_path_buf();
    drop((server, listener));
    end(&mut client);
    (client, at)
}

#[test]
fn a_server_that_comes_late_is_waited_for() {
    let config = config();
    let (mut client, at) = left_alone(&config);
    let began = Instant::now();
    client = refused(
        config.resume(&*at, client, Instant::now() + Duration::from_millis(50)),
        ErrorKind::NotFound,
    );
    assert!(began.elapsed() >= Duration::from_millis(50));
    // A deadline that has passed is one attempt.
    client = refused(config.resume(&*at, client, began), ErrorKind::NotFound);
    let late = std::thread::spawn({
        let (config, at) = (config.clone(), at.clone());
        move || {
            std::thread::sleep(Duration::from_millis(100));
            let mut listener = config.bind(at).unwrap();
            let server = listener.accept_deadline(soon()).unwrap();
            (server, listener)
        }
    });
    let resumed = config.resume(&*at, client, soon()).unwrap();
    assert_eq!(resumed.unseen(), 3);
    let (mut server, _listener) = late.join().unwrap();
    assert_eq!(rest(&mut server).len(), 3);
}

#[test]
fn halves_of_two_connections_are_not_put_together() {
    let config = config();
    let (mut listener, _server, one) = pair(&config, &config);
    let (_also, two) = meet(&mut listener, |path| config.connect(path).unwrap());
    let (one, two) = (one.split(), two.split());
    let unrelated = Connection::reunite(one.0, two.1).unwrap_err();
    assert!(unrelated.to_string().contains("different connections"));
    assert!(Connection::reunite(*unrelated.sender, one.1).is_ok());
    assert!(Connection::reunite(two.0, *unrelated.receiver).is_ok());
}

/// Handshakes under way end by themselves, and soon: too many of them are no reason to give up, as a lack would be.
#[test]
fn a_listener_that_is_merely_full_is_asked_again() {
    let config = config();
    let (client, at) = left_alone(&config);
    let full = config.clone().limits(Limits::new().handshakes(1));
    let mut listener = full.bind(&*at).unwrap();
    // It has the only place, and says no more.
    let mut mute = config.dial(&*at).unwrap();
    drop(mute.step().unwrap());
    while listener.handshakes() == 0 {
        assert!(listener.try_accept().unwrap().is_none());
    }
    std::thread::scope(|scope| {
        let resuming = scope.spawn(|| config.resume(&*at, client, soon()).unwrap());
        while listener.refusals() < 3 && !resuming.is_finished() {
            assert!(listener.accept_deadline(shortly()).is_err());
        }
        let full = listener.last_refusal().unwrap();
        assert_eq!(full.kind(), ErrorKind::Busy, "{full}");
        drop(mute);
        let mut server = listener.accept_deadline(soon()).unwrap();
        assert_eq!(resuming.join().unwrap().unseen(), 3);
        assert_eq!(rest(&mut server).len(), 3);
    });
}
