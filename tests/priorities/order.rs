//! What is agreed, and in which order frames come, when, and past what.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::{Arm, Config, ErrorKind, Receiver, RecvError, SendError, Sender, Wait};

use crate::pair::{pair, soon};
use crate::{both, fill, next, with};

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
        let config = with(lanes).wait(wait).starvation_bound(3).alignment(64);
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
                        // Behind pads, most of them.
                        let mut place = at.reserve_aligned(payload.len(), 64).unwrap();
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
            for waited in &mut waited {
                *waited += 1;
            }
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

/// What a batch takes counts as served: it ends where another lane is due.
#[test]
fn a_batch_keeps_no_lane_waiting_for_longer_than_the_bound() {
    let (mut one, mut other) = both("bound-batch", &with(2).starvation_bound(3));
    for priority in [0, 1] {
        let mut at = one.sender().at(priority).unwrap();
        (0..20u8).for_each(|number| at.send(&[number]).unwrap());
    }
    let mut order = Vec::new();
    while order.len() < 40 {
        let mut batch = other.receiver().recv_batch(64).unwrap();
        while let Some(frame) = batch.next_frame() {
            order.push(frame.priority());
        }
    }
    let expected = [0, 0, 0, 1].into_iter().cycle().take(26).chain([1; 14]);
    assert_eq!(order, expected.collect::<Vec<_>>());
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

/// What comes into another lane meanwhile does not take the place of the frame that was waited for.
#[test]
fn a_batch_has_the_frame_that_was_waited_for() {
    let (mut one, mut other) = both("batch-first", &with(2));
    let bulk = one.sender();
    bulk.at(1).unwrap().send(b"bulk").unwrap();
    let mut frames = other.receiver().recv_batch(10).unwrap();
    one.sender().send(b"urgent").unwrap();
    let frame = frames.next_frame().unwrap();
    assert_eq!((frame.priority(), frame.to_vec()), (1, b"bulk".to_vec()));
    drop(frame);
    assert!(
        frames.next_frame().is_none(),
        "the next one is of another priority"
    );
    drop(frames);
    assert_eq!(next(other.receiver()), (0, b"urgent".to_vec()));
}
