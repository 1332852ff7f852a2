//! Two processes send each other frames of 1 byte to 64 KiB, both ways at once: nothing lost, doubled, exchanged or altered.
//!
//! `RINGWAY_FRAMES`: how many frames in all (400,000 unless told; 100000000 is a long run). For hours, and among everything else that there is, `tests/soak` does the same; this one takes
//! seconds, which is why code mutants have it.

mod manners;
#[path = "crash/process.rs"]
mod process;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use manners::MANNERS;
use process::{Frames, watchdog};
use ringway::{Config, Connection, Receiver, RecvError, Sender};

const PEER: &str = "RINGWAY_EXCHANGE_PEER";
const LARGEST: usize = 64 << 10;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

fn config(case: u64) -> Config {
    let (wait, capacity, membarrier) = MANNERS[case as usize];
    Config::new()
        .wait(wait)
        .membarrier(membarrier)
        .capacity(capacity)
        .peer_capacity(capacity)
        .handshake_timeout(Duration::from_secs(10))
}

fn send_all(mut sender: Sender, seed: u64, count: u64) -> Sender {
    let mut frames = Frames::new(seed, sender.max_payload().min(LARGEST));
    let mut frame = Vec::new();
    for _ in 0..count {
        frames.next(&mut frame);
        sender.send_deadline(&frame, soon()).unwrap();
    }
    sender
}

/// Returns after the last frame and the peer's goodbye.
fn receive_all(receiver: &mut Receiver, most: usize, seed: u64, count: u64) {
    let mut frames = Frames::new(seed, most);
    let (mut frame, mut buffer) = (Vec::new(), vec![0; LARGEST]);
    for n in 0..count {
        frames.next(&mut frame);
        let length = receiver.recv_into_deadline(&mut buffer, soon()).unwrap();
        assert!(
            buffer[..length] == frame,
            "frame {n} of {count}, seed {seed}, is not the one that was sent"
        );
    }
    assert_eq!(
        receiver.recv_into_deadline(&mut buffer, soon()),
        Err(RecvError::Closed)
    );
}

fn exchange(connection: Connection, ours: u64, theirs: u64, count: u64) {
    let (sender, mut receiver) = connection.split();
    // Both rings have one capacity and so one largest payload.
    let most = sender.max_payload().min(LARGEST);
    thread::scope(|scope| {
        scope.spawn(move || drop(send_all(sender, ours, count)));
        receive_all(&mut receiver, most, theirs, count);
    });
}

/// The child's part: the environment says where to connect, which case this is, and how many frames there are.
#[test]
fn peer() {
    let Ok(told) = std::env::var(PEER) else {
        return;
    };
    let mut words = told.split(' ');
    let mut word = || words.next().unwrap();
    let (path, case, count): (_, u64, u64) =
        (word(), word().parse().unwrap(), word().parse().unwrap());
    watchdog(limit(count));
    exchange(
        config(case).connect(path).unwrap(),
        2 * case + 1,
        2 * case,
        count,
    );
}

/// A thousand frames per second, and a minute.
fn limit(count: u64) -> Duration {
    Duration::from_secs(60 + count / 1_000)
}

#[test]
fn two_processes_exchange_frames() {
    let count = number("RINGWAY_FRAMES", 400_000).div_ceil(2 * MANNERS.len() as u64);
    let path = std::env::temp_dir().join(format!("ringway-exchange-{}", std::process::id()));
    for case in 0..MANNERS.len() as u64 {
        // Ours is the watchdog too; it is set anew for each case.
        watchdog(limit(count));
        let mut listener = config(case).bind(path.as_path()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "peer", "--nocapture"])
            .env(PEER, format!("{} {case} {count}", path.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        exchange(
            listener.accept_deadline(soon()).unwrap(),
            2 * case,
            2 * case + 1,
            count,
        );
        assert!(
            child.wait().unwrap().success(),
            "case {case}: the peer failed"
        );
    }
}
