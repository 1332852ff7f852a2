//! Several lanes in each direction: order, the bound, sleep, room, and what every way of sending and receiving does with them.

mod pair;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pair::{pair, soon};
use ringway::{
    Arm, Config, Connection, Counters, ErrorKind, Receiver, RecvError, SendError, Sender, Wait,
};

fn with(lanes: usize) -> Config {
    Config::new()
        .lanes(lanes)
        .capacity(4096)
        .peer_capacity(4096)
}

fn both(name: &str, config: &Config) -> (Connection, Connection) {
    pair(name, config, config)
}

/// Sends until the ring of `priority` is full. Returns how many frames that took.
fn fill(sender: &mut Sender, priority: usize, payload: &[u8]) -> usize {
    let mut lane = sender.at(priority).unwrap();
    (0..)
        .find(|_| lane.try_send(payload) == Err(SendError::Full))
        .unwrap()
}

fn next(receiver: &mut Receiver) -> (usize, Vec<u8>) {
    let frame = receiver.recv_deadline(soon()).unwrap();
    (frame.priority(), frame.to_vec())
}

#[test]
fn both_sides_get_what_the_smaller_one_asks_for() {
    for (server, client) in [(1, 1), (4, 1), (1, 4), (2, 3), (4, 4)] {
        let name = format!("agree{server}{client}");
        let (mut one, mut other) = pair(&name, &with(server), &with(client));
        for end in [&mut one, &mut other] {
            assert_eq!(end.sender().priorities(), server.min(client));
            assert_eq!(end.receiver().priorities(), server.min(client));
        }
        let there = server.min(client);
        let asked = there;
        let refused = SendError::Priority { asked, there };
        assert_eq!(one.sender().at(asked).map(drop), Err(refused));
        assert_eq!(
            one.sender().at(usize::MAX).map(drop),
            Err(SendError::Priority {
                asked: usize::MAX,
                there
            })
        );
        let text = refused.to_string();
        assert!(text.contains("Config::lanes") && text.contains(&there.to_string()));
    }
}

#[test]
fn numbers_that_make_no_sense_are_refused_with_what_would() {
    for (config, word) in [
        (Config::new().lanes(0), "1 to 4"),
        (Config::new().lanes(5), "1 to 4"),
        (Config::new().lanes(usize::MAX), "1 to 4"),
        (Config::new().starvation_bound(0), "at least 1"),
    ] {
        let path = std::env::temp_dir().join("ringway-priorities-never");
        for error in [
            config.bind(path.as_path()).map(drop).unwrap_err(),
            config.connect(path.as_path()).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

/// Frames of every length that fits, each in its lane's order, both ways at once, through rings that wrap many times.
#[test]
fn every_lane_delivers_all_of_its_frames_in_order_both_ways() {
    const COUNT: u64 = 20_000;
    for (lanes, wait) in [
        (1, Wait::Adaptive),
        (2, Wait::Park),
        (3, Wait::Adaptive),
        (4, Wait::Spin),
        (4, Wait::Adaptive),
    ] {
        let config = with(lanes).wait(wait).starvation_bound(3);
        let (one, other) = both(&format!("exchange{lanes}{wait:?}"), &config);
        let send = |mut sender: Sender, seed: u64| {
            let mut sent = vec![0u64; lanes];
            for frame in 0..COUNT {
                let draw = (frame ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                let priority = draw as usize % lanes;
                let mut payload = vec![priority as u8; 9 + draw as usize / 7 % 600];
                payload[..8].copy_from_slice(&sent[priority].to_le_bytes());
                sent[priority] += 1;
                let mut at = sender.at(priority).unwrap();
                match frame % 4 {
                    0 => at.send(&payload).unwrap(),
                    1 => at.send_kind_deadline(9, &payload, soon()).unwrap(),
                    2 => {
                        let mut place = at.reserve_deadline(payload.len(), soon()).unwrap();
                        place.copy_from_slice(&payload);
                        place.commit();
                    }
                    _ => at.group().send_deadline(&payload, soon()).unwrap(),
                }
            }
            sent
        };
        let receive = |mut receiver: Receiver| {
            let mut seen = vec![0u64; lanes];
            let mut buffer = [0; 4096];
            let mut check = |priority: usize, payload: &[u8]| {
                assert_eq!(
                    payload[..8],
                    seen[priority].to_le_bytes(),
                    "lane {priority}"
                );
                assert!(
                    payload[8..]
                        .iter()
                        .all(|byte| usize::from(*byte) == priority)
                );
                seen[priority] += 1;
            };
            for turn in 0.. {
                let outcome = match turn % 3 {
                    0 => receiver
                        .recv()
                        .map(|frame| check(frame.priority(), &frame.to_vec())),
                    1 => receiver.recv_into(&mut buffer).map(|length| {
                        check(usize::from(buffer[length - 1]), &buffer[..length]);
                    }),
                    _ => receiver.recv_batch(5).map(|mut frames| {
                        while let Some(frame) = frames.next_frame() {
                            check(frame.priority(), &frame.to_vec());
                        }
                    }),
                };
                match outcome {
                    Ok(()) => {}
                    Err(error) => {
                        assert_eq!(error, RecvError::Closed);
                        break;
                    }
                }
            }
            seen
        };
        thread::scope(|scope| {
            let ((from_one, to_one), (from_other, to_other)) = (one.split(), other.split());
            let sent = [
                scope.spawn(|| send(from_one, 1)),
                scope.spawn(|| send(from_other, 2)),
            ];
            let seen = [
                scope.spawn(|| receive(to_other)),
                scope.spawn(|| receive(to_one)),
            ];
            for (sent, seen) in sent.into_iter().zip(seen) {
                assert_eq!(sent.join().unwrap(), seen.join().unwrap());
            }
        });
    }
}

/// The reason to have them.
#[test]
fn an_urgent_frame_passes_a_bulk_lane_that_is_full_and_waited_for() {
    for wait in [Wait::Adaptive, Wait::Park] {
        let config = with(2).wait(wait);
        let (mut one, mut other) = both(&format!("urgent{wait:?}"), &config);
        let sender = one.sender();
        let bulk = fill(sender, 1, &[7; 100]);
        assert!(bulk > 30);
        assert_eq!(
            sender.at(1).unwrap().try_send(&[7; 100]),
            Err(SendError::Full)
        );
        // An event loop waits for room in the bulk lane, and sends all the same.
        assert_eq!(sender.at(1).unwrap().arm(100).unwrap(), Arm::Armed);
        sender.try_send(b"stop").unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        let late = sender.at(1).unwrap().send_deadline(&[7; 100], deadline);
        assert_eq!(late, Err(SendError::TimedOut));
        sender.try_send(b"at once").unwrap();
        let receiver = other.receiver();
        assert_eq!(next(receiver), (0, b"stop".to_vec()));
        assert_eq!(next(receiver), (0, b"at once".to_vec()));
        for _ in 0..bulk {
            assert_eq!(next(receiver), (1, vec![7; 100]));
        }
        assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
    }
}

/// A sender that waits for room in one lane hears when that lane, or another, is read.
#[test]
fn room_that_comes_back_in_any_lane_wakes_who_waits_for_it() {
    for lane in 0..3 {
        let config = with(3).wait(Wait::Park);
        let (one, mut other) = both(&format!("room{lane}"), &config);
        let (mut sender, _keep) = one.split();
        for lane in 0..3 {
            fill(&mut sender, lane, &[0; 100]);
        }
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut at = sender.at(lane).unwrap();
                (0..3).for_each(|_| at.send_deadline(&[9; 1000], soon()).unwrap());
            });
            thread::sleep(Duration::from_millis(20));
            let mut seen = 0;
            while seen < 3 {
                let (priority, payload) = next(other.receiver());
                seen += usize::from(payload.len() == 1000);
                assert!(payload.len() != 1000 || priority == lane);
            }
            waiting.join().unwrap();
        });
    }
}

#[test]
fn the_bound_of_starvation_holds_end_to_end() {
    for (lanes, bound) in [(2usize, 1u32), (2, 5), (3, 4), (4, 7)] {
        let config = Config::new().lanes(lanes).starvation_bound(bound);
        let (mut one, mut other) = both(&format!("bound{lanes}{bound}"), &config);
        for priority in 0..lanes {
            let mut at = one.sender().at(priority).unwrap();
            (0..300).for_each(|_| at.send(&[priority as u8; 8]).unwrap());
        }
        // All lanes are busy until the first one has been emptied.
        let mut waited = vec![0; lanes];
        let mut firsts = 0;
        while firsts < 300 {
            let (priority, _) = next(other.receiver());
            firsts += usize::from(priority == 0);
            waited.iter_mut().for_each(|waited| *waited += 1);
            waited[priority] = 0;
            assert!(waited[0] < lanes, "{waited:?}");
            let most = bound as usize + lanes - 2;
            assert!(
                waited.iter().all(|waited| *waited <= most.max(lanes - 1)),
                "{waited:?}"
            );
        }
    }
    // And strict order within it.
    let (mut one, mut other) = both("strict", &with(4));
    for priority in (0..4).rev() {
        one.sender().at(priority).unwrap().send(&[1]).unwrap();
    }
    for priority in 0..4 {
        assert_eq!(next(other.receiver()).0, priority);
    }
}

/// A sleeper over several lanes is woken by a frame in any of them; however it sleeps.
#[test]
fn a_frame_in_any_lane_wakes_the_sleeper() {
    let config = with(4).wait(Wait::Park);
    let (mut one, mut other) = both("wake", &config);
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let receiver = other.receiver();
            for turn in 0..200 {
                if turn % 2 == 1 {
                    while receiver.arm().unwrap() == Arm::Armed {
                        let mut entries = [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)];
                        let ready = poll(&mut entries, PollTimeout::from(10_000u16)).unwrap();
                        assert_eq!(ready, 1, "a wake was lost");
                    }
                }
                assert_eq!(next(receiver).0, turn % 4);
                taken.store(turn + 1, Ordering::Release);
            }
        });
        for turn in 0..200 {
            if turn % 8 < 4 {
                thread::sleep(Duration::from_micros(300));
            }
            one.sender().at(turn % 4).unwrap().send(&[0; 8]).unwrap();
            // Taken before the next one, or that may come first.
            while taken.load(Ordering::Acquire) <= turn {
                thread::yield_now();
            }
        }
        sleeper.join().unwrap();
    });
}

#[test]
fn held_frames_come_again_in_each_lane() {
    let (mut one, mut other) = both("held", &with(3));
    for priority in 0..3 {
        let mut at = one.sender().at(priority).unwrap();
        (0..2u8).for_each(|n| at.send(&[n]).unwrap());
    }
    let receiver = other.receiver();
    receiver.hold(true);
    let first: Vec<_> = (0..6).map(|_| next(receiver)).collect();
    assert_eq!(receiver.rewind(), 6 * 16);
    let again: Vec<_> = (0..6).map(|_| next(receiver)).collect();
    assert_eq!(first, again);
    receiver.release();
    assert_eq!(receiver.rewind(), 0);
    receiver.hold(false);
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Empty));
}

/// Held frames fill one lane only; released, its sender hears.
#[test]
fn a_lane_that_is_held_full_leaves_the_others_room() {
    let (mut one, mut other) = both("holdfull", &with(2));
    let receiver = other.receiver();
    receiver.hold(true);
    let filled = fill(one.sender(), 1, &[0; 100]);
    (0..filled).for_each(|_| assert_eq!(next(receiver).0, 1));
    assert_eq!(fill(one.sender(), 1, &[0; 100]), 0);
    one.sender().try_send(&[1; 100]).unwrap();
    assert_eq!(next(receiver).0, 0);
    receiver.release();
    assert!(fill(one.sender(), 1, &[0; 100]) > 0);
}

/// Guards that are leaked, of every kind and at every priority, lose nothing.
#[test]
fn leaked_guards_lose_nothing() {
    let (mut one, mut other) = both("leaked", &with(3));
    let sender = one.sender();
    {
        let mut at = sender.at(1).unwrap();
        let mut group = at.group();
        group.send(b"in a leaked group").unwrap();
        std::mem::forget(group);
        std::mem::forget(at.reserve(40).unwrap());
    }
    // The guard's drop has published it.
    let receiver = other.receiver();
    assert_eq!(next(receiver), (1, b"in a leaked group".to_vec()));
    let mut group = sender.group();
    group.send(b"open, at 0").unwrap();
    std::mem::forget(group);
    sender.at(2).unwrap().send(b"at 2").unwrap();
    assert_eq!(next(receiver), (2, b"at 2".to_vec()));
    sender.send(b"behind").unwrap();
    assert_eq!(next(receiver), (0, b"open, at 0".to_vec()));
    assert_eq!(next(receiver), (0, b"behind".to_vec()));
    // A leaked guard: what names no priority has its from then on.
    std::mem::forget(sender.at(2).unwrap());
    sender.send(b"still at 2").unwrap();
    assert_eq!(next(receiver), (2, b"still at 2".to_vec()));
    sender.at(1).unwrap().send(b"at 1").unwrap();
    assert_eq!(next(receiver).0, 1);
    sender.send(b"still").unwrap();
    assert_eq!(next(receiver).0, 2);
    std::mem::forget(sender.at(0).unwrap());
    sender.send(b"as before").unwrap();
    assert_eq!(next(receiver).0, 0);
    // One within another goes back to that.
    let mut outer = sender.at(1).unwrap();
    outer.at(2).unwrap().send(b"inner").unwrap();
    outer.send(b"outer").unwrap();
    drop(outer);
    sender.send(b"plain").unwrap();
    assert_eq!(
        [next(receiver).0, next(receiver).0, next(receiver).0],
        [0, 1, 2]
    );
    // Leaked frames keep no lane from being released.
    for round in 0..200 {
        sender
            .at(round % 3)
            .unwrap()
            .send_deadline(&[0; 300], soon())
            .unwrap();
        std::mem::forget(receiver.recv_deadline(soon()).unwrap());
    }
}

/// What was committed in any lane before the end is received first, and then every call says how it ended.
#[test]
fn an_end_is_heard_behind_all_lanes_and_on_all_of_them() {
    let (mut one, other) = both("end", &with(4));
    for priority in 0..4 {
        let mut at = one.sender().at(priority).unwrap();
        (0..9).for_each(|_| at.send(&[0; 50]).unwrap());
    }
    let (mut back, mut receiver) = other.split();
    let (sender, to_one) = one.split();
    drop(sender);
    let seen: Vec<_> = (0..36).map(|_| next(&mut receiver).0).collect();
    assert_eq!(seen.iter().filter(|lane| **lane == 3).count(), 9);
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
    assert_eq!(receiver.try_recv().map(drop), Err(RecvError::Closed));
    drop(to_one);
    assert_eq!(back.check(), Err(SendError::Closed));
    for priority in 0..4 {
        let mut at = back.at(priority).unwrap();
        assert_eq!(at.try_send(b"x"), Err(SendError::Closed));
        assert_eq!(at.reserve(1).map(drop), Err(SendError::Closed));
        assert_eq!(at.group().send(b"x"), Err(SendError::Closed));
    }
}

#[test]
fn counters_sum_over_the_lanes() {
    let (mut one, mut other) = both("counted-lanes", &with(4));
    for priority in 0..4 {
        let mut at = one.sender().at(priority).unwrap();
        (0..=priority).for_each(|_| at.send(&[0; 56]).unwrap());
    }
    while other.receiver().try_recv().is_ok() {}
    // Both tell when they go to wait.
    assert_eq!(one.sender().arm(8).unwrap(), Arm::Ready);
    assert_eq!(other.receiver().arm().unwrap(), Arm::Armed);
    let here: Vec<_> = Counters::own()
        .unwrap()
        .connections()
        .unwrap()
        .into_iter()
        .filter(|connection| connection.name.contains("counted-lanes"))
        .collect();
    let sends: Vec<_> = here.iter().map(|counted| counted.sends.frames).collect();
    let receives: Vec<_> = here.iter().map(|counted| counted.receives.frames).collect();
    assert_eq!(
        (sends.iter().sum::<u64>(), receives.iter().sum::<u64>()),
        (10, 10)
    );
    let bytes: u64 = here.iter().map(|counted| counted.receives.bytes).sum();
    assert_eq!(bytes, 640);
}

#[test]
fn a_child_of_a_fork_sends_and_receives_at_no_priority() {
    let (mut one, mut other) = both("forked-lanes", &with(3));
    one.sender().at(2).unwrap().send(b"of the parent").unwrap();
    // SAFETY: the child makes no use of what other threads may hold, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut refused = true;
        for priority in 0..3 {
            let mut at = one.sender().at(priority).unwrap();
            refused &= at.send(b"x") == Err(SendError::Forked);
            refused &= at.group().send(b"x") == Err(SendError::Forked);
        }
        let receiver = other.receiver();
        refused &= receiver.recv().map(drop) == Err(RecvError::Forked);
        refused &= receiver.try_recv().map(drop) == Err(RecvError::Forked);
        refused &= receiver.recv_into(&mut [0; 64]) == Err(RecvError::Forked);
        refused &= receiver.recv_batch(3).map(drop) == Err(RecvError::Forked);
        refused &= receiver.rewind() == 0 && receiver.arm() == Err(RecvError::Forked);
        drop((one, other));
        // SAFETY: `_exit` ends the process and runs nothing.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for writes.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0);
    assert_eq!(next(other.receiver()), (2, b"of the parent".to_vec()));
    one.sender().at(1).unwrap().send(b"still").unwrap();
    assert_eq!(next(other.receiver()), (1, b"still".to_vec()));
}

/// A frame that the buffer is too short for stays where it is, whatever comes before it.
#[test]
fn a_frame_that_is_too_long_for_the_buffer_stays() {
    let (mut one, mut other) = both("short", &with(2));
    one.sender().at(1).unwrap().send(&[1; 100]).unwrap();
    let receiver = other.receiver();
    let mut short = [0; 10];
    for _ in 0..3 {
        let outcome = receiver.recv_into(&mut short);
        assert_eq!(outcome, Err(RecvError::Truncated { len: 100 }));
    }
    one.sender().send(b"first").unwrap();
    assert_eq!(receiver.recv_into(&mut short), Ok(5));
    assert_eq!(next(receiver), (1, vec![1; 100]));
}

/// A batch has frames of one priority.
#[test]
fn a_batch_ends_where_another_priority_begins() {
    let (mut one, mut other) = both("batches", &with(2));
    one.sender().at(1).unwrap().send(b"low").unwrap();
    (0..3).for_each(|_| one.sender().send(b"high").unwrap());
    let mut sizes = Vec::new();
    while let Ok(mut frames) = other.receiver().try_recv_batch(10) {
        let mut lanes = Vec::new();
        while let Some(frame) = frames.next_frame() {
            lanes.push(frame.priority());
        }
        sizes.push(lanes);
    }
    assert_eq!(sizes, [vec![0, 0, 0], vec![1]]);
}
