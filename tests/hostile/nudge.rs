//! A peer that speaks on the handshake socket when it should not, or hangs up without a word.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use ringway::{Arm, RecvError, Wait};

use crate::lane::victim;
use crate::peer::{self, Watchdog, soon};

/// Sends nudges until the socket has no more room. Returns how many went in.
fn flood(line: &OwnedFd) -> usize {
    let byte = [1u8];
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `byte` is valid for reads of one byte.
    let nudge = || unsafe { libc::send(line.as_raw_fd(), byte.as_ptr().cast(), 1, flags) };
    let mut sent = 0;
    while nudge() == 1 {
        sent += 1;
    }
    let error = std::io::Error::last_os_error();
    assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    sent
}

fn polled(half: &impl AsFd, milliseconds: i32) -> bool {
    let mut entry = libc::pollfd {
        fd: half.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `entry` is valid for reads and writes of one entry.
    unsafe { libc::poll(&raw mut entry, 1, milliseconds) == 1 }
}

#[test]
fn a_flood_of_nudges_keeps_nobody_and_leaves_no_half_asleep() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("flood");
    let (connection, hostile) = victim("flood", Wait::Park);
    let (sender, mut receiver) = connection.split();
    assert_eq!(receiver.arm(), Ok(Arm::Armed));
    assert!(!polled(&receiver, 0));
    let sent = flood(&hostile.line);
    assert!(
        sent > 200,
        "more than one look takes, or this shows nothing"
    );
    // Each arming takes some; until all are taken the half must be told to come back, for with no room there is no edge.
    let mut arms = 0;
    while polled(&receiver, 0) {
        assert_eq!(receiver.arm(), Ok(Arm::Armed));
        arms += 1;
        assert!(arms <= sent, "it never comes to rest");
    }
    assert!(arms > 1, "one arming took the whole flood");
    assert!(
        polled(&sender, 0),
        "what was taken may have been meant for the sender"
    );
    assert_eq!(flood(&hostile.line), sent, "nudges were left");
    assert!(polled(&receiver, 0), "a new nudge wakes again");
}

#[test]
fn an_event_loop_hears_of_a_peer_that_hangs_up_and_lives() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("hang up");
    let (mut connection, hostile) = victim("hang-up", Wait::Park);
    let receiver = connection.receiver();
    assert_eq!(receiver.arm(), Ok(Arm::Armed));
    drop(hostile.line);
    let until = soon();
    loop {
        match receiver.try_recv().map(drop) {
            Err(RecvError::Empty) => {}
            other => {
                assert_eq!(other, Err(RecvError::PeerClosed));
                break;
            }
        }
        assert!(Instant::now() < until, "nothing was heard");
        if receiver.arm() == Ok(Arm::Armed) {
            assert!(polled(receiver, 10_000), "the loop sleeps for ever");
        }
    }
}
