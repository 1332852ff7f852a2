//! What each call does.

use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, Connection, Event, Listener, Poller, RecvError, Wait};

use crate::process::{alone, fork};
use crate::server::{Client, Seen, ask, path, patient, serve, soon};

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn pair(name: &str, config: &Config) -> (Connection, Connection) {
    let path = path(name);
    let mut listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let accepted = listener.accept_deadline(soon()).unwrap();
        (accepted, client.join().unwrap())
    })
}

#[test]
fn ways_of_waiting_and_several_listeners_answer() {
    let cases = [Wait::Adaptive, Wait::Park, Wait::Spin].map(|wait| [(wait, false), (wait, true)]);
    for (wait, lean) in cases.into_iter().flatten() {
        let config = patient().wait(wait).few_descriptors(lean);
        let mut poller = Poller::new().unwrap();
        let names: Vec<_> = (0..2).map(|n| path(&format!("ways{wait:?}{n}"))).collect();
        for name in &names {
            let listener = config.bind(name.as_path()).unwrap();
            poller.listen(listener, Client::new).unwrap();
        }
        let clients: Vec<_> = (0..6)
            .map(|n| {
                let name = names[n % 2].clone();
                let wait = [Wait::Adaptive, Wait::Park, Wait::Spin][n / 2];
                thread::spawn(move || {
                    let mut connection = patient().wait(wait).connect(name).unwrap();
                    ask(&mut connection, 300);
                    thread::sleep(Duration::from_millis(5));
                    ask(&mut connection, 300);
                })
            })
            .collect();
        let mut seen = Seen::default();
        serve(&mut poller, &mut seen, |seen| seen.ended.len() == 6);
        assert_eq!(seen.connected, 6);
        assert_eq!(seen.ended, [RecvError::Closed; 6]);
        assert!(poller.is_empty());
        for client in clients {
            client.join().unwrap();
        }
    }
}

/// A client that reads no answers is itself made to wait, and loses none.
#[test]
fn room_is_waited_for() {
    let name = path("room");
    let mut poller = Poller::new().unwrap();
    poller
        .listen(patient().bind(name.as_path()).unwrap(), Client::new)
        .unwrap();
    let client = thread::spawn(move || {
        let small = patient().capacity(4096).peer_capacity(4096);
        let (mut sender, mut receiver) = small.connect(name).unwrap().split();
        let asking = thread::spawn(move || {
            (0..20_000u64).for_each(|n| sender.send(&n.to_le_bytes()).unwrap());
            sender
        });
        for number in 0..20_000u64 {
            if number % 5000 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
            let mut answer = [0; 8];
            receiver.recv_into(&mut answer).unwrap();
            assert_eq!(
                answer,
                number.to_le_bytes().map(|byte| byte.wrapping_add(1))
            );
        }
        asking.join().unwrap();
    });
    serve(&mut poller, &mut Seen::default(), |seen| {
        seen.ended.len() == 1
    });
    client.join().unwrap();
}

#[test]
fn a_deadline_a_try_and_an_empty_poller_end_a_wait() {
    let mut poller: Poller = Poller::new().unwrap();
    assert!(poller.event().unwrap().is_none(), "nothing could ever come");
    assert!(poller.try_event().unwrap().is_none());
    let (ours, mut theirs) = pair("deadline", &patient());
    let token = poller.add(ours).unwrap();
    let began = Instant::now();
    let wait = Duration::from_millis(30);
    assert!(poller.event_deadline(began + wait).unwrap().is_none());
    assert!(began.elapsed() >= wait);
    theirs.sender().send(b"x").unwrap();
    match poller.try_event().unwrap() {
        Some(Event::Ready(turn)) => assert_eq!(turn.token(), token),
        other => panic!("{other:?}"),
    }
    // It was not read: it is ready again.
    assert!(matches!(
        poller.event_deadline(soon()).unwrap(),
        Some(Event::Ready(_))
    ));
}

#[test]
fn a_connection_that_is_given_back_waits_by_itself_again() {
    let mut poller: Poller = Poller::new().unwrap();
    let (ours, mut theirs) = pair("back", &patient().wait(Wait::Park));
    let token = poller.add(ours).unwrap();
    assert!(poller.try_event().unwrap().is_none());
    let mut ours = poller.remove(token).unwrap();
    assert!(poller.remove(token).is_none(), "the token names nothing");
    assert!(poller.get_mut(token).is_none());
    let sleeper = thread::spawn(move || {
        assert_eq!(
            ours.receiver().recv_deadline(soon()).unwrap().to_vec(),
            b"wake"
        );
        ours
    });
    thread::sleep(Duration::from_millis(20));
    theirs.sender().send(b"wake").unwrap();
    let mut ours = sleeper.join().unwrap();
    assert_eq!(ours.receiver().arm(), Ok(Arm::Armed));
    theirs.sender().send(b"again").unwrap();
    assert!(readable(&ours.receiver().as_fd(), 30_000));
    let next = poller.add(ours).unwrap();
    assert_ne!(next, token, "a token is not given twice");
    assert!(matches!(
        poller.event_deadline(soon()).unwrap(),
        Some(Event::Ready(_))
    ));
}

/// A call that waits inside a turn works, and what it leaves is still noticed.
#[test]
fn a_call_may_wait_inside_a_turn() {
    let mut poller: Poller = Poller::new().unwrap();
    let (ours, theirs) = pair("inside", &patient().wait(Wait::Park));
    poller.add(ours).unwrap();
    let client = thread::spawn(move || {
        let (mut sender, mut receiver) = theirs.split();
        for _ in 0..3 {
            sender.send(b"first").unwrap();
            thread::sleep(Duration::from_millis(20));
            sender.send(b"second").unwrap();
            assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), b"both");
            thread::sleep(Duration::from_millis(20));
        }
    });
    for _ in 0..3 {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                let (sender, receiver) = turn.halves();
                assert_eq!(receiver.recv().unwrap().to_vec(), b"first");
                assert_eq!(receiver.recv_deadline(soon()).unwrap().to_vec(), b"second");
                sender.send(b"both").unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
    match poller.event_deadline(soon()).unwrap() {
        Some(Event::Ended(ended)) => assert_eq!(ended.end, RecvError::Closed),
        other => panic!("{other:?}"),
    }
    client.join().unwrap();
}

/// Both ways into somebody else's loop: a level that is polled, and `epoll`'s edge.
#[test]
fn one_descriptor_is_enough_for_another_loop() {
    let name = path("foreign");
    let mut poller = Poller::new().unwrap();
    poller
        .listen(patient().bind(name.as_path()).unwrap(), Client::new)
        .unwrap();
    let client = thread::spawn(move || {
        let mut connection = patient().wait(Wait::Park).connect(name).unwrap();
        for _ in 0..30 {
            ask(&mut connection, 10);
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut ended = false;
    while !ended {
        while let Some(event) = poller.try_event().unwrap() {
            match event {
                Event::Ready(turn) => drop(crate::server::answer(turn)),
                Event::Ended(_) => ended = true,
                _ => {}
            }
        }
        if !ended && poller.arm().unwrap() == Arm::Armed {
            assert_eq!(poller.hot(), 0);
            assert!(readable(&poller.as_fd(), 30_000), "a wake was lost");
        }
    }
    client.join().unwrap();
}

pub(crate) fn readable(fd: &impl AsFd, milliseconds: i32) -> bool {
    let mut entry = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one valid entry.
    unsafe { libc::poll(&raw mut entry, 1, milliseconds) == 1 }
}

#[test]
fn a_forked_child_is_told_so_and_harms_nothing() {
    alone(
        "exchange::a_forked_child_is_told_so_and_harms_nothing",
        LIMIT,
        || {
            let mut poller: Poller = Poller::new().unwrap();
            let (ours, mut theirs) = pair("forked", &patient());
            poller.add(ours).unwrap();
            assert!(poller.try_event().unwrap().is_none());
            let mut child = fork(|| {
                let error = poller.event().map(drop).unwrap_err();
                assert_eq!(error.kind(), ringway::ErrorKind::Forked);
                assert!(poller.arm().is_err());
                drop(core::mem::replace(&mut poller, Poller::new().unwrap()));
            });
            assert_eq!(child.reap(), 0);
            assert_eq!(poller.arm().unwrap(), Arm::Armed);
            theirs.sender().send(b"still here").unwrap();
            assert!(
                readable(&poller.as_fd(), 30_000),
                "the child's drop undid a watch"
            );
            assert!(matches!(poller.try_event().unwrap(), Some(Event::Ready(_))));
        },
    );
}

/// Nothing of a connection is mapped in the child: whatever it does with one that sleeps must not say there that it is awake.
#[test]
fn a_forked_child_takes_out_what_sleeps_and_watches_nothing_for_its_parent() {
    alone(
        "exchange::a_forked_child_takes_out_what_sleeps_and_watches_nothing_for_its_parent",
        LIMIT,
        || {
            let mut poller: Poller = Poller::new().unwrap();
            let (ours, mut theirs) = pair("slept", &patient());
            let token = poller.add(ours).unwrap();
            asleep(&mut poller);
            let mut child = fork(|| {
                assert!(poller.until_room(token, 8));
                assert!(poller.get_mut(token).is_some());
                let listener = Listener::bind(path("childs").as_path()).unwrap();
                let error = poller.listen(listener, |client| client).unwrap_err();
                assert_eq!(error.kind(), ringway::ErrorKind::Forked);
                drop(poller.remove(token).unwrap());
            });
            assert_eq!(child.reap(), 0);
            theirs.sender().send(b"still here").unwrap();
            assert!(readable(&poller.as_fd(), 30_000));
            assert!(matches!(poller.try_event().unwrap(), Some(Event::Ready(_))));
        },
    );
}

pub(crate) fn asleep(poller: &mut Poller) {
    let end = soon();
    while poller.arm().unwrap() != Arm::Armed {
        assert!(Instant::now() < end, "it does not fall asleep");
        assert!(poller.try_event().unwrap().is_none());
    }
}

#[test]
fn connections_that_change_places_are_watched_in_their_new_ones() {
    let mut poller: Poller = Poller::new().unwrap();
    let (one, mut first) = pair("first", &patient());
    let (two, mut second) = pair("second", &patient());
    let (spare, _third) = pair("third", &patient());
    let (a, b) = (poller.add(one).unwrap(), poller.add(two).unwrap());
    asleep(&mut poller);
    let one = core::mem::replace(poller.get_mut(a).unwrap(), spare);
    let two = core::mem::replace(poller.get_mut(b).unwrap(), one);
    let _spare = core::mem::replace(poller.get_mut(a).unwrap(), two);
    for (client, place) in [(&mut first, b), (&mut second, a)] {
        asleep(&mut poller);
        client.sender().send(b"where?").unwrap();
        assert!(readable(&poller.as_fd(), 30_000));
        match poller.try_event().unwrap() {
            Some(Event::Ready(mut turn)) => {
                assert_eq!(turn.token(), place);
                assert_eq!(turn.receiver().recv().unwrap().to_vec(), b"where?");
            }
            other => panic!("{other:?}"),
        }
    }
}
