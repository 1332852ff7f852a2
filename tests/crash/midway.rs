//! A process that is stopped in the midst of an operation, and then goes on, or is killed where it stands. While it stands still its peer has what was committed, and is told of no end.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use ringway::stream::{ByteListener, ByteStream};
use ringway::typed::{self, Message};
use ringway::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
use ringway::{Config, Connection, Event, Poller, RecvError, SendError};

use super::process::{self, Child, alone, fork};
use super::{path, patient, soon};

const LIMIT: Duration = Duration::from_secs(120);

fn config() -> Config {
    patient().lanes(3).capacity(4096).peer_capacity(4096)
}

/// Stops this process, until its parent has it go on.
fn stop() {
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::raise(libc::SIGSTOP) }, 0);
}

fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// Our end, and a child that is to stop.
fn with_child(name: &str, body: impl FnOnce(Connection)) -> (Connection, Child) {
    process::with_child(&path(name), &config(), soon(), body)
}

/// The first byte of each frame that is there.
fn there(connection: &mut Connection) -> Vec<u8> {
    let receiver = connection.receiver();
    let mut found = Vec::new();
    while let Ok(frame) = receiver.try_recv() {
        found.push(frame.to_vec()[0]);
    }
    found
}

/// A name, what does it, the first bytes of what is there when it stands still, and of what comes when it has gone on.
type Send = (&'static str, fn(Connection), &'static [u8], &'static [u8]);

const SENDS: [Send; 7] = [
    (
        "reserve",
        |mut ours| {
            ours.sender().send(&[1; 40]).unwrap();
            let mut reservation = ours.sender().reserve(40).unwrap();
            reservation.copy_from_slice(&[2; 40]);
            stop();
            reservation.commit();
        },
        &[1],
        &[2],
    ),
    (
        "reserve, given up",
        |mut ours| {
            let mut reservation = ours.sender().reserve(40).unwrap();
            reservation.copy_from_slice(&[1; 40]);
            stop();
            drop(reservation);
            ours.sender().send(&[2; 40]).unwrap();
        },
        &[],
        &[2],
    ),
    (
        "commit",
        |mut ours| {
            ours.sender().reserve(1).unwrap().commit();
            stop();
            ours.sender().send(&[1]).unwrap();
        },
        &[0],
        &[1],
    ),
    (
        "group",
        |mut ours| {
            ours.sender().send(&[1]).unwrap();
            let mut group = ours.sender().group();
            (2..5).for_each(|n| group.send(&[n; 40]).unwrap());
            stop();
            group.publish();
        },
        &[1],
        &[2, 3, 4],
    ),
    (
        "shared sender",
        |ours| {
            let (sender, _receiver) = ours.split();
            let sender = sender.shared();
            sender.send(&[1]).unwrap();
            std::thread::scope(|scope| {
                let mut locked = sender.lock().unwrap();
                let mut reservation = locked.reserve(40).unwrap();
                reservation.copy_from_slice(&[2; 40]);
                // Behind the lock.
                scope.spawn(|| sender.send(&[3]).unwrap());
                stop();
                reservation.commit();
                drop(locked);
            });
        },
        &[1],
        &[2, 3],
    ),
    (
        "several lanes",
        |mut ours| {
            let sender = ours.sender();
            sender.at(2).unwrap().send(&[12]).unwrap();
            sender.at(0).unwrap().send(&[10]).unwrap();
            sender.at(1).unwrap().send(&[11]).unwrap();
            let mut lane = sender.at(1).unwrap();
            let mut reservation = lane.reserve(1).unwrap();
            reservation[0] = 21;
            stop();
            reservation.commit();
        },
        &[10, 11, 12],
        &[21],
    ),
    (
        "expiring",
        |mut ours| {
            let expires = Instant::now() + Duration::from_secs(3600);
            ours.sender().send_expiring(&[1], expires).unwrap();
            let mut reservation = ours.sender().reserve_expiring(1, expires).unwrap();
            reservation[0] = 2;
            stop();
            reservation.commit();
        },
        &[1],
        &[2],
    ),
];

/// Each goes on once, and is killed once.
#[test]
fn a_sender_stopped_in_an_operation_has_sent_what_it_committed_and_the_rest_when_it_goes_on() {
    let name = "midway::a_sender_stopped_in_an_operation_has_sent_what_it_committed_and_the_rest_when_it_goes_on";
    alone(name, LIMIT, || {
        for (way, body, before, after) in SENDS {
            for killed in [false, true] {
                let (mut ours, mut child) = with_child("midway-sends", body);
                child.until_it_stops();
                assert_eq!(there(&mut ours), before, "{way}");
                let nothing = ours.receiver().recv_deadline(shortly()).map(drop);
                assert_eq!(nothing, Err(RecvError::TimedOut), "{way}");
                assert_eq!(ours.sender().check(), Ok(()), "{way}");
                let (after, end) = if killed {
                    child.signal(libc::SIGKILL);
                    child.reap_killed();
                    (&[][..], RecvError::PeerDied)
                } else {
                    child.signal(libc::SIGCONT);
                    assert_eq!(child.reap(), 0, "{way}");
                    (after, RecvError::Closed)
                };
                assert_eq!(there(&mut ours), after, "{way}, killed: {killed}");
                let ended = ours.receiver().recv_deadline(soon()).map(drop);
                assert_eq!(ended, Err(end), "{way}");
            }
        }
    });
}

/// Frames that are there before the receiver has begun, and the last one.
const FIRST: u8 = 10;
const LAST: u8 = u8::MAX;

/// Receives all that is left, in order, from `next` on.
fn rest(mut ours: Connection, mut next: u8) {
    loop {
        let frame = ours.receiver().recv_deadline(soon()).unwrap().to_vec();
        if frame[0] == LAST {
            return;
        }
        assert_eq!(frame[0], next);
        next = (next + 1) % LAST;
    }
}

fn take(ours: &mut Connection, numbers: std::ops::Range<u8>) {
    for number in numbers {
        assert_eq!(ours.receiver().recv().unwrap().to_vec()[0], number);
    }
}

/// A name, and one who receives every frame in order, and stands still in the midst of it.
type Receive = (&'static str, fn(Connection));

const RECEIVES: [Receive; 5] = [
    ("with a frame in hand", |mut ours| {
        take(&mut ours, 0..3);
        let frame = ours.receiver().recv().unwrap();
        stop();
        assert_eq!(frame.to_vec()[0], 3);
        drop(frame);
        rest(ours, 4);
    }),
    ("while it holds", |mut ours| {
        ours.receiver().hold(true);
        take(&mut ours, 0..5);
        stop();
        ours.receiver().release();
        ours.receiver().hold(false);
        rest(ours, 5);
    }),
    ("before it rewinds", |mut ours| {
        ours.receiver().hold(true);
        take(&mut ours, 0..5);
        stop();
        ours.receiver().rewind();
        take(&mut ours, 0..5);
        ours.receiver().hold(false);
        rest(ours, 5);
    }),
    ("in a batch", |mut ours| {
        let mut batch = ours.receiver().recv_batch(6).unwrap();
        assert_eq!(batch.next_frame().unwrap().to_vec()[0], 0);
        stop();
        let mut next = 1;
        while let Some(frame) = batch.next_frame() {
            assert_eq!(frame.to_vec()[0], next);
            next += 1;
        }
        drop(batch);
        rest(ours, next);
    }),
    ("in a turn", |ours| {
        let mut poller: Poller = Poller::new().unwrap();
        let token = poller.add(ours).unwrap();
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                assert!(turn.more());
                take(&mut turn, 0..1);
                stop();
                assert!(turn.more());
                take(&mut turn, 1..2);
            }
            other => panic!("{other:?}"),
        }
        rest(poller.remove(token).unwrap(), 2);
    }),
];

#[test]
fn a_receiver_stopped_in_an_operation_receives_the_rest_when_it_goes_on() {
    let name = "midway::a_receiver_stopped_in_an_operation_receives_the_rest_when_it_goes_on";
    alone(name, LIMIT, || {
        for (way, body) in RECEIVES {
            for killed in [false, true] {
                let (mut ours, mut child) = with_child("midway-receives", |mut theirs| {
                    // All of the first frames, before it begins.
                    theirs.sender().send(b"there").unwrap();
                    theirs.receiver().wait_for_frame(Some(soon())).unwrap();
                    body(theirs);
                });
                let (sender, receiver) = ours.halves();
                drop(receiver.recv_deadline(soon()).unwrap());
                let mut group = sender.group();
                (0..FIRST).for_each(|number| group.send(&[number]).unwrap());
                group.publish();
                child.until_it_stops();
                // It takes nothing more, and that is all that can be told.
                let mut next = FIRST;
                let end = loop {
                    match sender.try_send(&[next]) {
                        Ok(()) => next = (next + 1) % LAST,
                        Err(error) => break error,
                    }
                };
                assert_eq!(end, SendError::Full, "{way}");
                let end = sender.send_deadline(&[next], shortly());
                assert_eq!(end, Err(SendError::TimedOut), "{way}");
                assert_eq!(sender.check(), Ok(()), "{way}");
                if killed {
                    child.signal(libc::SIGKILL);
                    child.reap_killed();
                    let end = sender.send_deadline(&[next], soon());
                    assert_eq!(end, Err(SendError::PeerDied), "{way}");
                } else {
                    child.signal(libc::SIGCONT);
                    sender.send_deadline(&[LAST], soon()).unwrap();
                    assert_eq!(child.reap(), 0, "{way}");
                }
            }
        }
    });
}

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Message)]
#[zerocopy(crate = "ringway::zerocopy")]
#[repr(C)]
struct Order {
    number: u64,
}

#[test]
fn a_message_that_is_not_committed_is_not_there() {
    let name = "midway::a_message_that_is_not_committed_is_not_there";
    alone(name, LIMIT, || {
        for killed in [false, true] {
            let path = path("midway-typed");
            let listener = typed::Listener::<Order, Order>::bind_with(&patient(), path.as_path());
            let mut listener = listener.unwrap();
            let mut child = fork(|| {
                let theirs = typed::connect_with::<Order, Order>(&patient(), path.as_path());
                let mut theirs = theirs.unwrap();
                theirs.sender().send(&Order { number: 1 }).unwrap();
                let mut order = theirs.sender().reserve::<Order>().unwrap();
                order.number = 2;
                stop();
                order.commit();
            });
            let mut ours = listener.accept_deadline(soon()).unwrap();
            child.until_it_stops();
            assert_eq!(ours.receiver().try_recv().unwrap(), Order { number: 1 });
            let nothing = ours.receiver().recv_deadline(shortly()).unwrap_err();
            assert!(nothing.is_nothing_yet(), "{nothing}");
            if killed {
                child.signal(libc::SIGKILL);
                child.reap_killed();
            } else {
                child.signal(libc::SIGCONT);
                let order = ours.receiver().recv_deadline(soon()).unwrap();
                assert_eq!(order, Order { number: 2 });
                assert_eq!(child.reap(), 0);
            }
            let end = ours.receiver().recv_deadline(soon()).unwrap_err();
            assert_eq!(end.is_closed(), !killed, "{end}");
        }
    });
}

#[test]
fn a_stream_that_is_stopped_has_not_ended() {
    let name = "midway::a_stream_that_is_stopped_has_not_ended";
    alone(name, LIMIT, || {
        let path = path("midway-stream");
        let bytes = patient().byte_stream();
        let mut listener = ByteListener::over(bytes.bind(path.as_path()).unwrap());
        for killed in [false, true] {
            let mut child = fork(|| {
                let theirs = bytes.connect(path.as_path()).unwrap();
                let mut theirs = ByteStream::over(theirs).unwrap();
                theirs.write_all(b"half").unwrap();
                stop();
                theirs.write_all(b" and half").unwrap();
            });
            let mut ours = listener.accept_deadline(soon()).unwrap();
            child.until_it_stops();
            ours.set_read_timeout(Some(Duration::from_millis(20)));
            let mut half = [0; 4];
            ours.read_exact(&mut half).unwrap();
            assert_eq!(&half, b"half");
            let nothing = ours.read(&mut half).unwrap_err();
            assert_eq!(nothing.kind(), ErrorKind::TimedOut);
            child.signal(if killed { libc::SIGKILL } else { libc::SIGCONT });
            ours.set_read_timeout(Some(Duration::from_secs(20)));
            let mut rest = String::new();
            let read = ours.read_to_string(&mut rest);
            if killed {
                assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
                child.reap_killed();
            } else {
                read.unwrap();
                assert_eq!(rest, " and half");
                assert_eq!(child.reap(), 0);
            }
        }
    });
}
