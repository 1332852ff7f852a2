//! A sender that leaves its barrier out, and a receiver that sleeps all the time: what makes up for it is the sleeper's barrier alone.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::pair::pair;
use crate::connection::Config;
use crate::sync::{AtomicU64, Ordering};
use crate::sys::membarrier;
use crate::wake::ladder::Wait;

/// Lines whose stores wait in a processor's buffer at once.
const LINES: usize = 48;

#[repr(align(64))]
struct Line(AtomicU64);

/// Writes lines that no cache has, so that the stores behind it are long in the processor's buffer.
fn keep_busy(lines: &[Line], n: u64) {
    for line in lines {
        // ORD: noise: Relaxed, nobody reads it; partner: none.
        line.0.store(n, Ordering::Relaxed);
    }
}

fn forget(lines: &[Line]) {
    #[cfg(target_arch = "x86_64")]
    for line in lines {
        // SAFETY: the line is there; it is written back and no more.
        unsafe {
            core::arch::x86_64::_mm_clflush(core::ptr::from_ref(line).cast());
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = lines;
}

/// Each frame is sent alone, at a moment that is kept near the one at which the receiver says that it sleeps, and nothing but the sender's ring wakes it. Before it the sender writes lines
/// that are in no cache, so that the commit waits behind them in its processor while the look at the epoch does not.
#[test]
fn frames_without_a_barrier_find_a_receiver_that_falls_asleep() {
    const ROUNDS: u64 = 30_000;
    // Where others want the processors each round takes long.
    let end = Instant::now() + Duration::from_secs(5);
    if !membarrier::is_there() {
        return;
    }
    let (server, client) = pair(
        "asleep",
        &Config::new()
            .wait(Wait::Park)
            .capacity(8192)
            .peer_capacity(8192)
            .membarrier(true),
    );
    let (sender, _from_client) = server.split();
    let (_to_server, mut receiver) = client.split();
    let lines: Vec<Line> = (0..LINES).map(|_| Line(AtomicU64::new(0))).collect();
    let (came, comes) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            receiver.resting().unration();
            for _ in 0..ROUNDS {
                // The sender is dropped when it is over.
                let Ok(frame) = receiver.recv() else {
                    return;
                };
                let n = frame.to_vec();
                drop(frame);
                came.send(n).unwrap();
            }
        });
        // A panic here drops it, and the receiver hears of that.
        let mut sender = sender;
        let mut random = 7u64;
        let mut frame = [7; 64];
        let mut pause = 0;
        for n in (0..ROUNDS).take_while(|_| Instant::now() < end) {
            // As if the calm had come; the sender fences again with each ring.
            if !sender.lane.is_unfenced() {
                sender.lane.unfence();
            }
            assert!(sender.lane.is_unfenced());
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            forget(&lines);
            for step in 0..pause + random % 64 {
                core::hint::black_box(step);
            }
            keep_busy(&lines, n);
            frame[..8].copy_from_slice(&n.to_ne_bytes());
            sender.send(&frame).unwrap();
            // It slept: sooner, the next time. It did not: later.
            pause = if sender.lane.is_unfenced() {
                pause + 8
            } else {
                pause.saturating_sub(8)
            };
            let patience = Instant::now() + Duration::from_secs(20);
            let found = loop {
                if let Ok(found) = comes.try_recv() {
                    break found;
                }
                assert!(Instant::now() < patience, "the wake of round {n} was lost");
                core::hint::spin_loop();
            };
            assert_eq!(found, frame);
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
