//! A peer that is killed while it copies a large frame in, which the survivor copies out at the same time: that frame was never sent. One that is stopped there has not sent it yet.

use std::time::{Duration, Instant};

use crate::process::{Frames, Page, Random, alone, die_after, fork};
use crate::{COMMITTED, path, soon};
use ringway::{Config, RecvError, Wait};

const MOST: usize = 1 << 20;

/// Bytes behind the head that `Frames` writes, so that every frame is a large one.
const MORE: usize = 100_000;

/// The next frame, with `MORE` bytes that follow from its number.
fn next(frames: &mut Frames, frame: &mut Vec<u8>) {
    frames.next(frame);
    let sequence = frames.sequence;
    frame.extend((0..MORE).map(|place| (place as u64 ^ sequence) as u8));
}

#[test]
fn killed_in_the_middle_of_a_large_frame() {
    alone(
        "large::killed_in_the_middle_of_a_large_frame",
        Duration::from_secs(300),
        || {
            let (page, path) = (Page::new(), path("large"));
            let limits = Config::new()
                .handshake_timeout(Duration::from_secs(20))
                .capacity(2 * MOST)
                .peer_capacity(2 * MOST);
            let mut listener = limits.clone().bind(path.as_path()).unwrap();
            let rounds = std::env::var("RINGWAY_KILLS").map_or(2_000, |text| text.parse().unwrap());
            for seed in 0..(rounds / 10u64).max(20) {
                let mut random = Random::new(seed);
                let wait = [Wait::Adaptive, Wait::Park, Wait::Spin][random.below(3) as usize];
                let config = limits.clone().wait(wait);
                let delay = Duration::from_nanos(random.below(6_000_000));
                page.set(COMMITTED, 0);
                let mut child = fork(|| {
                    let mut connection = config.connect(path.as_path()).unwrap();
                    die_after(delay);
                    let mut frames = Frames::new(seed, MOST / 4);
                    let mut frame = Vec::new();
                    loop {
                        next(&mut frames, &mut frame);
                        connection.sender().send(&frame).unwrap();
                        page.set(COMMITTED, frames.sequence);
                    }
                });
                let mut connection = listener.accept_deadline(soon()).unwrap();
                let receiver = connection.receiver();
                let mut frames = Frames::new(seed, MOST / 4);
                let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
                let mut received = 0;
                let ended = loop {
                    match receiver.recv_into_deadline(&mut buffer, soon()) {
                        Ok(length) => {
                            next(&mut frames, &mut frame);
                            assert!(buffer[..length] == frame, "frame {received} of seed {seed}");
                            received += 1;
                        }
                        Err(error) => break error,
                    }
                };
                assert_eq!(ended, RecvError::PeerDied, "seed {seed}");
                child.reap_killed();
                let committed = page.get(COMMITTED);
                assert!(
                    (committed..=committed + 1).contains(&received),
                    "{committed} committed, {received} arrived, seed {seed}"
                );
            }
        },
    );
}

/// The frame that is being copied in.
const BEGUN: usize = COMMITTED + 1;

#[test]
fn stopped_in_the_middle_of_a_large_frame() {
    let name = "large::stopped_in_the_middle_of_a_large_frame";
    alone(name, Duration::from_secs(120), || {
        let (mut random, mut in_the_midst) = (Random::new(5), 0);
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let (page, path) = (Page::new(), path("large-stopped"));
            let config = Config::new()
                .wait(wait)
                .handshake_timeout(Duration::from_secs(20))
                .capacity(2 * MOST)
                .peer_capacity(2 * MOST);
            let mut listener = config.bind(path.as_path()).unwrap();
            let mut child = fork(|| {
                let mut connection = config.connect(path.as_path()).unwrap();
                let mut frames = Frames::new(7, MOST / 4);
                let mut frame = Vec::new();
                loop {
                    next(&mut frames, &mut frame);
                    page.set(BEGUN, frames.sequence);
                    connection.sender().send(&frame).unwrap();
                    page.set(COMMITTED, frames.sequence);
                }
            });
            let mut connection = listener.accept_deadline(soon()).unwrap();
            let (sender, receiver) = connection.halves();
            let mut frames = Frames::new(7, MOST / 4);
            let (mut frame, mut buffer) = (Vec::new(), vec![0; MOST]);
            let mut receive = |deadline| {
                let length = receiver.recv_into_deadline(&mut buffer, deadline)?;
                next(&mut frames, &mut frame);
                assert!(buffer[..length] == frame, "frame {}", frames.sequence);
                Ok::<_, RecvError>(frames.sequence)
            };
            let mut received = 0;
            for _ in 0..20 {
                // Until it has caught up, more or less.
                for _ in 0..random.below(30) {
                    received = receive(soon()).unwrap();
                }
                std::thread::sleep(Duration::from_micros(random.below(100)));
                child.stop();
                let end = loop {
                    match receive(Instant::now() + Duration::from_millis(10)) {
                        Ok(number) => received = number,
                        Err(error) => break error,
                    }
                };
                assert_eq!(end, RecvError::TimedOut);
                assert_eq!(sender.check(), Ok(()));
                let committed = page.get(COMMITTED);
                assert!((committed..=committed + 1).contains(&received));
                in_the_midst += u32::from(page.get(BEGUN) > received);
                child.signal(libc::SIGCONT);
            }
            child.stop();
            while let Ok(number) = receive(Instant::now() + Duration::from_millis(10)) {
                received = number;
            }
            child.signal(libc::SIGKILL);
            child.reap_killed();
            assert_eq!(receive(soon()), Err(RecvError::PeerDied));
        }
        // Else it has shown nothing.
        assert!(in_the_midst > 5, "{in_the_midst} times");
        println!("{in_the_midst} times in the midst of a frame");
    });
}
