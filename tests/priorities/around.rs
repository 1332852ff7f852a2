//! Several lanes and what is around a connection: pollers, taps, limits.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Arm, Config, Direction, Event, Poller, RecvError, SendError, Wait};

use crate::pair::{patient, soon};
use crate::{both, fill, next, stale, with};

/// In a poller: frames of every lane, from its sleep and while it looks; an end behind all of them.
#[test]
fn a_poller_serves_connections_of_several_lanes() {
    const CLIENTS: usize = 5;
    const ROUNDS: usize = 60;
    let config = with(3);
    let path = std::env::temp_dir().join(format!("ringway-polled-lanes-{}", std::process::id()));
    let mut listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (config, path) = (&config, &path);
            scope.spawn(move || {
                let mut connection = config.connect(path.as_path()).unwrap();
                for round in 0..ROUNDS {
                    let lane = (round + client) % 3;
                    let (sender, receiver) = connection.halves();
                    sender.at(lane).unwrap().send(&[lane as u8]).unwrap();
                    let frame = receiver.recv_deadline(soon()).unwrap();
                    assert_eq!(usize::from(frame.to_vec()[0]), lane);
                    assert_eq!(frame.priority(), lane);
                    drop(frame);
                    if round % 20 == 0 {
                        // Long enough for the poller to sleep.
                        thread::sleep(Duration::from_millis(150));
                    }
                }
                let sender = connection.sender();
                for lane in 0..3 {
                    sender.at(lane).unwrap().send(&[9]).unwrap();
                }
            });
        }
        let mut poller = Poller::new().unwrap();
        for _ in 0..CLIENTS {
            let connection = listener.accept_deadline(soon()).unwrap();
            poller.add(connection).map_err(drop).unwrap();
        }
        let (mut answered, mut last, mut ended) = (0, 0, 0);
        while ended < CLIENTS {
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => {
                    while turn.more() {
                        let (sender, receiver) = turn.halves();
                        let frame = receiver.try_recv().unwrap();
                        let (lane, payload) = (frame.priority(), frame.to_vec());
                        drop(frame);
                        if payload == [9] {
                            last += 1;
                        } else {
                            answered += 1;
                            sender.at(lane).unwrap().send(&payload).unwrap();
                        }
                    }
                }
                Some(Event::Ended(_)) => ended += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((answered, last), (CLIENTS * ROUNDS, CLIENTS * 3));
    });
}

/// What a poller has told of is received, though more frames than one look drops have come before it meanwhile, and have expired.
#[test]
fn expired_frames_of_another_priority_do_not_hide_a_frame_that_was_told_of() {
    for wait in [Wait::Park, Wait::Adaptive, Wait::Spin] {
        for expires in [false, true] {
            let config = with(2).wait(wait).drop_expired(true);
            let (ours, mut theirs) = both("hidden-by-expired", &config);
            let mut poller: Poller = Poller::new().unwrap();
            poller.add(ours).unwrap();
            let mut low = theirs.sender().at(1).unwrap();
            if expires {
                low.send_expiring(b"told of", soon()).unwrap();
            } else {
                low.send(b"told of").unwrap();
            }
            drop(low);
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => {
                    assert!(turn.more());
                    stale::sent(100, |expires| theirs.sender().send_expiring(b"", expires));
                    assert_eq!(next(turn.receiver()), (1, b"told of".to_vec()), "{wait:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Room at one priority is told for that one: not for the others' room, nor for frames; asleep and awake.
#[test]
fn a_poller_waits_for_room_at_a_priority() {
    for asleep in [false, true] {
        let (ours, mut theirs) = both("polled-room", &with(2));
        let mut poller = Poller::new().unwrap();
        let token = poller.add(ours).unwrap();
        let sender = poller.get_mut(token).unwrap().sender();
        let frames = fill(sender, 1, &[1; 40]);
        // Priority 0 has room, and says so at once.
        assert_eq!(poller.until_room_at(token, 0, 40), Ok(true));
        match poller.event_deadline(soon()).unwrap() {
            Some(Event::Ready(mut turn)) => turn.until_room_at(1, 40).unwrap(),
            other => panic!("{other:?}"),
        }
        theirs.sender().send(b"not wanted now").unwrap();
        if asleep {
            while poller.arm().unwrap() != Arm::Armed {
                assert!(poller.try_event().unwrap().is_none());
            }
        }
        let short = Instant::now() + Duration::from_millis(20);
        assert!(poller.event_deadline(short).unwrap().is_none());
        thread::scope(|scope| {
            scope.spawn(|| {
                if asleep {
                    thread::sleep(Duration::from_millis(30));
                }
                (0..frames).for_each(|_| assert_eq!(next(theirs.receiver()).0, 1));
                theirs.receiver().arm().unwrap();
            });
            match poller.event_deadline(soon()).unwrap() {
                Some(Event::Ready(mut turn)) => {
                    turn.sender().at(1).unwrap().try_send(&[2; 40]).unwrap();
                    assert_eq!(
                        turn.until_room_at(2, 40),
                        Err(SendError::Priority { asked: 2, there: 2 })
                    );
                }
                other => panic!("{other:?}"),
            }
        });
        // There was room, and frames are what is wanted again.
        assert!(matches!(
            poller.event_deadline(soon()).unwrap(),
            Some(Event::Ready(_))
        ));
        drop(poller.remove(token));
        assert_eq!(poller.until_room_at(token, 0, 40), Ok(false));
    }
}

/// A tap reads along all lanes, and says which.
#[test]
fn a_tap_reads_along_all_lanes() {
    let config = with(4).allow_tap(true);
    let path = std::env::temp_dir().join(format!("ringway-tapped-lanes-{}", std::process::id()));
    let mut listener = config.bind(path.as_path()).unwrap();
    let (mut server, mut client) = thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        (
            listener.accept_deadline(soon()).unwrap(),
            client.join().unwrap(),
        )
    });
    let attendant = listener.attend().unwrap();
    let mut tap = patient(&Config::new()).tap(path.as_path()).unwrap();
    let mut payload = Vec::new();
    assert_eq!(tap.lanes().len(), 2);
    for lane in tap.lanes().iter_mut() {
        assert_eq!(lane.priorities(), 4);
        assert_eq!(lane.try_recv(&mut payload).unwrap(), None);
    }
    for round in 0..200u8 {
        for priority in 0..4 {
            let (one, two) = ([round, priority as u8, 0], [round, priority as u8, 1]);
            client.sender().at(priority).unwrap().send(&one).unwrap();
            server.sender().at(priority).unwrap().send(&two).unwrap();
        }
        for lane in tap.lanes().iter_mut() {
            let way = u8::from(lane.direction() == Direction::ToClient);
            let mut seen = Vec::new();
            while let Some(frame) = lane.try_recv(&mut payload).unwrap() {
                assert_eq!(payload, [round, frame.priority as u8, way]);
                seen.push(frame.priority);
            }
            seen.sort_unstable();
            assert_eq!(seen, [0, 1, 2, 3]);
            assert_eq!(lane.lost().frames, 0);
        }
        while client.receiver().try_recv().is_ok() {}
        while server.receiver().try_recv().is_ok() {}
    }
    // What it is too slow for is lost and counted, in whatever lane.
    for n in 0..2_000u32 {
        let mut at = client.sender().at(n as usize % 4).unwrap();
        at.send_deadline(&[0; 60], soon()).unwrap();
        drop(server.receiver().recv_deadline(soon()).unwrap());
    }
    client.sender().arm(8).unwrap();
    let from_client = tap
        .lanes()
        .iter_mut()
        .find(|lane| lane.direction() == Direction::FromClient)
        .unwrap();
    let mut seen = 0;
    while from_client.try_recv(&mut payload).unwrap().is_some() {
        seen += 1;
    }
    assert!(seen > 0 && from_client.lost().frames > 1_000, "{seen}");
    drop((client, server));
    while !from_client.is_over() {
        from_client.try_recv(&mut payload).unwrap();
    }
    drop(attendant);
}

/// Limits of a uid count every ring.
#[test]
fn limits_count_every_ring() {
    let ring = 64 << 10;
    let name = |lanes| format!("ringway-limited-lanes{lanes}-{}", std::process::id());
    for (lanes, fits) in [(1, true), (2, true), (3, false), (4, false)] {
        let limits = ringway::Limits::new().bytes(4096 + 2 * ring as u64);
        let config = patient(&Config::new())
            .lanes(lanes)
            .limits(limits)
            .peer_capacity(ring);
        let path = std::env::temp_dir().join(name(lanes));
        let mut listener = config.bind(path.as_path()).unwrap();
        thread::scope(|scope| {
            let client = scope.spawn(|| config.connect(path.as_path()));
            if fits {
                drop(listener.accept_deadline(soon()).unwrap());
            } else {
                let end = soon();
                while listener.refusals() == 0 {
                    assert!(Instant::now() < end, "nobody is refused");
                    assert!(listener.try_accept().unwrap().is_none());
                }
                let error = listener.last_refusal().unwrap().to_string();
                assert!(
                    error.contains(&(4096 + lanes * ring).to_string()),
                    "{error}"
                );
            }
            assert_eq!(client.join().unwrap().is_ok(), fits);
        });
    }
}

/// Spinning peers, which nobody wakes, and one lane against several.
#[test]
fn spinners_look_at_every_lane() {
    let (one, other) = both("spinning-lanes", &with(4).wait(Wait::Spin));
    let (mut sender, _keep) = one.split();
    let (_keep_too, mut receiver) = other.split();
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..400 {
                sender.at(turn % 4).unwrap().send(&[7; 8]).unwrap();
            }
            drop(sender);
        });
        let mut seen = [0; 4];
        loop {
            match receiver.recv() {
                Ok(frame) => seen[frame.priority()] += 1,
                Err(error) => {
                    assert_eq!(error, RecvError::Closed);
                    break;
                }
            }
        }
        assert_eq!(seen, [100; 4]);
    });
}
