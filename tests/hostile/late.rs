//! A peer that sends descriptors when nobody waits for any.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Instant;

use ringway::{RecvError, Wait};

use crate::peer::{self, Hostile, Watchdog, soon};
use crate::{lane, resume};

/// Whether a socket of this kernel can refuse descriptors (`SO_PASSRIGHTS`, Linux 6.16); says so where it cannot.
fn can_refuse(line: &OwnedFd) -> bool {
    const SO_PASSRIGHTS: i32 = 83;
    let (mut value, mut length) = (0i32, 4);
    // SAFETY: both are valid for writes of what they say.
    let known = unsafe {
        libc::getsockopt(
            line.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PASSRIGHTS,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    if known != 0 {
        println!("SKIPPED: sockets of this kernel cannot refuse descriptors");
    }
    known == 0
}

/// Sends `count` packets with a descriptor each. How many the kernel took, and that it took none where it could refuse.
fn gives(hostile: &Hostile, count: usize) -> usize {
    let gift = peer::eventfd();
    let given = (0..count).filter(|_| {
        let sent = peer::send(&hostile.line, &[1], &[gift.as_raw_fd()]);
        if !sent {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
        }
        sent
    });
    let given = given.count();
    if can_refuse(&hostile.line) {
        assert_eq!(
            given, 0,
            "the queue holds descriptors that nobody asked for"
        );
    }
    // Without one it is taken.
    assert!(peer::send(&hostile.line, &[1], &[]), "the line is up");
    given
}

/// Behind the handshake neither side takes any: the kernel refuses them to whoever sends them. Where it cannot, they are dropped. Frames go on in either case.
#[test]
fn descriptors_behind_the_handshake_are_refused_by_the_kernel_where_it_can() {
    let _alone = peer::alone();
    let _dog = Watchdog::new("late descriptors");
    let before = peer::open_descriptors();
    for wait in [Wait::Park, Wait::Spin] {
        let (connection, hostile) = lane::victim("late", wait);
        gives(&hostile, 20);
        lives(connection, hostile);
    }
    let (path, connection, hostile) = resume::victim("late-server");
    gives(&hostile, 20);
    lives(connection, hostile);
    let _ = std::fs::remove_file(path);
    peer::no_leak(before);
}

/// It hears nothing, and then of the end.
fn lives(mut connection: ringway::Connection, hostile: Hostile) {
    let receiver = connection.receiver();
    let short = Instant::now() + std::time::Duration::from_millis(5);
    assert_eq!(
        receiver.recv_deadline(short).err(),
        Some(RecvError::TimedOut)
    );
    drop(hostile);
    assert_eq!(
        receiver.recv_deadline(soon()).err(),
        Some(RecvError::PeerClosed)
    );
}
