//! Resuming step by step: no step waits for anybody, and whatever fails gives the connection back.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{
    Config, Connection, ErrorKind, Listener, RecvError, Redial, RedialStep, Resumed, typed,
};

use super::client::soon;
use super::orderly::{config, end, pair, path, rest, send};
use super::refusals::shortly;
use super::server::Request;

/// A client whose server has ended in order, with three frames that it has not received.
fn lost(config: &Config) -> (Listener, Connection) {
    let (listener, server, mut client) = pair(config, config);
    send(client.sender(), 0..3);
    drop(server);
    assert_eq!(end(&mut client), RecvError::Closed);
    (listener, client)
}

/// Steps it and the listener in turns, in one thread.
fn finish(redial: &mut Redial, listener: &mut Listener) -> (Connection, Resumed) {
    let mut server = None;
    let late = soon();
    loop {
        server = listener.try_accept().unwrap().or(server);
        match redial.step().unwrap() {
            RedialStep::Done(resumed) => return (server.unwrap(), resumed),
            RedialStep::Waits => assert!(redial.line().is_some()),
            RedialStep::Later => {}
        }
        assert!(Instant::now() < late);
    }
}

/// Steps it to its failure.
fn failure(redial: &mut Redial) -> ErrorKind {
    loop {
        match redial.step() {
            Ok(RedialStep::Done(_)) => panic!("it was resumed"),
            Ok(_) => thread::sleep(Duration::from_millis(1)),
            Err(error) => break error.kind(),
        }
    }
}

fn redial(config: &Config, at: &Path, lost: Connection, deadline: Instant) -> Redial {
    config.redial(at, lost, deadline).unwrap()
}

#[test]
fn one_thread_resumes_and_accepts() {
    let config = config();
    let (mut listener, client) = lost(&config);
    let at = listener.path().to_path_buf();
    let mut again = redial(&config, &at, client, soon());
    assert!(again.line().is_none());
    assert!(matches!(again.step(), Ok(RedialStep::Waits)));
    let line = again.line().unwrap().as_raw_fd();
    assert!(matches!(again.step(), Ok(RedialStep::Waits)));
    assert_eq!(again.line().unwrap().as_raw_fd(), line, "the same attempt");
    assert!(again.deadline() <= Instant::now() + Duration::from_secs(20));
    let (mut server, resumed) = finish(&mut again, &mut listener);
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (3, 0));
    assert_eq!(rest(&mut server).len(), 3);
    // What is over is over.
    assert!(again.line().is_none());
    assert_eq!(failure(&mut again), ErrorKind::InvalidConfig);
    assert!(again.into_connection().is_none());
}

#[test]
fn it_is_tried_again_until_somebody_listens_and_given_back_where_nobody_does() {
    let config = config();
    let (listener, client) = lost(&config);
    let at = listener.path().to_path_buf();
    drop(listener);
    let mut vain = redial(&config, &at, client, shortly());
    assert_eq!(failure(&mut vain), ErrorKind::NotFound);
    assert!(Instant::now() >= vain.deadline(), "it was tried until then");
    assert_eq!(
        failure(&mut vain),
        ErrorKind::InvalidConfig,
        "and not behind"
    );
    let client = vain.into_connection().unwrap();
    let mut again = redial(&config, &at, client, soon());
    for _ in 0..5 {
        assert!(matches!(again.step(), Ok(RedialStep::Later)));
        assert!(again.line().is_none());
        thread::sleep(Duration::from_millis(2));
    }
    let mut listener = config.bind(at.as_path()).unwrap();
    let (mut server, resumed) = finish(&mut again, &mut listener);
    assert_eq!(resumed.unseen(), 3);
    assert_eq!(rest(&mut server).len(), 3);
}

/// The next server does not answer in the time that a handshake has; the one behind it does.
#[test]
fn an_attempt_that_nobody_answers_is_followed_by_another() {
    let config = config();
    let (deaf, client) = lost(&config);
    let at = deaf.path().to_path_buf();
    let hasty = config.clone().handshake_timeout(Duration::from_millis(30));
    let mut again = redial(&hasty, &at, client, soon());
    while !matches!(again.step().unwrap(), RedialStep::Waits) {}
    let first = again.deadline();
    while Instant::now() < first {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(
        again.step(),
        Ok(RedialStep::Later | RedialStep::Waits)
    ));
    assert!(again.deadline() > first);
    // It has more time than the haste of the one before gave it.
    let client = again.into_connection().unwrap();
    drop(deaf);
    let mut listener = config.bind(at.as_path()).unwrap();
    let mut again = redial(&config, &at, client, soon());
    let (_server, resumed) = finish(&mut again, &mut listener);
    assert_eq!(resumed.unseen(), 3);
}

#[test]
fn what_cannot_be_resumed_is_given_back_by_the_first_step() {
    let config = config();
    let (_listener, _server, client) = pair(&config, &config);
    let mut lives = redial(&config, &path(), client, soon());
    assert_eq!(failure(&mut lives), ErrorKind::PeerLives);
    let mut client = lives.into_connection().unwrap();
    assert_eq!(client.sender().send(b"x"), Ok(()));
    let not = config
        .clone()
        .lanes(9)
        .redial(path(), client, soon())
        .unwrap_err();
    assert_eq!(not.error().kind(), ErrorKind::InvalidConfig);
    let mut client = not.into_connection();
    assert_eq!(client.sender().send(b"x"), Ok(()));
    let plain = Config::new();
    let mut not = redial(&plain, &path(), client, soon());
    assert_eq!(failure(&mut not), ErrorKind::InvalidConfig);
}

/// Longer than a server that is there needs, however late it is: one that has not answered within a tenth of a millisecond was given up.
#[test]
fn an_attempt_has_time_whatever_the_deadline() {
    let config = config();
    let (mut listener, mut client) = lost(&config);
    let at = listener.path().to_path_buf();
    let late = soon();
    loop {
        let mut redial = redial(&config, &at, client, Instant::now());
        let mut server = None;
        let met = loop {
            // Between its two turns, and between its first step and its second.
            thread::sleep(Duration::from_millis(2));
            server = listener.try_accept().unwrap().or(server);
            match redial.step() {
                Ok(RedialStep::Done(resumed)) => break Some(resumed),
                Ok(_) => {}
                // The host may have had something else to do for so long.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TimedOut);
                    break None;
                }
            }
        };
        if let Some(resumed) = met {
            assert_eq!(resumed.unseen(), 3);
            return;
        }
        assert!(Instant::now() < late, "no attempt is long enough");
        client = redial.into_connection().unwrap();
    }
}

/// What no server of requests expects.
#[derive(typed::Message, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Other {
    other: f64,
}

/// With the schemas of the call, which are compared anew: a server of something else takes nothing over, and takes nothing away.
#[test]
fn messages_are_resumed_step_by_step() {
    let config = config();
    let at = path();
    let mut listener = typed::Listener::<Request, Request>::bind_with(&config, at.clone()).unwrap();
    let connects = thread::spawn({
        let (config, at) = (config.clone(), at.clone());
        move || typed::connect_with::<Request, Request>(&config, at).unwrap()
    });
    let server = listener.accept_deadline(soon()).unwrap();
    let mut client = connects.join().unwrap();
    for number in 0..3 {
        let request = Request { number, rest: 1 };
        client.sender().send(&request).unwrap();
    }
    drop((server, listener));
    assert!(client.receiver().recv().unwrap_err().is_closed());

    let bad = config.clone().lanes(9);
    let not = typed::Connection::redial(&bad, at.clone(), client, soon()).unwrap_err();
    assert_eq!(not.error().kind(), ErrorKind::InvalidConfig);
    let client = not.into_connection();

    let mut other = typed::Listener::<Other, Other>::bind_with(&config, at.clone()).unwrap();
    let mut vain = typed::Connection::redial(&config, at.clone(), client, soon()).unwrap();
    let refused = loop {
        assert!(other.try_accept().map_or(true, |client| client.is_none()));
        match vain.step() {
            Ok(RedialStep::Done(_)) => panic!("it was resumed"),
            Ok(RedialStep::Waits) => assert!(vain.line().is_some()),
            Ok(RedialStep::Later) => assert!(vain.pause() <= Duration::from_millis(10)),
            Err(error) => break error,
        }
        assert!(Instant::now() < vain.deadline());
    };
    assert_eq!(refused.kind(), ErrorKind::Schema, "{refused}");
    let client = vain.into_connection().unwrap();
    drop(other);

    let mut listener = typed::Listener::<Request, Request>::bind_with(&config, at.clone()).unwrap();
    let mut again = typed::Connection::redial(&config, at, client, soon()).unwrap();
    let mut server = None;
    let resumed = loop {
        server = listener.try_accept().unwrap().or(server);
        match again.step().unwrap() {
            RedialStep::Done(resumed) => break resumed,
            RedialStep::Waits | RedialStep::Later => assert!(Instant::now() < again.deadline()),
        }
    };
    assert_eq!((resumed.unseen(), resumed.in_doubt()), (3, 0));
    assert!(again.into_connection().is_none());
    let (mut server, mut client) = (server.unwrap(), resumed.connection);
    for number in 0..3 {
        assert_eq!(server.receiver().recv().unwrap().number, number);
    }
    let answer = Request { number: 9, rest: 0 };
    server.sender().send(&answer).unwrap();
    assert_eq!(client.receiver().recv().unwrap().number, 9);
}
