//! What a wait says of the peer's life. Each test runs in a process of its own with a watchdog.

#[path = "crash/process.rs"]
mod process;

use std::time::{Duration, Instant};

use process::{alone, fork};
use ringway::{Config, RecvError, Wait};

/// A wait does not answer "timed out" with what it knew before it began, however short a time ago that was.
#[test]
fn a_wait_that_is_over_at_once_has_asked_the_kernel() {
    alone(
        "a_wait_that_is_over_at_once_has_asked_the_kernel",
        Duration::from_secs(60),
        || {
            for round in 0..30 {
                let wait = [Wait::Spin, Wait::Adaptive, Wait::Park][round % 3];
                let path = std::env::temp_dir()
                    .join(format!("ringway-rest-{round}-{}", std::process::id()));
                // A handshake with a process that may be stalled for seconds is waited for.
                let config = Config::new()
                    .wait(wait)
                    .handshake_timeout(Duration::from_secs(20));
                let mut listener = config.bind(path.as_path()).unwrap();
                let mut child = fork(|| {
                    let _theirs = config.connect(path.as_path()).unwrap();
                    std::thread::sleep(Duration::from_secs(50));
                });
                let soon = Instant::now() + Duration::from_secs(30);
                let mut ours = listener.accept_deadline(soon).unwrap();
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
