//! A peer that lies about how its sender fences: it has us make barriers, within our ration, and nothing else.

use std::thread;
use std::time::{Duration, Instant};

use ringway::{Connection, RecvError, Wait};

use crate::peer::{self, Hostile, Segment, Watchdog, attach, hello, soon};

const FRAME: u64 = 1 << 48;
/// The word by which a sender says how it fences.
const FENCE_MODE: usize = 0x900;
const MEMBARRIER: u64 = 1;

fn features(message: &[u8]) -> u64 {
    u64::from_ne_bytes(message[24..32].try_into().unwrap())
}

/// Whether the kernel has what the feature is about.
fn is_there() -> bool {
    // SAFETY: no memory is passed.
    let known = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0) };
    known > 0 && known & i64::from(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
}

/// A connection whose client names `offered` in its Hello, and what the server chose of it.
fn victim(name: &str, asks: bool, offered: u64) -> (Connection, Hostile, u64) {
    let config = peer::patient().wait(Wait::Park).membarrier(asks);
    let mut listener = config.bind(peer::path(name)).unwrap();
    let path = listener.path().to_path_buf();
    thread::scope(|scope| {
        let hostile = scope.spawn(move || {
            let hello = hello().u64(24, offered);
            let hostile = peer::join_as(&path, &hello, &attach(), Segment::new(1));
            let chosen = features(&hostile.told.0);
            (hostile, chosen)
        });
        let connection = listener.accept_deadline(soon()).unwrap();
        let (hostile, chosen) = hostile.join().unwrap();
        (connection, hostile, chosen)
    })
}

#[test]
fn the_feature_is_chosen_only_where_both_ask_and_no_other_ever_is() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("features");
    let both = if is_there() { MEMBARRIER } else { 0 };
    assert_eq!(victim("feature-both", true, u64::MAX).2, both);
    assert_eq!(victim("feature-theirs", false, u64::MAX).2, 0);
    assert_eq!(victim("feature-ours", true, !MEMBARRIER).2, 0);
}

/// The word changes all the time, and is never true. The receiver sleeps as often as it likes, and hears of every frame.
#[test]
fn whatever_the_word_says_waits_end_and_frames_come() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("fence mode");
    for asks in [true, false] {
        let (mut victim, hostile, _) = victim(&format!("fence-mode-{asks}"), asks, MEMBARRIER);
        for round in 0..200usize {
            let lie = [1, 0, u64::MAX, 2, 1 << 63][round % 5];
            hostile.own.set(FENCE_MODE, lie);
            // More sleeps than the ration has barriers.
            for _ in 0..5 {
                let over = Instant::now() + Duration::from_micros(50);
                let outcome = victim.receiver().recv_deadline(over).map(drop);
                assert_eq!(outcome, Err(RecvError::TimedOut));
            }
            hostile.own.ring(16 * (round + 1), 0);
            hostile.own.ring(16 * round, FRAME | 8);
            peer::send(&hostile.line, &[0], &[]);
            let frame = victim.receiver().recv_deadline(soon()).unwrap();
            assert_eq!(frame.len(), 8);
        }
    }
}
