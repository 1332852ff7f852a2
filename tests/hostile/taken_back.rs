//! A peer that takes a frame back of which somebody was told: a call that goes to receive it would wait for this peer, and a server that has others would leave them alone.

use std::thread;

use ringway::{Connection, Event, Poller, RecvError, Violation, Wait};

use crate::lane::{victim, victim_of};
use crate::peer::{self, EXPIRING, FRAME, Hostile, PAD, Watchdog, soon};

type Words = &'static [(usize, u64)];

/// Frames by their words, and where the header is: a plain one, one behind a pad, one that expires.
const FRAMES: [(Words, usize); 3] = [
    (&[(0, FRAME | 8)], 0),
    (&[(64, FRAME | 8), (0, PAD | 0x38)], 64),
    (&[(8, u64::MAX), (0, EXPIRING | 16)], 0),
];

fn write(hostile: &Hostile, lane: usize, words: Words) {
    for (position, word) in words {
        hostile.own.lane(lane, *position, *word);
    }
}

/// A turn of the victim's, in the middle of which the peer acts, and what the call comes to that receives then.
fn in_a_turn(
    poller: &mut Poller,
    asks: bool,
    act: impl FnOnce(),
    receive: impl FnOnce(&mut Connection) -> Result<(), RecvError>,
) -> Result<(), RecvError> {
    match poller.event_deadline(soon()).unwrap() {
        Some(Event::Ready(mut turn)) => {
            assert!(!asks || turn.more());
            act();
            receive(&mut turn)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_that_was_told_of_is_received_or_ends_the_connection() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("taken back");
    let waits = [Wait::Spin, Wait::Adaptive, Wait::Park];
    for (case, (words, at)) in FRAMES.into_iter().enumerate() {
        for (index, wait) in waits.into_iter().enumerate() {
            for (asks, large) in [(false, false), (true, false), (false, true), (true, true)] {
                for lanes in [1, 2] {
                    let name = format!("back-{case}-{index}-{asks}-{large}-{lanes}");
                    let (connection, hostile) = victim_of(&name, wait, lanes);
                    let mut poller: Poller = Poller::new().unwrap();
                    poller.add(connection).unwrap();
                    write(&hostile, lanes - 1, words);
                    let position = at as u64;
                    let end = in_a_turn(
                        &mut poller,
                        asks,
                        || hostile.own.lane(lanes - 1, at, 0),
                        |victim| {
                            let receiver = victim.receiver();
                            if large {
                                let mut buffer = vec![0; 1 << 16];
                                return receiver.recv_into_deadline(&mut buffer, soon()).map(drop);
                            }
                            receiver.recv_deadline(soon()).map(drop)
                        },
                    );
                    let broken = Err(RecvError::Protocol(Violation::FrameTakenBack { position }));
                    assert_eq!(end, broken, "{name}");
                    match poller.event_deadline(soon()).unwrap() {
                        Some(Event::Ended(ended)) => assert_eq!(Err(ended.end), broken, "{name}"),
                        other => panic!("{name}: {other:?}"),
                    }
                }
            }
        }
    }
}

/// One that becomes a frame which has expired, or a pad with such a one behind it, is received as what it was told to be.
#[test]
fn a_frame_that_was_told_of_does_not_expire_any_more() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("made to expire");
    let stale: [Words; 2] = [
        &[(8, 1), (0, EXPIRING | 16)],
        &[(24, 0), (16, 1), (8, EXPIRING | 8), (0, PAD)],
    ];
    for (case, words) in stale.into_iter().enumerate() {
        for asks in [false, true] {
            let name = format!("expires-{case}-{asks}");
            let (mut connection, hostile) = victim(&name, Wait::Adaptive);
            connection.receiver().drop_expired(true).unwrap();
            let mut poller: Poller = Poller::new().unwrap();
            poller.add(connection).unwrap();
            write(&hostile, 0, FRAMES[0].0);
            let received = in_a_turn(
                &mut poller,
                asks,
                || write(&hostile, 0, words),
                |victim| victim.receiver().recv_deadline(soon()).map(drop),
            );
            assert_eq!(received, Ok(()), "{name}");
        }
    }
}

/// A server on one thread, whose calls have no deadline, serves the others.
#[test]
fn who_takes_a_frame_back_holds_up_nobody_else_in_a_poller() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("held up");
    let (liar, hostile) = victim("back-holds", Wait::Adaptive);
    let mut listener = peer::patient().bind(peer::path("back-honest")).unwrap();
    let path = listener.path().to_path_buf();
    let honest = thread::spawn(move || {
        let mut connection = peer::let_in(&path, || {});
        for _ in 0..100 {
            connection.sender().send(b"question").unwrap();
            let answer = connection.receiver().recv_deadline(soon()).unwrap();
            assert_eq!(answer.to_vec(), b"question");
        }
    });
    let mut poller: Poller = Poller::new().unwrap();
    let liar = poller.add(liar).unwrap();
    poller.add(listener.accept().unwrap()).unwrap();
    write(&hostile, 0, FRAMES[0].0);
    let mut ended = 0;
    while ended < 2 {
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => {
                while turn.more() {
                    if turn.token() == liar {
                        hostile.own.ring(0, 0);
                    }
                    let (sender, receiver) = turn.halves();
                    let Ok(frame) = receiver.recv() else { break };
                    sender.send(&frame.to_vec()).unwrap();
                }
            }
            Some(Event::Ended(_)) => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    honest.join().unwrap();
}
