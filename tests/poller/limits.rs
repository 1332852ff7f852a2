//! Limits: of descriptors, and what one uid is granted.

use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::{Arm, Config, ErrorKind, Event, Limits, Listener, Poller, Wait};

use crate::exchange::{asleep, pair, readable};
use crate::forbid::forbid_with;
use crate::peer;
use crate::process::{Page, alone, fork};
use crate::server::{Client, Seen, ask, path, serve, smallest, soon};

const LIMIT: Duration = Duration::from_secs(120);

/// Sets this process's soft limit of descriptors.
fn soft_limit(descriptors: u64) {
    setrlimit(Resource::RLIMIT_NOFILE, descriptors, limits().1).unwrap();
}

/// The soft and the hard one.
fn limits() -> (u64, u64) {
    getrlimit(Resource::RLIMIT_NOFILE).unwrap()
}

/// Lets this process open no descriptor more.
fn leave_none() -> u64 {
    // The lowest number that is free is the first that may not be had.
    let probe = std::fs::File::open("/dev/null").unwrap();
    let next = u64::try_from(probe.as_raw_fd()).unwrap();
    drop(probe);
    soft_limit(next);
    assert!(std::fs::File::open("/dev/null").is_err());
    next
}

#[test]
fn accepting_stalls_and_goes_on_when_descriptors_return() {
    alone(
        "limits::accepting_stalls_and_goes_on_when_descriptors_return",
        LIMIT,
        || {
            let name = path("stalls");
            let mut poller = Poller::new().unwrap();
            let listener = smallest().bind(name.as_path()).unwrap();
            let door = poller.listen(listener, Client::new).unwrap();
            let page = Page::new();
            let mut peers = fork(|| {
                let connect = || smallest().connect(name.as_path()).unwrap();
                let mut first: Vec<_> = (0..10).map(|_| connect()).collect();
                ask(&mut first[9], 10);
                page.set(0, 1);
                page.until(1, 1);
                ask(&mut connect(), 10);
            });
            let mut seen = Seen::default();
            serve(&mut poller, &mut seen, |seen| {
                seen.connected == 10 && page.get(0) == 1
            });
            let tokens: Vec<_> = poller.tokens().collect();
            let soft = leave_none();
            page.set(1, 1);
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Stalled { listener, error }) => {
                    assert_eq!((listener, error.kind()), (door, ErrorKind::Resources));
                    let text = error.to_string();
                    let needed = (soft + 9).to_string();
                    for part in [&soft.to_string(), &needed, "raise", "ulimit -n"] {
                        assert!(text.contains(part), "{text}");
                    }
                }
                other => panic!("{other:?}"),
            }
            // It is told once, and asking again takes no thread's whole time.
            let mut in_a_while = || {
                let wakes = poller.wakes();
                let until = Instant::now() + Duration::from_millis(200);
                assert!(poller.event_deadline(until).unwrap().is_none());
                poller.wakes() - wakes
            };
            // Again where this thread stood still until the moment was over, and did not sleep.
            let wakes = (0..100).map(|_| in_a_while()).find(|wakes| *wakes > 0);
            let wakes = wakes.unwrap_or(0);
            assert!((1..=12).contains(&wakes), "{wakes} wakes in 200 ms");
            // What returns is enough for the one that waits, without any limit being raised.
            for token in tokens.iter().take(5) {
                assert!(
                    poller.remove(*token).is_some(),
                    "although no descriptor is left"
                );
            }
            serve(&mut poller, &mut seen, |seen| seen.ended.len() == 6);
            assert_eq!((seen.connected, seen.stalled.len()), (11, 0));
            assert_eq!(peers.reap(), 0);
        },
    );
}

#[test]
fn the_soft_limit_is_raised_where_that_is_asked_for() {
    alone(
        "limits::the_soft_limit_is_raised_where_that_is_asked_for",
        LIMIT,
        || {
            drop(Listener::bind(path("raise")).unwrap());
            let soft = leave_none();
            let (_, hard) = limits();
            assert!(soft < hard);
            assert!(Listener::bind(path("raise")).is_err());
            assert_eq!(limits().0, soft, "not unasked");
            let raising = Config::new().raise_descriptor_limit(true);
            drop(raising.bind(path("raise")).unwrap());
            assert_eq!(limits().0, hard);
        },
    );
}

#[test]
fn one_uid_has_no_more_than_it_is_granted() {
    let name = path("granted");
    // Two segments of 8 KiB each, and not three.
    let cases = [
        (Limits::new().connections(2), "2 connections"),
        (Limits::new().bytes(20_000), "20000 bytes: 16384 are in use"),
    ];
    for (limits, what) in cases {
        let mut listener = smallest().limits(limits).bind(name.as_path()).unwrap();
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let connect = || smallest().connect(name.as_path());
                let first = connect().unwrap();
                let second = connect().unwrap();
                for _ in 0..3 {
                    let error = connect().unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Resources);
                    assert!(error.to_string().contains(what), "{error}");
                }
                drop(first);
                // The server's half of it must have gone too.
                loop {
                    match connect() {
                        Ok(third) => return drop((second, third)),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Resources),
                    }
                }
            });
            let mut accepted: Vec<_> = (0..2)
                .map(|_| listener.accept_deadline(soon()).unwrap())
                .collect();
            let end = soon();
            let third = loop {
                assert!(Instant::now() < end, "the third does not come");
                let until = Instant::now() + Duration::from_millis(5);
                match listener.accept_deadline(until) {
                    Ok(third) => break third,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
                }
                // One half keeps the share, both give it back.
                if accepted.len() == 2 && listener.refusals() >= 3 {
                    let (sender, receiver) = accepted.remove(0).split();
                    drop(sender);
                    drop(receiver);
                }
            };
            client.join().unwrap();
            assert!(listener.refusals() >= 3);
            drop(third);
        });
    }
}

/// A listener that locks memory locks the client's ring too, and that counts.
#[test]
fn what_is_locked_of_a_client_counts() {
    let name = path("locked");
    let config = smallest().lock_memory(true);
    let limits = Limits::new().bytes(20_000);
    let mut listener = config.limits(limits).bind(name.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let first = smallest().connect(name.as_path()).unwrap();
            let error = smallest().connect(name.as_path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Resources);
            let text = error.to_string();
            assert!(
                text.contains("16384 are in use, and 16384 were asked for"),
                "{text}"
            );
            drop(first);
        });
        let accepted = listener.accept_deadline(soon()).unwrap();
        let end = soon();
        while listener.refusals() == 0 {
            assert!(Instant::now() < end, "nobody is refused");
            let until = Instant::now() + Duration::from_millis(5);
            assert!(listener.accept_deadline(until).is_err());
        }
        client.join().unwrap();
        drop(accepted);
    });
}

#[test]
fn silent_clients_of_one_uid_are_limited_too() {
    let name = path("silent");
    let config = smallest().limits(Limits::new().handshakes(2));
    let mut listener = config.bind(name.as_path()).unwrap();
    let silent = [peer::dial(&name).unwrap(), peer::dial(&name).unwrap()];
    let third = peer::dial(&name).unwrap();
    assert!(listener.try_accept().unwrap().is_none());
    let (reason, text) = peer::reason(&peer::receive(&third).0);
    // Busy: whoever comes again later is let in.
    assert_eq!(reason, 13, "{text}");
    assert!(text.contains("no more than 2 handshakes"), "{text}");
    drop(silent);
    // It hears that they have gone, when no child of another test has a copy of their sockets any more.
    let end = soon();
    while listener.handshakes() > 0 {
        assert!(Instant::now() < end, "they are not heard to go");
        assert!(listener.try_accept().unwrap().is_none());
    }
    let client = thread::spawn(move || smallest().connect(name).unwrap());
    drop(listener.accept_deadline(soon()).unwrap());
    client.join().unwrap();
}

/// Whoever is refused at once can come again at once: it must not keep the listener from everybody else.
#[test]
fn a_step_of_a_listener_refuses_only_so_many() {
    let name = path("flood");
    let config = smallest().limits(Limits::new().handshakes(0));
    let mut listener = config.bind(name.as_path()).unwrap();
    let flood: Vec<_> = (0..200).map(|_| peer::dial(&name).unwrap()).collect();
    assert!(listener.try_accept().unwrap().is_none());
    let first = listener.refusals();
    assert!((1..=64).contains(&first), "{first}");
    while listener.refusals() < 200 {
        let mut entry = libc::pollfd {
            fd: std::os::fd::AsFd::as_fd(&listener).as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid entry.
        let ready = unsafe { libc::poll(&raw mut entry, 1, 10_000) };
        assert_eq!(ready, 1, "it hears of those who are left");
        assert!(listener.try_accept().unwrap().is_none());
    }
    drop(flood);
}

/// A listener that nobody else can free a descriptor for says that it lacks one.
#[test]
fn who_can_take_no_client_says_why() {
    alone("limits::who_can_take_no_client_says_why", LIMIT, || {
        let name = path("none");
        let mut listener = smallest().bind(name.as_path()).unwrap();
        let line = peer::dial(&name).unwrap();
        let _next = leave_none();
        let error = listener.accept_deadline(soon()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Resources, "{error}");
        drop(line);
    });
}

/// Taken out where nothing is left for an epoll instance of its own, a connection makes one when it waits; it may be put into that poller again, or into another.
#[test]
fn what_is_taken_out_of_a_poller_without_a_descriptor_left_goes_back() {
    alone(
        "limits::what_is_taken_out_of_a_poller_without_a_descriptor_left_goes_back",
        LIMIT,
        || {
            let mut pollers = [Poller::new().unwrap(), Poller::new().unwrap()];
            let (ours, mut theirs) = pair("goes-back", &smallest());
            let mut token = pollers[0].add(ours).unwrap();
            leave_none();
            for (from, to) in [(0, 0), (0, 1), (1, 0)] {
                asleep(&mut pollers[from]);
                let ours = pollers[from].remove(token).unwrap();
                token = pollers[to].add(ours).unwrap();
                asleep(&mut pollers[to]);
                theirs.sender().send(b"there?").unwrap();
                match pollers[to].event_deadline(soon()).unwrap() {
                    Some(Event::Ready(mut turn)) => {
                        assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"there?");
                    }
                    other => panic!("{other:?}"),
                }
            }
        },
    );
}

/// It has left that poller all the same: whoever watches what it gives as its descriptor hears what comes, and the poller does not.
#[test]
fn what_was_taken_out_without_a_descriptor_left_is_watched_by_one_of_its_own_later() {
    alone(
        "limits::what_was_taken_out_without_a_descriptor_left_is_watched_by_one_of_its_own_later",
        LIMIT,
        || {
            let mut poller = Poller::new().unwrap();
            let (ours, mut theirs) = pair("left", &smallest().wait(Wait::Park));
            let token = poller.add(ours).unwrap();
            let (soft, _) = limits();
            leave_none();
            let mut ours = poller.remove(token).unwrap();
            soft_limit(soft);
            let receiver = ours.receiver();
            let descriptor = receiver.as_fd().as_raw_fd();
            assert_eq!(poller.arm().unwrap(), Arm::Armed);
            assert_eq!(receiver.arm(), Ok(Arm::Armed));
            theirs.sender().send(b"rings").unwrap();
            assert!(readable(receiver, 30_000));
            assert!(!readable(&poller, 0), "it is none of the poller's");
            assert_eq!(receiver.as_fd().as_raw_fd(), descriptor);
        },
    );
}

/// A connection that was put in another's place in a poller, where no watch is granted for it: it is looked at in memory, and waits by itself again when it is taken out.
#[test]
fn what_a_poller_cannot_watch_is_looked_at_and_waits_by_itself_later() {
    alone(
        "limits::what_a_poller_cannot_watch_is_looked_at_and_waits_by_itself_later",
        LIMIT,
        || {
            let (one, _first) = pair("watched", &smallest());
            let (two, mut theirs) = pair("unwatched", &smallest());
            let mut poller: Poller = Poller::new().unwrap();
            let token = poller.add(one).unwrap();
            let unwatched = || {
                // Of this thread alone.
                let add = u32::try_from(libc::EPOLL_CTL_ADD).unwrap();
                forbid_with(libc::SYS_epoll_ctl, 1, add, libc::ENOSPC);
                let _one = std::mem::replace(poller.get_mut(token).unwrap(), two);
                assert_eq!(poller.arm().unwrap(), Arm::Ready);
                theirs.sender().send(b"seen").unwrap();
                match poller.event_deadline(soon()).unwrap() {
                    Some(Event::Ready(mut turn)) => {
                        assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"seen");
                    }
                    other => panic!("{other:?}"),
                }
                let mut two = poller.remove(token).unwrap();
                assert_eq!(two.receiver().arm(), Ok(Arm::Ready), "nobody would wake it");
                assert!(two.receiver().as_fd().as_raw_fd() >= 0);
                theirs.sender().send(b"received").unwrap();
                let frame = two.receiver().recv_deadline(soon()).unwrap();
                assert_eq!(frame.to_vec(), b"received");
                drop(frame);
                two
            };
            let mut two = thread::scope(|scope| scope.spawn(unwatched).join().unwrap());
            assert_eq!(two.receiver().arm(), Ok(Arm::Armed));
            theirs.sender().send(b"rings").unwrap();
            assert!(readable(two.receiver(), 30_000));
        },
    );
}
