//! How a poller tells that a peer has gone: behind all that it had sent, though the thread sleeps or is kept busy.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, Connection, Event, Poller, RecvError, SendError, Wait};

use crate::exchange::{pair, readable};
use crate::process::{self, Child, Page, alone, this_thread, until_it_sleeps};
use crate::server::{answer, path, smallest, soon, two_clients};

const LIMIT: Duration = Duration::from_secs(60);
/// Frames in a turn.
const BUDGET: u32 = 16;
const FRAMES: u64 = 200;
/// Words of the page.
const SENT: usize = 0;
const GO: usize = 1;

/// Our end of a connection to a child that runs `body`.
fn with_child(name: &str, config: &Config, body: impl FnOnce(Connection)) -> (Connection, Child) {
    process::with_child(&path(name), config, soon(), body)
}

fn kill(child: &mut Child) {
    child.signal(libc::SIGKILL);
    child.reap_killed();
}

/// Killed between two turns, or in one.
#[test]
fn what_a_killed_peer_had_sent_comes_in_turns_before_its_end() {
    let name = "ends::what_a_killed_peer_had_sent_comes_in_turns_before_its_end";
    alone(name, LIMIT, || {
        for wait in [Wait::Adaptive, Wait::Park, Wait::Spin] {
            for in_a_turn in [false, true] {
                let page = Page::new();
                let config = smallest().wait(wait).capacity(1 << 16);
                let config = config.peer_capacity(1 << 16);
                let (ours, mut child) = with_child("killed", &config, |mut theirs| {
                    for number in 0..FRAMES {
                        theirs.sender().send(&number.to_le_bytes()).unwrap();
                    }
                    page.set(SENT, 1);
                    thread::sleep(Duration::from_secs(50));
                });
                page.until(SENT, 1);
                let mut poller: Poller = Poller::new().unwrap();
                poller.budget(BUDGET);
                let token = poller.add(ours).unwrap();
                if !in_a_turn {
                    kill(&mut child);
                }
                let (mut received, mut turns) = (0u64, 0);
                let ended = loop {
                    match poller.event().unwrap() {
                        Some(Event::Ready(mut turn)) => {
                            turns += 1;
                            while turn.more() {
                                let frame = turn.receiver().recv().unwrap();
                                assert_eq!(frame.to_vec(), received.to_le_bytes());
                                drop(frame);
                                received += 1;
                                if in_a_turn && received == 5 {
                                    kill(&mut child);
                                }
                            }
                        }
                        Some(Event::Ended(ended)) => break ended,
                        other => panic!("{other:?}"),
                    }
                };
                let told = (ended.token, ended.end, received);
                assert_eq!(told, (token, RecvError::PeerDied, FRAMES), "{wait:?}");
                assert!(turns > FRAMES / u64::from(BUDGET), "{turns} turns");
                assert!(poller.is_empty());
            }
        }
    });
}

/// Waits without a deadline: were it not woken, it would sleep until the watchdog.
#[test]
fn a_poller_that_sleeps_hears_of_a_death_and_of_a_goodbye() {
    let name = "ends::a_poller_that_sleeps_hears_of_a_death_and_of_a_goodbye";
    alone(name, LIMIT, || {
        for end in [RecvError::PeerDied, RecvError::Closed] {
            let page = Page::new();
            let (ours, mut child) = with_child("asleep", &smallest(), |theirs| {
                page.until(GO, 1);
                drop(theirs);
                page.until(GO, 2);
            });
            let mut poller: Poller = Poller::new().unwrap();
            poller.add(ours).unwrap();
            while poller.arm().unwrap() == Arm::Ready {
                assert!(poller.try_event().unwrap().is_none());
            }
            thread::scope(|scope| {
                let (tell, told) = mpsc::channel();
                let sleeper = scope.spawn(move || {
                    tell.send(this_thread()).unwrap();
                    match poller.event().unwrap() {
                        Some(Event::Ended(ended)) => ended.end,
                        other => panic!("{other:?}"),
                    }
                });
                until_it_sleeps(told.recv().unwrap());
                if end == RecvError::PeerDied {
                    kill(&mut child);
                } else {
                    page.set(GO, 1);
                }
                assert_eq!(sleeper.join().unwrap(), end);
            });
            page.set(GO, 2);
        }
    });
}

/// Of a connection that is closed as a whole the kernel tells. Of one lane it knows nothing, and nobody is rung out of a sleep: the connection is let go after a while, and its
/// end is found in doing so.
#[test]
fn a_goodbye_is_heard_while_others_keep_the_thread_busy() {
    for whole in [true, false] {
        let name = path(&format!("busy-{whole}"));
        let mut poller = Poller::new().unwrap();
        let config = smallest().wait(Wait::Adaptive);
        let (mut flooder, mut other) = two_clients(&mut poller, &config, &name);
        other.sender().send(b"question").unwrap();
        let (mut other, mut kept, mut gone) = (Some(other), None, None);
        let limit = soon();
        let end = loop {
            while flooder.receiver().try_recv().is_ok() {}
            while flooder.sender().try_send(b"more").is_ok() {}
            // It has an answer, and so it is looked at.
            if let Some(mut asked) = other.take() {
                if asked.receiver().try_recv().is_ok() {
                    gone = Some((Instant::now(), poller.wakes()));
                    let (sender, receiver) = asked.split();
                    drop(sender);
                    kept = (!whole).then_some(receiver);
                } else {
                    other = Some(asked);
                }
            }
            match poller.event_deadline(limit).unwrap() {
                Some(Event::Ready(turn)) => drop(answer(turn)),
                Some(Event::Ended(ended)) => break ended.end,
                unexpected => panic!("{unexpected:?}"),
            }
            assert!(Instant::now() < limit, "the goodbye is not heard");
        };
        assert_eq!(end, RecvError::Closed);
        let (since, wakes) = gone.expect("the flooder is there still");
        println!("whole: {whole}: heard after {:?}", since.elapsed());
        assert_eq!(poller.wakes(), wakes, "the thread was busy all the while");
        drop(kept);
    }
}

#[test]
fn a_panic_that_drops_a_poller_is_no_goodbye() {
    let name = path("panic");
    let config = smallest();
    let mut poller: Poller = Poller::new().unwrap();
    let door = config.bind(name.as_path()).unwrap();
    poller.listen(door, |connection| connection).unwrap();
    let mut clients: Vec<Connection> = thread::scope(|scope| {
        let connect = || config.connect(name.as_path()).unwrap();
        let connecting = scope.spawn(move || (0..3).map(|_| connect()).collect());
        for _ in 0..3 {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Connected(mut turn)) => turn.sender().send(b"committed").unwrap(),
                other => panic!("{other:?}"),
            }
        }
        connecting.join().unwrap()
    });
    let panicked = thread::spawn(move || {
        let _poller = poller;
        // Past the hook: no report is wanted of a panic that is meant.
        std::panic::resume_unwind(Box::new("the test's own panic"));
    });
    assert!(panicked.join().is_err());
    for client in &mut clients {
        let frame = client.receiver().recv_deadline(soon()).unwrap();
        assert_eq!(frame.to_vec(), b"committed");
        drop(frame);
        let end = client.receiver().recv_deadline(soon()).map(drop);
        assert_eq!(end, Err(RecvError::PeerClosed));
        assert_eq!(client.sender().check(), Err(SendError::PeerClosed));
    }
    // And nobody listens any more.
    let error = config.connect(name.as_path()).unwrap_err();
    assert_eq!(error.kind(), ringway::ErrorKind::NotFound, "{error}");
}

/// Of a connection whose peer has closed one lane the other goes on, in whichever loop: its descriptor is the one by which it waits, and not that of the poller which it has left.
#[test]
fn what_is_left_of_a_connection_that_has_ended_is_waited_for_in_another_loop() {
    let mut poller: Poller = Poller::new().unwrap();
    let (ours, theirs) = pair("half-left", &smallest().wait(Wait::Park));
    poller.add(ours).unwrap();
    let (sender, mut receiver) = theirs.split();
    drop(sender);
    let mut left = match poller.event_deadline(soon()).unwrap() {
        Some(Event::Ended(ended)) if ended.end == RecvError::Closed => ended.polled,
        other => panic!("{other:?}"),
    };
    let sender = left.sender();
    let descriptor = sender.as_fd().as_raw_fd();
    let full = loop {
        if let Err(error) = sender.try_send(&[0; 100]) {
            break error;
        }
    };
    assert_eq!((full, sender.arm(100)), (SendError::Full, Ok(Arm::Armed)));
    while receiver.try_recv().is_ok() {}
    assert!(poller.try_event().unwrap().is_none());
    // SAFETY: the half that it is of lives.
    let watched = unsafe { BorrowedFd::borrow_raw(descriptor) };
    assert!(readable(&watched, 30_000));
    assert_eq!(sender.arm(100), Ok(Arm::Ready));
}
