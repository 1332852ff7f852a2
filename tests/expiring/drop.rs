//! What has expired is dropped and counted, and the rest comes in order.

use std::time::{Duration, Instant};

use ringway::{Arm, Config, Event, Poller, Receiver, RecvError, SendError, Wait};

use crate::pair::{pair, soon};
use crate::{halves, hour, send_stale, stale};

type Way = (&'static str, fn(&mut Receiver) -> Vec<u8>);

const WAYS: [Way; 8] = [
    ("recv", |receiver| receiver.recv().unwrap().to_vec()),
    ("recv_deadline", |receiver| {
        receiver.recv_deadline(soon()).unwrap().to_vec()
    }),
    ("try_recv", |receiver| receiver.try_recv().unwrap().to_vec()),
    ("recv_into", |receiver| {
        let mut buffer = [0; 64];
        let len = receiver.recv_into(&mut buffer).unwrap();
        buffer[..len].to_vec()
    }),
    ("recv_into of the length", |receiver| {
        let mut buffer = [0; 8];
        assert_eq!(receiver.recv_into(&mut buffer).unwrap(), 8);
        buffer.to_vec()
    }),
    ("try_recv_into", |receiver| {
        let mut buffer = [0; 8];
        assert_eq!(receiver.try_recv_into(&mut buffer).unwrap(), 8);
        buffer.to_vec()
    }),
    ("recv_batch", |receiver| {
        let mut frames = receiver.recv_batch(1).unwrap();
        let frame = frames.next_frame().unwrap().to_vec();
        assert!(frames.next_frame().is_none());
        frame
    }),
    ("arm and try_recv", |receiver| {
        assert_eq!(receiver.arm().unwrap(), Arm::Ready);
        receiver.try_recv().unwrap().to_vec()
    }),
];

#[test]
fn the_rest_comes_in_order_whatever_way_it_is_received() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut sender, mut receiver, _) =
            halves(&format!("ways{wait:?}"), &Config::new().wait(wait));
        let mut dropped = 0;
        for (round, (name, receive)) in WAYS.into_iter().enumerate() {
            let number = |part: u64| (round as u64 * 10 + part).to_le_bytes();
            // More than one look drops.
            let expires = Instant::now() + Duration::from_millis(5);
            let some = (0..150).map(|_| sender.send_expiring(b"stale", expires));
            let sent = some.flatten().count() as u64;
            send_stale(&mut sender, b"stale");
            sender.send(&number(0)).unwrap();
            send_stale(&mut sender, &[7; 100]);
            sender.send_expiring(&number(1), hour()).unwrap();
            sender.send(&number(2)).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            for part in 0..3 {
                assert_eq!(receive(&mut receiver), number(part), "{name}, {wait:?}");
            }
            dropped += sent + 2;
            assert_eq!(receiver.expired(), dropped, "{name}");
            assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
        }
    }
}

/// Of all lanes together.
#[test]
fn what_expires_in_any_lane_is_counted() {
    let config = Config::new().lanes(3);
    let (mut sender, mut receiver, _) = halves("lanes", &config);
    for (priority, count) in [(2, 1), (0, 2), (1, 3)] {
        let mut at = sender.at(priority).unwrap();
        stale::sent(count, |expires| at.send_expiring(b"stale", expires));
        at.send(&[priority as u8]).unwrap();
    }
    let mut order = Vec::new();
    while let Ok(frame) = receiver.try_recv() {
        order.push(frame.to_vec()[0]);
    }
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(receiver.expired(), 6);
}

/// However much has expired, in however many lanes: one look finds what is behind it.
#[test]
fn one_look_goes_behind_all_that_has_expired() {
    // Large enough that what waits in a lane is less than a step of its reader, and so no queue, however long a stall lasts; and so small that all of it is more than a lane's share of one ring.
    let config = Config::new()
        .lanes(4)
        .capacity(1 << 15)
        .peer_capacity(1 << 15);
    // A machine that others keep busy may need longer than the frames live to send them: then ones that live longer are tried.
    for life in (0..7).map(|power| Duration::from_millis(100 << power)) {
        let (mut sender, mut receiver, _) = halves("behind", &config);
        let expires = Instant::now() + life;
        let sent = (0..480).try_for_each(|number| {
            let mut at = sender.at(number / 120).unwrap();
            at.send_expiring(&[0; 8], expires)
        });
        match sent {
            Ok(()) => {}
            Err(SendError::Expired | SendError::QueueTooLong) => continue,
            Err(error) => panic!("{error}"),
        }
        while Instant::now() <= expires {
            std::thread::sleep(Duration::from_millis(20));
        }
        sender.at(3).unwrap().send(b"fresh").unwrap();
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"fresh");
        assert_eq!(receiver.expired(), 480);
        return;
    }
    panic!("no frames were sent before they expired");
}

/// Nothing is dropped by a receiver that did not ask, and it can see when a frame expires; a plain one never does.
#[test]
fn who_does_not_ask_gets_everything() {
    let (mut sender, mut receiver, _) = halves("everything", &Config::new());
    receiver.drop_expired(false).unwrap();
    sender.send(b"first").unwrap();
    let frame = receiver.recv().unwrap();
    assert_eq!((frame.expires(), frame.position()), (None, 0));
    drop(frame);
    let before = Instant::now();
    send_stale(&mut sender, b"stale");
    let expires = hour();
    sender.send_kind_expiring(7, b"fresh", expires).unwrap();
    sender.send(b"plain").unwrap();
    let frame = receiver.recv().unwrap();
    let told = frame.expires().unwrap();
    assert!(told > before && told < Instant::now());
    assert_eq!(frame.to_vec(), b"stale");
    let first = frame.position();
    drop(frame);
    let frame = receiver.recv().unwrap();
    assert_eq!((frame.expires(), frame.kind()), (Some(expires), 7));
    assert_eq!(
        frame.position() - first,
        8 + 8 + 8,
        "header, extension, payload"
    );
    drop(frame);
    assert_eq!(receiver.recv().unwrap().expires(), None);
    assert_eq!(receiver.expired(), 0);
}

/// Groups, in place, and what is sent in place is where it was reserved.
#[test]
fn groups_and_reservations_expire_too() {
    let config = Config::new().alignment(64);
    let (mut sender, mut receiver, _) = halves("groups", &config);
    stale::sent(1, |expires| {
        let mut group = sender.group();
        group.send_expiring(b"one", expires)?;
        group.send_kind_expiring(3, b"two", expires)
    });
    let dropped = receiver.expired();
    let mut group = sender.group();
    group.send(b"plain").unwrap();
    let mut place = group.reserve_expiring(5, hour()).unwrap();
    place.copy_from_slice(b"three");
    place.kind(4).commit();
    group.publish();
    let mut place = sender.reserve_expiring(500, hour()).unwrap();
    assert_eq!(place.len(), 500);
    place[..4].copy_from_slice(b"four");
    place.commit_len(4);
    let _aborted = sender.reserve_expiring(9, hour()).unwrap();
    let mut kinds = Vec::new();
    for expected in [&b"plain"[..], b"three", b"four"] {
        let frame = receiver.recv().unwrap();
        assert_eq!(frame.to_vec(), expected);
        kinds.push(frame.kind());
    }
    assert_eq!(kinds, [0, 4, 0]);
    assert!(receiver.expired() >= dropped + 2);
}

/// An armed receiver is not ready for what nobody will see, and a sender has room again.
#[test]
fn only_expired_frames_are_no_frames() {
    let config = Config::new()
        .capacity(4096)
        .peer_capacity(4096)
        .wait(Wait::Park);
    let (mut sender, mut receiver, _) = halves("only", &config);
    for _ in 0..100 {
        let expires = Instant::now() + Duration::from_micros(300);
        while sender.try_send_expiring(&[1; 40], expires).is_ok() {}
        while Instant::now() <= expires {}
        // Not for ever, whatever is in the ring.
        let mut looks = 0;
        while receiver.arm().unwrap() == Arm::Ready {
            looks += 1;
            assert!(looks < 10);
        }
        assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
        // Everything was given back, but for less than a step.
        sender.try_send(&[2; 3000]).unwrap();
        assert_eq!(receiver.recv().unwrap().len(), 3000);
    }
    assert!(receiver.expired() > 100);
}

/// What was announced is there: it is judged once.
#[test]
fn what_was_announced_is_received_though_it_expires_meanwhile() {
    // A machine that others keep busy may need longer than the frame lives before it is announced: then one that lives longer is tried.
    for life in (0..7).map(|power| Duration::from_millis(100 << power)) {
        let (mut sender, mut receiver, _) = halves("announced", &Config::new());
        let expires = Instant::now() + life;
        let sent = sender.send_expiring(b"announced", expires);
        if sent.is_err() || receiver.arm().unwrap() != Arm::Ready {
            assert!(Instant::now() >= expires, "it lives: {sent:?}");
            continue;
        }
        while Instant::now() <= expires {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"announced");
        assert_eq!(receiver.expired(), 0);
        return;
    }
    panic!("no frame was announced before it expired");
}

#[test]
fn a_poller_tells_of_what_is_alive_only() {
    let config = Config::new().drop_expired(true);
    let (server, mut client) = pair("expiring-poller", &config, &config);
    let mut poller = Poller::new().unwrap();
    poller.add(server).unwrap();
    for round in 0..20u8 {
        for _ in 0..40 {
            let _ = client
                .sender()
                .send_expiring(b"stale", Instant::now() + Duration::from_micros(200));
        }
        send_stale(client.sender(), b"stale");
        let short = Instant::now() + Duration::from_millis(5);
        assert!(poller.event_deadline(short).unwrap().is_none());
        client.sender().send_expiring(&[round], hour()).unwrap();
        send_stale(client.sender(), b"stale");
        let Some(Event::Ready(mut turn)) = poller.event_deadline(soon()).unwrap() else {
            panic!("no event");
        };
        assert!(turn.more());
        assert_eq!(turn.halves().1.recv().unwrap().to_vec(), [round]);
        assert!(!turn.more());
    }
    let token = poller.tokens().next().unwrap();
    assert!(poller.get_mut(token).unwrap().receiver().expired() >= 40);
    send_stale(client.sender(), b"stale");
    drop(client);
    let Some(Event::Ended(ended)) = poller.event_deadline(soon()).unwrap() else {
        panic!("no end");
    };
    assert_eq!(ended.end, RecvError::Closed);
}

/// However many there are, and as long as they keep coming, a call keeps its deadline.
#[test]
fn a_flood_of_expired_frames_keeps_no_call_from_its_deadline() {
    let (mut sender, mut receiver, _) = halves("flood", &Config::new());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As short as it can be: whoever is stalled, or whose queue takes longer, is refused.
            let mut life = Duration::from_nanos(300);
            // ORD: done: Relaxed, nothing else is told by it; partner: the store below.
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let expires = Instant::now() + life;
                life = match sender.try_send_expiring(&[], expires) {
                    Ok(()) => (life * 3 / 4).max(Duration::from_nanos(1)),
                    // Of what it has sent, the most has to have expired by the time that it is read.
                    Err(_) => (life * 2).min(Duration::from_millis(10)),
                };
            }
        });
        // Where the other thread gets no processor there is less to drop: then it goes on for longer.
        let until = soon();
        let mut rounds = 0;
        while rounds < 20 || (receiver.expired() <= 1000 && Instant::now() < until) {
            rounds += 1;
            let deadline = Instant::now() + Duration::from_millis(10);
            while receiver.recv_deadline(deadline).map(drop) != Err(RecvError::TimedOut) {}
            assert!(Instant::now() >= deadline);
            let _ = receiver.try_recv().map(drop);
            let _ = receiver.arm().unwrap();
        }
        // ORD: done: Relaxed, as above; partner: the load above.
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let dropped = receiver.expired();
    assert!(dropped > 1000, "{dropped}");
}

/// However much a batch drops on its way: it is released with what was handed out, and no sooner.
#[test]
fn a_batch_that_drops_frames_tells_nothing_before_it_is_over() {
    let config = Config::new().capacity(4096).peer_capacity(4096);
    // A machine that others keep busy may need longer than the frames live to send them: then ones that live longer are tried.
    for life in (0..7).map(|power| Duration::from_millis(100 << power)) {
        let (mut sender, mut receiver, _) = halves("batch", &config);
        sender.send(&[1; 600]).unwrap();
        let expires = Instant::now() + life;
        // More than one look drops.
        match (0..66).try_for_each(|_| sender.send_expiring(&[], expires)) {
            Ok(()) => {}
            Err(SendError::Expired | SendError::QueueTooLong) => continue,
            Err(error) => panic!("{error}"),
        }
        sender.send(b"fresh").unwrap();
        while Instant::now() <= expires {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut frames = receiver.recv_batch(10).unwrap();
        assert_eq!(frames.next_frame().unwrap().len(), 600);
        assert_eq!(frames.next_frame().unwrap().to_vec(), b"fresh");
        assert_eq!(sender.try_send(&[2; 3000]), Err(SendError::Full));
        drop(frames);
        assert_eq!(sender.try_send(&[2; 3000]), Ok(()));
        assert_eq!(receiver.expired(), 66);
        return;
    }
    panic!("no frames were sent before they expired");
}

/// A frame that does not fit the buffer stays, extension and all.
#[test]
fn a_frame_that_was_too_long_for_the_buffer_stays() {
    let (mut sender, mut receiver, _) = halves("truncated", &Config::new());
    sender.send_expiring(&[9; 20], hour()).unwrap();
    for _ in 0..3 {
        let mut short = [0; 19];
        assert_eq!(
            receiver.recv_into(&mut short),
            Err(RecvError::Truncated { len: 20 })
        );
    }
    assert_eq!(receiver.recv().unwrap().to_vec(), [9; 20]);
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
}

/// Both halves tell it in the counters.
#[test]
fn what_expires_is_counted_where_others_can_read_it() {
    let (mut sender, mut receiver, _) = halves("counted", &Config::new());
    send_stale(&mut sender, b"stale");
    sender
        .send_expiring(b"late", Instant::now())
        .expect_err("it has expired");
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    let own = ringway::Counters::own().unwrap().connections().unwrap();
    let ours: Vec<_> = own
        .iter()
        .filter(|one| one.name.contains("expiring-counted"))
        .collect();
    assert!(ours.iter().any(|one| one.receives.expired == 1), "{ours:?}");
    assert!(ours.iter().any(|one| one.sends.expired >= 1), "{ours:?}");
}

/// Whether it is in time is asked when it is reserved: what is filled for longer is sent, and its receiver knows what to do with it.
#[test]
fn what_was_reserved_in_time_is_committed_though_it_has_expired() {
    let (mut sender, mut receiver, _) = halves("reserved", &Config::new());
    for drops in [true, false] {
        receiver.drop_expired(drops).unwrap();
        let dropped = receiver.expired();
        let expires = loop {
            let expires = Instant::now() + Duration::from_millis(2);
            match sender.reserve_expiring(8, expires) {
                Ok(mut place) => {
                    place.copy_from_slice(b"too late");
                    while Instant::now() <= expires {
                        std::thread::sleep(Duration::from_micros(100));
                    }
                    place.commit();
                    break expires;
                }
                Err(SendError::Expired | SendError::QueueTooLong) => {}
                Err(error) => panic!("{error}"),
            }
        };
        if drops {
            assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(receiver.expired(), dropped + 1);
        } else {
            let frame = receiver.try_recv().unwrap();
            assert_eq!(
                (frame.to_vec(), frame.expires()),
                (b"too late".to_vec(), Some(expires))
            );
        }
    }
}

/// It ends there, and neither the room nor the number waits for the next call.
#[test]
fn what_a_batch_drops_of_another_lane_is_told_when_it_ends() {
    let config = Config::new().capacity(4096).peer_capacity(4096).lanes(2);
    let (mut sender, mut receiver, _) = halves("batch-lanes", &config);
    sender.send(b"first").unwrap();
    stale::sent(1, |expires| {
        sender.at(1).unwrap().send_expiring(&[1; 1600], expires)
    });
    let mut frames = receiver.recv_batch(10).unwrap();
    assert_eq!(frames.next_frame().unwrap().to_vec(), b"first");
    assert!(frames.next_frame().is_none());
    drop(frames);
    assert_eq!(receiver.expired(), 1);
    assert_eq!(sender.at(1).unwrap().try_send(&[2; 3000]), Ok(()));
}

/// It goes on behind what it drops, and that may be more than one look takes.
#[test]
fn a_batch_goes_on_behind_what_it_drops() {
    let (mut sender, mut receiver, _) = halves("batch-on", &Config::new());
    sender.send(b"first").unwrap();
    let (mut stale, end) = (0, Instant::now() + Duration::from_secs(30));
    while stale < 70 {
        assert!(Instant::now() < end, "they are not sent");
        let expires = Instant::now() + Duration::from_millis(10);
        while stale < 70 && sender.send_expiring(b"stale", expires).is_ok() {
            stale += 1;
        }
        while Instant::now() <= expires {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    sender.send(b"last").unwrap();
    let mut seen = Vec::new();
    let mut frames = receiver.recv_batch(10).unwrap();
    while let Some(frame) = frames.next_frame() {
        seen.push(frame.to_vec());
    }
    drop(frames);
    assert_eq!(seen, [&b"first"[..], b"last"]);
    assert_eq!(receiver.expired(), 70);
}
