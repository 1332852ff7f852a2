//! A peer that lies about lanes: how many there are, and what is in those behind the first.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, ErrorKind, RecvError, SendError, Violation, Wait};

use crate::lane::victim_of;
use crate::peer::{self, Hostile, RELEASED, Watchdog, attach, eventfd, hello, memory, soon};
use crate::random::Random;
use crate::server;

const FRAME: u64 = 1 << 48;
const PAD: u64 = 3 << 48;
const EXPIRES: u64 = 8 << 48;
/// Bytes from a lane's words to the next one's.
const APART: usize = 128;
const LANES: usize = 4;

fn victim(name: &str, wait: Wait) -> (Connection, Hostile) {
    victim_of(name, wait, LANES)
}

#[test]
fn wishes_for_lanes_are_cut_down_to_what_the_server_has() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("wishes for lanes");
    for (has, wish, given) in [(1, 4, 1), (2, 4, 2), (4, 5, 4), (4, u16::MAX, 4), (4, 3, 3)] {
        let config = peer::patient().lanes(has);
        let mut listener = config.bind(peer::path("lane-wishes")).unwrap();
        let line = peer::dial(listener.path()).unwrap();
        peer::send(&line, &hello().u16(22, wish).0, &[]);
        assert!(listener.try_accept().unwrap().is_none());
        let (answer, offered) = peer::receive(&line);
        assert_eq!((answer[8], answer[18], answer[19]), (2, given, 0));
        assert_eq!(answer[84..88], u32::from(given).to_ne_bytes());
        let size = (peer::CONTROL + usize::from(given) * peer::RING) as u64;
        assert_eq!(answer[40..48], size.to_ne_bytes());
        let file = std::fs::File::from(offered.into_iter().next().unwrap());
        assert_eq!(file.metadata().unwrap().len(), size);
    }
}

#[test]
fn every_false_number_of_lanes_in_an_attach_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false lanes");
    let mut listener = peer::patient()
        .lanes(LANES)
        .bind(peer::path("attach-lanes"))
        .unwrap();
    let ring = |rings: usize| (peer::CONTROL + rings * peer::RING) as u64;
    // Three were agreed on: the offer, and the bytes of the file that comes with it.
    let lies = [
        (attach().offer(16, 0), ring(0)),
        (attach().offer(16, 1), ring(1)),
        (attach().offer(16, 2), ring(2)),
        (attach().offer(16, 4), ring(4)),
        (attach().offer(16, 5), ring(5)),
        (attach().offer(16, 3).u32(60, u32::MAX), ring(3)),
        // As many as agreed, in a size for fewer or more.
        (attach().offer(16, 3).u64(16, ring(1)), ring(1)),
        (attach().offer(16, 3).u64(16, ring(2)), ring(2)),
        (attach().offer(16, 3).u64(16, ring(4)), ring(4)),
    ];
    for (offer, size) in lies {
        let before = listener.refusals();
        let path = listener.path().to_path_buf();
        let told = thread::scope(|scope| {
            let client = scope.spawn(move || {
                let (line, _) = peer::greet_for(&path, 3);
                let gifts = [
                    memory(size as usize, peer::SEALS, true),
                    eventfd(),
                    eventfd(),
                ];
                let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
                peer::send(&line, &offer.0, &raw);
                peer::reason(&peer::receive(&line).0)
            });
            let until = soon();
            while listener.refusals() == before {
                assert!(Instant::now() < until, "nobody was refused");
                assert!(listener.try_accept().unwrap().is_none(), "it was let in");
                thread::sleep(Duration::from_millis(1));
            }
            client.join().unwrap()
        });
        assert_eq!(told.0, 8, "{told:?}");
        assert!(told.1.contains("not what was agreed"), "{told:?}");
        assert_eq!(listener.last_refusal().unwrap().kind(), ErrorKind::Geometry);
    }
    // In order but for the file, which is a ring too short.
    let (mut listener, path) = (listener, peer::path("attach-lanes"));
    let told = thread::scope(|scope| {
        let client = scope.spawn(move || {
            let (line, _) = peer::greet_for(&path, 3);
            let gifts = [
                memory(ring(2) as usize, peer::SEALS, true),
                eventfd(),
                eventfd(),
            ];
            let raw: Vec<RawFd> = gifts.iter().map(AsRawFd::as_raw_fd).collect();
            peer::send(&line, &attach().offer(16, 3).0, &raw);
            peer::reason(&peer::receive(&line).0)
        });
        while !client.is_finished() {
            assert!(listener.try_accept().unwrap().is_none(), "it was let in");
            thread::sleep(Duration::from_millis(1));
        }
        client.join().unwrap()
    });
    assert_eq!(told.0, 7, "{told:?}");
}

#[test]
fn every_false_number_of_lanes_in_a_welcome_is_refused_by_name() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("lanes of a welcome");
    let welcome =
        |granted: u16, offered: usize| peer::welcome().u16(18, granted).offer(40, offered);
    let gifts = |lanes: usize| {
        let size = peer::CONTROL + lanes * peer::RING;
        vec![memory(size, peer::SEALS, true), eventfd(), eventfd()]
    };
    let config = peer::patient().lanes(2);
    for granted in [0u16, 3, 4, 5, u16::MAX] {
        let lanes = usize::from(granted).min(5);
        let message = welcome(granted, lanes);
        let outcome = server::told_by(&config, &[(&message, &gifts(lanes))], false);
        server::is_refused(
            outcome,
            ErrorKind::Malformed,
            5,
            &format!("{granted} lanes"),
        );
    }
    for (granted, offered) in [(2, 1), (1, 2), (2, 3), (2, 0)] {
        let message = welcome(granted, offered);
        let outcome = server::told_by(&config, &[(&message, &gifts(offered))], false);
        server::is_refused(outcome, ErrorKind::Geometry, 8, "not what was agreed");
    }
}

#[test]
fn every_false_header_in_the_last_lane_is_named_and_ends_all_lanes() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false header in a lane");
    let cases: [(&[(usize, u64)], &str); 6] = [
        (&[(0, FRAME | 0xffff_ffff)], "FrameTooLong"),
        (&[(0, FRAME | 4096)], "FrameTooLong"),
        (&[(0, 1)], "UnknownFlags"),
        (&[(8, PAD), (0, PAD)], "PadWithoutFrame"),
        (&[(8, 0), (0, PAD)], "PadWithoutFrame"),
        (&[(8, FRAME | 0xff0), (0, PAD)], "FrameTooLong"),
    ];
    for (index, (words, name)) in cases.into_iter().enumerate() {
        for lane in [1, LANES - 1] {
            let (mut victim, hostile) =
                victim(&format!("lane-header{index}{lane}"), Wait::Adaptive);
            hostile.own.lane(0, 0, FRAME | 8);
            for (position, word) in words {
                hostile.own.lane(lane, *position, *word);
            }
            let receiver = victim.receiver();
            assert_eq!(receiver.recv_deadline(soon()).unwrap().len(), 8);
            for turn in 0..3 {
                // What comes by a lane in order, later, is not received any more.
                hostile.own.lane(0, 16 + 16 * turn, FRAME | 8);
                let outcome = match turn {
                    0 => receiver.recv_deadline(soon()).map(drop),
                    1 => receiver.recv_into(&mut [0; 64]).map(drop),
                    _ => receiver.try_recv_batch(4).map(drop),
                };
                match outcome {
                    // It was looked at before the lie was.
                    Ok(()) if turn == 0 => {
                        let outcome = receiver.recv_deadline(soon()).map(drop);
                        assert!(
                            matches!(outcome, Err(RecvError::Protocol(_))),
                            "{outcome:?}"
                        );
                    }
                    Err(RecvError::Protocol(violation)) => {
                        assert!(format!("{violation:?}").starts_with(name), "{violation:?}");
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn every_false_release_in_any_lane_is_named_and_ends_all_lanes() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("false release in a lane");
    for lane in 0..LANES {
        // The last: less than the other lanes have sent, and more than this one.
        for (index, released) in [1 << 40, u64::MAX, 4, 4608].into_iter().enumerate() {
            let (mut victim, hostile) =
                victim(&format!("lane-release{lane}{index}"), Wait::Adaptive);
            let sender = victim.sender();
            for other in (0..LANES).filter(|other| *other != lane) {
                let mut at = sender.at(other).unwrap();
                (0..60).for_each(|_| at.try_send(&[0; 56]).unwrap());
                hostile.own.set(RELEASED + other * APART, 3840);
                (0..20).for_each(|_| at.try_send(&[0; 56]).unwrap());
            }
            hostile.own.set(RELEASED + lane * APART, released);
            let mut at = sender.at(lane).unwrap();
            let outcome = (0..100).find_map(|_| at.send_deadline(&[0; 100], soon()).err());
            drop(at);
            assert!(
                matches!(
                    outcome,
                    Some(SendError::Protocol(Violation::ReleasedOutOfRange { .. }))
                ),
                "{released} in lane {lane}: {outcome:?}"
            );
            for other in 0..LANES {
                let again = sender.at(other).unwrap().try_send(&[0; 8]);
                assert_eq!(again.err(), outcome, "lane {other}");
            }
        }
    }
}

/// Whatever is written into any lane: errors that name a broken rule, and no harm.
#[test]
fn random_words_in_all_lanes_lead_to_the_errors_that_name_them_only() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("random words in lanes");
    let mut random = Random::new(0x1a5e_5000_0bad_cafe);
    let mut ended = (0, 0);
    for round in 0..40 {
        let (mut victim, hostile) = victim(&format!("lane-random{round}"), Wait::Adaptive);
        let seed = random.next().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let writer = thread::spawn(move || {
            let mut random = Random::new(seed);
            for _ in 0..3_000 {
                let value = random.next();
                let word = match value % 8 {
                    0 => value,
                    1 => PAD | ((value >> 40) % 64 * 8),
                    _ => FRAME | ((value >> 40) % 200),
                };
                let lane = (value >> 32) as usize % LANES;
                let position = ((value >> 8) as usize % peer::RING) & !7;
                hostile.own.lane(lane, position, word);
                if round % 2 == 0 && value >> 60 == 2 {
                    let released = (random.next() % 65_536) & !7;
                    hostile.own.set(RELEASED + lane * APART, released);
                }
            }
            hostile
        });
        let (mut frames, mut releases) = (None, None);
        let mut buffer = [0; 4096];
        let (mut turn, mut after) = (0, 0);
        while turn < 2_000 || after < 200 {
            turn += 1;
            after += u32::from(writer.is_finished());
            let receiver = victim.receiver();
            let outcome = match turn % 3 {
                0 => receiver.try_recv_into(&mut buffer).map(drop),
                1 => receiver.try_recv().map(drop),
                _ => receiver.try_recv_batch(3).map(
                    |mut batch| {
                        while batch.next_frame().is_some() {}
                    },
                ),
            };
            match (outcome, frames) {
                (Ok(()) | Err(RecvError::Empty), None) => {}
                (Err(RecvError::Protocol(violation)), None) => frames = Some(violation),
                (Err(RecvError::Protocol(again)), Some(before)) => assert_eq!(again, before),
                other => panic!("{other:?}"),
            }
            let mut at = victim.sender().at(turn % LANES).unwrap();
            match (at.try_send(&buffer[..64]), releases) {
                (Ok(()) | Err(SendError::Full), None) => {}
                (Err(SendError::Protocol(violation)), None) => releases = Some(violation),
                (Err(SendError::Protocol(again)), Some(before)) => assert_eq!(again, before),
                other => panic!("{other:?}"),
            }
        }
        ended.0 += u32::from(frames.is_some());
        ended.1 += u32::from(releases.is_some());
        drop(writer.join().unwrap());
    }
    // Rounds in which nothing was found would prove nothing.
    assert!(ended.0 > 0 && ended.1 > 0, "{ended:?} broken rules");
}

/// Positions of four lanes that start as late as is allowed go round when they are added up.
#[test]
fn lanes_that_start_late_and_expire_without_end_keep_nobody() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("late lanes");
    for (start, writes) in [
        ((1 << 62) - 8, false),
        ((1 << 62) - 4096, true),
        ((1 << 62) - 64, true),
    ] {
        let config = peer::patient().lanes(LANES).drop_expired(true);
        let mut listener = config.bind(peer::path("late-lanes")).unwrap();
        let path = listener.path().to_path_buf();
        let (mut victim, hostile) = thread::scope(|scope| {
            let hostile = scope.spawn(|| peer::join_from(&path, LANES, start));
            let connection = listener.accept_deadline(soon()).unwrap();
            (connection, hostile.join().unwrap())
        });
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                let hostile = hostile;
                // Frames that expired long ago, again and again, all over the rings.
                while !over.load(Ordering::Relaxed) {
                    if !writes {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    for offset in (0..LANES * peer::RING).step_by(16) {
                        hostile.own.ring(offset, FRAME | EXPIRES | 8);
                    }
                }
            });
            for _ in 0..300 {
                let until = Instant::now() + Duration::from_millis(1);
                let outcomes = [
                    victim.receiver().try_recv().map(drop),
                    victim.receiver().recv_deadline(until).map(drop),
                ];
                for outcome in outcomes {
                    let fine = matches!(
                        outcome,
                        Err(RecvError::Empty | RecvError::TimedOut | RecvError::Protocol(_))
                    );
                    assert!(fine, "{outcome:?}");
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
