//! A sender that leaves its barrier out, and a receiver that sleeps all the time: what makes up for it is the sleeper's barrier alone.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Config, Connection, Listener};
use crate::sys::membarrier;
use crate::wake::ladder::Wait;

fn pair(name: &str, config: &Config) -> (Connection, Connection) {
    let path = std::env::temp_dir().join(format!("ringway-unfenced-{name}-{}", std::process::id()));
    let mut listener: Listener = config.bind(path.as_path()).unwrap();
    thread::scope(|scope| {
        let client = scope.spawn(|| config.connect(path.as_path()).unwrap());
        let soon = Instant::now() + Duration::from_secs(10);
        let server = listener.accept_deadline(soon).unwrap();
        (server, client.join().unwrap())
    })
}

/// Each frame is sent alone, at a moment that varies around the one at which the receiver says that it sleeps. With the sleeper's barrier taken out (by hand) it fails
/// within the first rounds; the sender's ring is the only thing that wakes the receiver.
#[test]
fn frames_without_a_barrier_find_a_receiver_that_falls_asleep() {
    const ROUNDS: u64 = 30_000;
    if !membarrier::is_there() {
        return;
    }
    let (server, client) = pair("asleep", &Config::new().wait(Wait::Park).membarrier(true));
    let (mut sender, _from_client) = server.split();
    let (_to_server, mut receiver) = client.split();
    let (came, comes) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            receiver.resting().unration();
            for _ in 0..ROUNDS {
                let Ok(frame) = receiver.recv() else {
                    return;
                };
                let n = frame.to_vec();
                drop(frame);
                came.send(n).unwrap();
            }
        });
        let mut random = 7u64;
        for n in 0..ROUNDS {
            // As if the calm had come; the sender fences again with each ring.
            sender.lane.unfence();
            assert!(sender.lane.is_unfenced());
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            for _ in 0..random % 400 {
                core::hint::spin_loop();
            }
            sender.send(&n.to_ne_bytes()).unwrap();
            let patience = Instant::now() + Duration::from_secs(20);
            let found = loop {
                match comes.try_recv() {
                    Ok(found) => break found,
                    Err(_) if Instant::now() < patience => core::hint::spin_loop(),
                    Err(_) => panic!("the wake of round {n} was lost"),
                }
            };
            assert_eq!(found, n.to_ne_bytes());
        }
    });
}

/// The receiver is behind all the time, so that it never sleeps: the barrier is left out. As soon as it has slept it is taken back.
#[test]
fn a_stream_loses_its_barrier_and_a_sleep_brings_it_back() {
    if !membarrier::is_there() {
        return;
    }
    let (server, client) = pair("stream", &Config::new().wait(Wait::Park).membarrier(true));
    let (mut sender, _from_client) = server.split();
    let (_to_server, mut receiver) = client.split();
    let mut sent = 0;
    let limit = Instant::now() + Duration::from_secs(20);
    while !sender.lane.is_unfenced() {
        assert!(Instant::now() < limit, "after {sent} frames");
        while sender.try_send(&[1; 56]).is_ok() {
            sent += 1;
        }
        while receiver.try_recv().is_ok() {}
    }
    assert!(sent > 16_000);
    sender.send(b"a plain one").unwrap();
    assert!(sender.lane.is_unfenced());
    receiver.arm().unwrap();
    while receiver.try_recv().is_ok() {}
    receiver.arm().unwrap();
    sender.send(b"to a sleeper").unwrap();
    assert!(!sender.lane.is_unfenced());
}

/// It takes both: a side that did not ask for it neither leaves barriers out nor makes any.
#[test]
fn one_side_alone_changes_nothing() {
    let path = std::env::temp_dir().join(format!("ringway-unfenced-one-{}", std::process::id()));
    for asks in [true, false] {
        let mut listener = Config::new().membarrier(asks).bind(path.as_path()).unwrap();
        let client = thread::scope(|scope| {
            let client = scope.spawn(|| {
                let config = Config::new().membarrier(!asks);
                config.connect(path.as_path()).unwrap()
            });
            let soon = Instant::now() + Duration::from_secs(10);
            let mut server = listener.accept_deadline(soon).unwrap();
            server.sender().lane.unfence();
            assert!(!server.sender().lane.is_unfenced());
            client.join().unwrap()
        });
        let mut client = client;
        client.sender().lane.unfence();
        assert!(!client.sender().lane.is_unfenced());
    }
}
