//! Many things at once: rings, and clients that come and go.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use ringway::{Arm, Config, Connection, ErrorKind, Event, Listener, Poller, RecvError, Wait};

use crate::process::alone;
use crate::server::{path, smallest, soon};

const LIMIT: Duration = Duration::from_secs(120);
/// More than the kernel tells at once.
const MANY: usize = 300;

/// A loop that waits for edges is told once: what the poller has not taken from the kernel yet must not be left there.
#[test]
fn a_poller_is_not_armed_while_the_kernel_has_more_to_tell() {
    alone(
        "storm::a_poller_is_not_armed_while_the_kernel_has_more_to_tell",
        LIMIT,
        last_of_many,
    );
}

fn last_of_many() {
    let name = path("edges");
    let config = smallest().raise_descriptor_limit(true);
    let mut poller: Poller = Poller::new().unwrap();
    poller
        .listen(config.bind(name.as_path()).unwrap(), |connection| {
            connection
        })
        .unwrap();
    let mut clients: Vec<Connection> = Vec::new();
    let mut tokens = Vec::new();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| -> Vec<_> {
            (0..MANY)
                .map(|_| config.connect(name.as_path()).unwrap())
                .collect()
        });
        while tokens.len() < MANY {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Connected(turn)) => tokens.push(turn.token()),
                other => panic!("{other:?}"),
            }
        }
        clients = connecting.join().unwrap();
    });
    while poller.arm().unwrap() == Arm::Ready {
        assert!(poller.try_event().unwrap().is_none());
    }
    // All sleep, and each is rung. All but the last are found by looking, so that their rings are of no use any more.
    for client in &mut clients {
        client.sender().send(b"question").unwrap();
    }
    let (last, found) = tokens.split_last().unwrap();
    for token in found {
        let connection = poller.get_mut(*token).unwrap();
        drop(connection.receiver().try_recv().unwrap());
    }
    let mut events = 0;
    while poller.arm().unwrap() == Arm::Ready {
        match poller.try_event().unwrap() {
            None => {}
            Some(Event::Ready(mut turn)) => {
                assert_eq!(turn.token(), *last);
                drop(turn.receiver().try_recv().unwrap());
                events += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events, 1, "the last one's ring was told");
}

/// While clients come without end, one that sleeps is heard.
#[test]
fn a_storm_of_clients_starves_nobody() {
    alone("storm::a_storm_of_clients_starves_nobody", LIMIT, storm);
}

fn storm() {
    let name = path("storm");
    let config = smallest();
    let mut poller: Poller = Poller::new().unwrap();
    let door = poller
        .listen(config.bind(name.as_path()).unwrap(), |connection| {
            connection
        })
        .unwrap();
    let over = AtomicBool::new(false);
    let (mut connected, mut run, mut longest, mut answered) = (0, 0, 0, 0);
    thread::scope(|scope| {
        let quiet = scope.spawn(|| config.clone().wait(Wait::Park).connect(name.as_path()));
        let Some(Event::Connected(turn)) = poller.event_deadline(soon()).unwrap() else {
            panic!("the quiet one comes first");
        };
        let quiet_token = turn.token();
        let mut quiet = quiet.join().unwrap().unwrap();
        for _ in 0..20 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    drop(config.connect(name.as_path()));
                }
            });
        }
        let mut asked = false;
        while connected < 3_000 {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Connected(_)) => {
                    connected += 1;
                    run += 1;
                    longest = longest.max(if asked { run } else { 0 });
                    if !asked {
                        quiet.sender().send(b"question").unwrap();
                        (asked, run) = (true, 0);
                    }
                }
                Some(Event::Ready(mut turn)) => {
                    assert_eq!(turn.token(), quiet_token);
                    drop(turn.receiver().try_recv().unwrap());
                    answered += 1;
                    asked = false;
                }
                Some(Event::Ended(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        over.store(true, Ordering::Relaxed);
        assert!(poller.stop(door));
    });
    assert!(answered > 10, "{answered}");
    assert!(
        longest < 100,
        "{longest} clients came in before one that was there"
    );
}

fn pair(name: &str, config: &Config) -> (Connection, Connection) {
    let path = path(name);
    let mut listener: Listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

/// Who waits for room at a peer that has gone still receives what that had sent.
#[test]
fn what_was_sent_before_the_end_comes_to_who_waits_for_room() {
    for closes_both in [true, false] {
        let (server, client) = pair(&format!("room-{closes_both}"), &smallest());
        let mut poller: Poller = Poller::new().unwrap();
        let token = poller.add(server).unwrap();
        while poller
            .get_mut(token)
            .unwrap()
            .sender()
            .try_send(&[0; 64])
            .is_ok()
        {}
        assert!(poller.until_room(token, 64));
        let (mut sender, receiver) = client.split();
        for number in 0..3u8 {
            sender.send(&[number]).unwrap();
        }
        drop(receiver);
        let rest = if closes_both {
            drop(sender);
            None
        } else {
            Some(sender)
        };
        let mut heard = Vec::new();
        while heard.len() < 3 {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => {
                    heard.push(turn.receiver().try_recv().unwrap().to_vec()[0]);
                }
                other => panic!("{other:?} after {heard:?}"),
            }
        }
        assert_eq!(heard, [0, 1, 2]);
        if let Some(mut sender) = rest {
            // It lives, and goes on.
            sender.send(&[3]).unwrap();
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => {
                    assert_eq!(turn.receiver().try_recv().unwrap().to_vec(), [3]);
                }
                other => panic!("{other:?}"),
            }
        }
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ended(ended)) => assert_eq!(ended.end, RecvError::Closed),
            other => panic!("{other:?}"),
        }
    }
}

/// A name is a connection's or a listener's.
#[test]
fn a_listener_is_no_connection() {
    let mut poller: Poller = Poller::new().unwrap();
    let (server, client) = pair("names", &smallest());
    let listener = Listener::bind(path("names-listener").as_path()).unwrap();
    let door = poller.listen(listener, |connection| connection).unwrap();
    let connection = poller.add(server).unwrap();
    assert_ne!(door, connection);
    assert!(poller.remove(door).is_none() && poller.get_mut(door).is_none());
    assert!(!poller.stop(connection));
    assert_eq!((poller.len(), poller.hot()), (1, 1));
    assert!(poller.remove(connection).is_some() && poller.stop(door));
    assert_eq!(poller.hot(), 0);
    drop(client);
}

/// Connects without a word, if the kernel's queue has room.
fn queue_up(path: &Path) -> Result<OwnedFd, nix::Error> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let line = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
    connect(line.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(line)
}

/// While the kernel has no room for one more client, those who come try again, to their deadlines; those who are there notice nothing.
#[test]
fn a_full_queue_of_clients_only_delays_others() {
    alone(
        "storm::a_full_queue_of_clients_only_delays_others",
        LIMIT,
        full_queue,
    );
}

fn full_queue() {
    let name = path("queue");
    let config = smallest().raise_descriptor_limit(true);
    let mut listener = config.bind(name.as_path()).unwrap();
    let (mut ours, mut theirs) = thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(name.as_path()).unwrap());
        let ours = listener.accept_deadline(soon()).unwrap();
        (ours, client.join().unwrap())
    });
    let mut queue = Vec::new();
    let full = loop {
        match queue_up(&name) {
            Ok(line) => queue.push(line),
            Err(error) => break error,
        }
    };
    assert_eq!(full, nix::Error::EAGAIN, "behind {} clients", queue.len());
    // One more than was asked for, or what the host allows.
    assert!(queue.len() <= 1025, "{} in the queue", queue.len());
    let short = config.clone().handshake_timeout(Duration::from_millis(50));
    let error = short.connect(name.as_path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    theirs.sender().send(b"as before").unwrap();
    let frame = ours.receiver().recv_deadline(soon()).unwrap();
    assert_eq!(frame.to_vec(), b"as before");
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(name.as_path()).unwrap());
        drop(queue);
        drop(listener.accept_deadline(soon()).unwrap());
        client.join().unwrap();
    });
    assert_eq!(listener.refusals(), 0, "who said nothing is no refusal");
}
