//! A sender of several lanes is killed at any moment: what it had committed in each of them arrives, and then the end.

use std::time::Duration;

use ringway::{Config, RecvError, Wait};

use super::process::{Frames, Page, Random, alone, die_after, fork};
use super::{path, soon};

const LANES: usize = 4;

/// What a frame of `lane` is seeded with.
fn seed_of(seed: u64, lane: usize) -> u64 {
    seed * LANES as u64 + lane as u64
}

/// Rounds that end by a kill from within, at a random moment of the stream or when every lane is full.
#[test]
fn what_was_committed_in_any_lane_arrives_before_the_end() {
    alone(
        "lanes::what_was_committed_in_any_lane_arrives_before_the_end",
        Duration::from_secs(300),
        || {
            let page = Page::new();
            let mut listener = config(0).bind(path("lanes")).unwrap();
            let at = listener.path().to_path_buf();
            let mut in_many = 0;
            for seed in 0..200 {
                (0..=LANES).for_each(|word| page.set(word, 0));
                let mut child = fork(|| {
                    let mut random = Random::new(seed);
                    let mut connection = config(seed).connect(at.as_path()).unwrap();
                    let sender = connection.sender();
                    let mut frames: Vec<_> = (0..LANES)
                        .map(|lane| Frames::new(seed_of(seed, lane), 700))
                        .collect();
                    let mut frame = Vec::new();
                    die_after(Duration::from_nanos(random.below(1_500_000)));
                    loop {
                        let lane = random.below(LANES as u64) as usize;
                        frames[lane].next(&mut frame);
                        sender.at(lane).unwrap().send(&frame).unwrap();
                        page.set(lane, frames[lane].sequence);
                    }
                });
                let mut connection = listener.accept_deadline(soon()).unwrap();
                let mut expected: Vec<_> = (0..LANES)
                    .map(|lane| Frames::new(seed_of(seed, lane), 700))
                    .collect();
                if seed % 2 == 0 {
                    // Everything lies in the rings when it dies.
                    child.reap_killed();
                }
                let receiver = connection.receiver();
                let mut frame = Vec::new();
                let mut received = [0; LANES];
                let end = loop {
                    match receiver.recv_deadline(soon()) {
                        Ok(found) => {
                            let lane = found.priority();
                            expected[lane].next(&mut frame);
                            assert!(found.to_vec() == frame, "lane {lane} of seed {seed}");
                            received[lane] += 1;
                        }
                        Err(error) => break error,
                    }
                };
                assert_eq!(end, RecvError::PeerDied, "seed {seed}");
                assert_eq!(receiver.try_recv().map(drop), Err(RecvError::PeerDied));
                if seed % 2 == 1 {
                    child.reap_killed();
                }
                for (lane, received) in received.into_iter().enumerate() {
                    let committed = page.get(lane);
                    // The kill can fall between a commit and its note.
                    assert!(
                        (committed..=committed + 1).contains(&received),
                        "{committed} in lane {lane}, {received} arrived, seed {seed}"
                    );
                }
                in_many += u32::from(received.iter().filter(|count| **count > 0).count() > 2);
            }
            // Else it proves nothing.
            assert!(in_many > 20, "frames in several lanes in {in_many} rounds");
        },
    );
}

fn config(seed: u64) -> Config {
    let wait = [Wait::Adaptive, Wait::Park, Wait::Spin][seed as usize % 3];
    Config::new()
        .wait(wait)
        .lanes(LANES)
        .capacity(4096)
        .peer_capacity(4096)
        .handshake_timeout(Duration::from_secs(20))
}

/// Two processes, in order: every frame of every lane, both ways.
#[test]
fn two_processes_exchange_frames_by_all_lanes() {
    alone(
        "lanes::two_processes_exchange_frames_by_all_lanes",
        Duration::from_secs(120),
        || {
            const COUNT: u64 = 6_000;
            for lanes in 1..=LANES {
                let config = config(7 + lanes as u64).lanes(lanes);
                let mut listener = config.bind(path("lanes-exchange")).unwrap();
                let at = listener.path().to_path_buf();
                let mut child = fork(|| {
                    // Sends back what comes, by the lane that it came by.
                    let (mut sender, mut receiver) = config.connect(at.as_path()).unwrap().split();
                    loop {
                        let frame = match receiver.recv() {
                            Ok(frame) => frame,
                            Err(RecvError::Closed) => return,
                            Err(error) => panic!("{error}"),
                        };
                        let (lane, payload) = (frame.priority(), frame.to_vec());
                        drop(frame);
                        sender.at(lane).unwrap().send(&payload).unwrap();
                    }
                });
                let (mut sender, mut receiver) = listener.accept_deadline(soon()).unwrap().split();
                std::thread::scope(|scope| {
                    scope.spawn(move || {
                        let mut random = Random::new(3);
                        let mut frames: Vec<_> = (0..lanes)
                            .map(|lane| Frames::new(seed_of(9, lane), 900))
                            .collect();
                        let mut frame = Vec::new();
                        for _ in 0..COUNT {
                            let lane = random.below(lanes as u64) as usize;
                            frames[lane].next(&mut frame);
                            sender.at(lane).unwrap().send(&frame).unwrap();
                        }
                    });
                    let mut expected: Vec<_> = (0..lanes)
                        .map(|lane| Frames::new(seed_of(9, lane), 900))
                        .collect();
                    let mut frame = Vec::new();
                    for _ in 0..COUNT {
                        let found = receiver.recv_deadline(soon()).unwrap();
                        let lane = found.priority();
                        expected[lane].next(&mut frame);
                        assert!(found.to_vec() == frame, "lane {lane}");
                    }
                    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));
                });
                assert_eq!(child.reap(), 0);
            }
        },
    );
}
