//! What a wait says of the peer's life. Each test runs in a process of its own with a watchdog.

#[path = "crash/process.rs"]
mod process;

use std::time::{Duration, Instant};

use process::{Child, alone, with_child};
use ringway::{Config, Connection, RecvError, SendError, Wait};

/// A connection with a process that does nothing.
fn with_sleeper(name: &str, config: &Config) -> (Connection, Child) {
    let path = std::env::temp_dir().join(format!("ringway-rest-{name}-{}", std::process::id()));
    // A handshake with a process that may be stalled for seconds is waited for.
    let config = config.clone().handshake_timeout(Duration::from_secs(20));
    let soon = Instant::now() + Duration::from_secs(30);
    with_child(&path, &config, soon, |_theirs| {
        std::thread::sleep(Duration::from_secs(50));
    })
}

/// A wait does not answer "timed out" with what it knew before it began, however short a time ago that was.
#[test]
fn a_wait_that_is_over_at_once_has_asked_the_kernel() {
    alone(
        "a_wait_that_is_over_at_once_has_asked_the_kernel",
        Duration::from_secs(60),
        || {
            for round in 0..30 {
                let wait = [Wait::Spin, Wait::Adaptive, Wait::Park][round % 3];
                let config = Config::new().wait(wait);
                let (mut ours, mut child) = with_sleeper(&round.to_string(), &config);
                let over = Instant::now();
                let mut receive = || ours.receiver().recv_deadline(over).map(drop);
                assert_eq!(receive(), Err(RecvError::TimedOut));
                child.signal(libc::SIGKILL);
                child.reap_killed();
                assert_eq!(receive(), Err(RecvError::PeerDied), "{wait:?}");
            }
        },
    );
}

/// The same by turns, as threads wait that share a sender of several priorities.
#[test]
fn a_shared_sender_that_is_out_of_time_at_once_has_asked_the_kernel() {
    alone(
        "a_shared_sender_that_is_out_of_time_at_once_has_asked_the_kernel",
        Duration::from_secs(60),
        || {
            for round in 0..10 {
                let config = Config::new().lanes(2).capacity(4096).peer_capacity(4096);
                let (ours, mut child) = with_sleeper(&format!("shared-{round}"), &config);
                let shared = ours.split().0.shared();
                while shared.try_send(&[0; 100]).is_ok() {}
                let over = Instant::now();
                assert_eq!(
                    shared.send_deadline(&[1; 100], over),
                    Err(SendError::TimedOut)
                );
                child.signal(libc::SIGKILL);
                child.reap_killed();
                assert_eq!(
                    shared.send_deadline(&[2; 100], over),
                    Err(SendError::PeerDied)
                );
            }
        },
    );
}
