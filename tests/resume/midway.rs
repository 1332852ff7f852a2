//! Killed or stopped in the midst of a resume: the client that resumes, or the server that it resumes with, at the entry and the exit of each of its system calls.
//!
//! `RINGWAY_STEPS=all` takes each of them, else some are left out.

use std::path::Path;
use std::time::{Duration, Instant};

use ringway::{Config, Connection, ErrorKind, Event, Poller, RecvError, Redelivery, SendError};

use super::client::{connect, soon};
use super::orderly::{end, path, rest, send};
use super::process::{Child, Page, alone, fork};
use super::traced::{self, Traced, halt};

const LIMIT: Duration = Duration::from_secs(300);

// Words of the page.
const BOUND: usize = 0;
const READY: usize = 1;
/// What is under way has been done.
const DONE: usize = 2;
const OVER: usize = 3;
/// Frames that the next server has had, and how many handshakes it has ended otherwise.
const HAD: usize = 4;
const REFUSED: usize = 5;
const HEARD: usize = 6;
const GO: usize = 7;
/// Handshakes that the next server has under way, and how often it has said so.
const UNDER_WAY: usize = 8;
const ROUNDS: usize = 9;
/// The next server has come to the stop that it is to come to, or has gone by.
const STANDS: usize = 10;

/// What the client has sent: of the first one it is in doubt whether it was handled.
const FRAMES: std::ops::Range<u8> = 0..4;

fn config() -> Config {
    super::orderly::config().wait(ringway::Wait::Park)
}

/// Every so many stops one is tried.
fn stride(usual: usize) -> usize {
    let all = std::env::var("RINGWAY_STEPS").is_ok_and(|value| value == "all");
    if all { 1 } else { usual }
}

/// A connection that has lost its server, which had seen the first frame of it.
fn lost(path: &Path, page: &Page) -> Connection {
    let mut client = connect(&config(), path);
    send(client.sender(), FRAMES);
    page.set(READY, 1);
    assert_eq!(end(&mut client), RecvError::PeerDied);
    client
}

/// Runs `resumes` in a process that has just [`lost`] its server.
fn with_lost(path: &Path, page: &Page, resumes: impl FnOnce(Connection)) -> Child {
    let mut first = fork(|| {
        let mut listener = config().bind(path).unwrap();
        page.set(BOUND, 1);
        let mut server = listener.accept_deadline(soon()).unwrap();
        page.until(READY, 1);
        let _frame = server.receiver().recv().unwrap();
        page.set(READY, 2);
        std::thread::sleep(Duration::from_secs(100));
    });
    page.until(BOUND, 1);
    let client = fork(|| resumes(lost(path, page)));
    page.until(READY, 2);
    first.signal(libc::SIGKILL);
    first.reap_killed();
    client
}

/// That it is all of it, once and in order, and what is said of it.
fn is_all(found: &[(u8, Redelivery, u64)]) {
    let numbers: Vec<u8> = found.iter().map(|frame| frame.0).collect();
    assert_eq!(numbers, FRAMES.collect::<Vec<u8>>());
    assert_eq!(found[0].1, Redelivery::InDoubt);
    assert!(found[1..].iter().all(|frame| frame.1 == Redelivery::Unseen));
}

/// The next server: lets in whoever comes, until it is told that it is over, and has all that a connection has before this ends.
fn serve(path: &Path, page: &Page, patience: Duration) {
    let mut poller: Poller = Poller::new().unwrap();
    let listener = config().handshake_timeout(patience).bind(path).unwrap();
    let door = poller.listen(listener, |connection| connection).unwrap();
    page.set(BOUND, 2);
    while page.get(OVER) == 0 || !poller.is_empty() {
        match poller
            .event_deadline(Instant::now() + Duration::from_millis(5))
            .unwrap()
        {
            Some(Event::Ready(mut turn)) => {
                let found = rest(&mut turn);
                is_all(&found);
                page.set(HAD, page.get(HAD) + found.len() as u64);
            }
            Some(Event::Ended(ended)) => {
                assert!(matches!(ended.end, RecvError::PeerDied | RecvError::Closed));
            }
            Some(Event::Stalled { error, .. }) => panic!("{error}"),
            _ => {}
        }
        let listener = poller.listener(door).unwrap();
        page.set(REFUSED, listener.refusals());
        page.set(UNDER_WAY, listener.handshakes() as u64);
        page.set(ROUNDS, page.get(ROUNDS) + 1);
    }
}

/// Has `traced` go on for so many stops, or until what is under way is done. Returns whether that came first.
fn go_on(traced: &Traced, stops: usize, page: &Page) -> bool {
    (0..stops).any(|_| {
        traced.to_call();
        page.get(DONE) == 1
    })
}

/// Resumes, to a server that is to come.
fn resume(config: &Config, path: &Path, lost: Connection) -> Connection {
    match config.resume(path, lost, soon()) {
        Ok(resumed) => resumed.connection,
        Err(not) => panic!("{not}"),
    }
}

/// The client comes to the `at`th stop of its resume, and then `then`. Returns whether it was done before, and how many frames the next server had.
fn client_at(
    at: usize,
    patience: Duration,
    then: impl FnOnce(Traced, &Page, &Path),
) -> (bool, usize) {
    let (page, path) = (Page::new(), path());
    let client = with_lost(&path, &page, |lost| {
        halt();
        let resumed = resume(&config(), &path, lost);
        page.set(DONE, 1);
        page.until(GO, 1);
        drop(resumed);
    });
    let traced = Traced::new(client);
    let mut next = fork(|| serve(&path, &page, patience));
    page.until(BOUND, 2);
    let done = go_on(&traced, at, &page);
    then(traced, &page, &path);
    page.set(OVER, 1);
    assert_eq!(next.reap(), 0, "at stop {at}");
    let had = page.get(HAD) as usize;
    assert!(had == 0 || had == FRAMES.len(), "{had} at stop {at}");
    page.unmap();
    (done, had)
}

#[test]
fn a_client_killed_in_a_resume_leaves_all_or_nothing_to_the_next_server() {
    let name = "midway::a_client_killed_in_a_resume_leaves_all_or_nothing_to_the_next_server";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let (mut nothing, mut all, mut at) = (0, 0, 0);
        loop {
            let (done, had) = client_at(at, Duration::from_secs(20), |traced, _, path| {
                traced.kill();
                // Whoever else comes is let in.
                drop(connect(&config(), path));
            });
            nothing += u32::from(had == 0);
            all += u32::from(had > 0);
            if done {
                break;
            }
            at += stride(9);
        }
        println!("{at} stops; the next server had nothing {nothing} times, and all {all} times");
        assert!(nothing > 0 && all > 0);
    });
}

#[test]
fn a_client_stopped_in_a_resume_holds_nobody_up_and_resumes_when_it_goes_on() {
    let name = "midway::a_client_stopped_in_a_resume_holds_nobody_up_and_resumes_when_it_goes_on";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let (mut at, mut refused) = (0, 0);
        loop {
            let patience = Duration::from_millis(300);
            let (done, had) = client_at(at, patience, |traced, page, path| {
                drop(connect(&config(), path));
                let rounds = page.get(ROUNDS);
                while page.get(ROUNDS) < rounds + 2 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // If it was in a handshake, until that has run out of time.
                while page.get(UNDER_WAY) > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                refused += u32::from(page.get(REFUSED) > 0);
                let mut client = traced.let_go();
                page.until(DONE, 1);
                page.set(GO, 1);
                assert_eq!(client.reap(), 0, "at stop {at}");
            });
            assert_eq!(had, FRAMES.len(), "at stop {at}");
            if done {
                break;
            }
            at += stride(25);
        }
        println!("{at} stops; {refused} times it was refused meanwhile");
        assert!(refused > 0);
    });
}

/// The next server comes to the `at`th stop of its handshake with one that resumes, and then `then`; the one behind it has all. Returns whether the handshake was done before.
fn server_at(
    at: usize,
    then: impl FnOnce(Traced, &Page),
    resumes: impl FnOnce(&Path, &Page, Connection) -> Connection,
) -> bool {
    let (page, path) = (Page::new(), path());
    let mut client = with_lost(&path, &page, |lost| {
        // Once the server is on its way.
        page.until(BOUND, 2);
        let mut connection = resumes(&path, &page, lost);
        loop {
            match end(&mut connection) {
                RecvError::Closed => return,
                // Of the one that is killed when it had said that it is ready.
                RecvError::PeerDied => connection = resume(&config(), &path, connection),
                other => panic!("{other}"),
            }
        }
    });
    let next = fork(|| {
        let mut listener = config().bind(path.as_path()).unwrap();
        page.set(BOUND, 2);
        halt();
        let accepted = listener.accept_deadline(soon()).unwrap();
        page.set(DONE, 1);
        page.until(GO, 1);
        drop(accepted);
    });
    let traced = Traced::new(next);
    let done = go_on(&traced, at, &page);
    page.set(STANDS, 1);
    then(traced, &page);
    let mut last = config().bind(path.as_path()).unwrap();
    let mut server = last.accept_deadline(soon()).unwrap();
    server.receiver().wait_for_frame(Some(soon())).unwrap();
    is_all(&rest(&mut server));
    drop(server);
    assert_eq!(client.reap(), 0, "at stop {at}");
    page.unmap();
    done
}

#[test]
fn a_server_killed_in_the_handshake_of_a_resume_has_cost_nothing() {
    let name = "midway::a_server_killed_in_the_handshake_of_a_resume_has_cost_nothing";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let mut at = 0;
        let killed = |traced: Traced, _: &Page| traced.kill();
        let resumes = |path: &Path, _: &Page, lost| resume(&config(), path, lost);
        while !server_at(at, killed, resumes) {
            at += stride(9);
        }
        println!("{at} stops");
    });
}

/// A client that gives up has its connection back; one that had been let in finds that its server lives.
#[test]
fn a_server_stopped_in_the_handshake_of_a_resume_is_not_dead() {
    let name = "midway::a_server_stopped_in_the_handshake_of_a_resume_is_not_dead";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        let (mut at, mut heard) = (0, [0; 3]);
        loop {
            let mut here = 0;
            let done = server_at(
                at,
                |traced, page| {
                    while page.get(HEARD) == 0 {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                    here = page.get(HEARD) as usize;
                    traced.kill();
                    page.set(GO, 1);
                },
                |path, page, mut lost| {
                    let mut patience = Duration::from_millis(100);
                    let refused = loop {
                        match config().resume(path, lost, Instant::now() + patience) {
                            Err(not) => {
                                assert_eq!(not.error().kind(), ErrorKind::TimedOut, "{not}");
                                let standing = page.get(STANDS) == 1;
                                if standing {
                                    page.set(HEARD, 1);
                                    break not.into_connection();
                                }
                                // The server is on its way still, and comes to no later stop of a handshake with one that has given up.
                                lost = not.into_connection();
                                patience *= 4;
                            }
                            Ok(resumed) => {
                                let not = config().resume(path, resumed.connection, soon());
                                let not = not.map(drop).unwrap_err();
                                assert_eq!(not.error().kind(), ErrorKind::PeerLives, "{not}");
                                page.set(HEARD, 2);
                                break not.into_connection();
                            }
                        }
                    };
                    page.until(GO, 1);
                    refused
                },
            );
            heard[here] += 1;
            // Done with one that had just given up: once more.
            if done && here == 2 {
                break;
            }
            if !done {
                at += stride(15);
            }
        }
        println!(
            "{at} stops; not let in {} times, let in {} times",
            heard[1], heard[2]
        );
        assert!(heard[1] > 0 && heard[2] > 0);
    });
}

/// A server that says goodbye for one of its halves and is killed before the other one's is as dead as any.
#[test]
fn a_server_killed_between_its_two_goodbyes_is_replaced() {
    let name = "midway::a_server_killed_between_its_two_goodbyes_is_replaced";
    alone(name, LIMIT, || {
        if !traced::is_there() {
            return;
        }
        for is_sender_first in [false, true] {
            let path = path();
            let server = fork(|| {
                let mut listener = config().bind(path.as_path()).unwrap();
                let mut server = listener.accept_deadline(soon()).unwrap();
                server.receiver().hold(true);
                drop(server.receiver().recv().unwrap());
                halt();
                if is_sender_first {
                    let (sender, _receiver) = server.split();
                    drop(sender);
                }
            });
            let mut client = connect(&config(), &path);
            send(client.sender(), FRAMES);
            let server = Traced::new(server);
            let said = |client: &mut Connection| {
                if is_sender_first {
                    client.receiver().try_recv().map(drop) == Err(RecvError::Closed)
                } else {
                    client.sender().check() == Err(SendError::Closed)
                }
            };
            while !said(&mut client) {
                server.step();
            }
            server.kill();
            let expected = if is_sender_first {
                RecvError::Closed
            } else {
                RecvError::PeerDied
            };
            assert_eq!(end(&mut client), expected);
            let mut listener = config().bind(path.as_path()).unwrap();
            let (mut next, resumed) = super::orderly::resume(&mut listener, &config(), client);
            is_all(&rest(&mut next));
            assert_eq!((resumed.unseen(), resumed.in_doubt()), (3, 1));
        }
    });
}
