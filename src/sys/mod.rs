//! Every system call that Ringway makes, and nothing else.
//!
//! Absent on purpose: any knowledge of frames, lanes or the handshake; any pointer into shared memory (mappings are
//! handed out as addresses, and only `segment` touches the bytes); timers and threads, save the one that closes suspicious
//! descriptors, which may hang ([`close_aside`]).

pub(crate) mod aio;
pub(crate) mod bell;
pub(crate) mod cpu;
pub(crate) mod credentials;
pub(crate) mod directory;
pub(crate) mod fork;
pub(crate) mod gate;
pub(crate) mod line;
pub(crate) mod lobby;
pub(crate) mod map;
pub(crate) mod memfd;
pub(crate) mod message;
pub(crate) mod poll;
pub(crate) mod socket;

use std::os::fd::OwnedFd;

/// The error of the system call that just failed on this thread.
pub(crate) fn last_error() -> std::io::Error {
    std::io::Error::last_os_error()
}

/// Turns libc's "-1 and errno" into a `Result`.
pub(crate) fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result == -1 {
        Err(last_error())
    } else {
        Ok(result)
    }
}

/// Closes descriptors that a peer sent and that failed a check, on a thread of their own.
///
/// `close` of a file on a hostile FUSE mount flushes it and can hang for as long as its server likes, so it must not
/// happen on the thread that serves other peers.
pub(crate) fn close_aside(descriptors: Vec<OwnedFd>) {
    if descriptors.is_empty() {
        return;
    }
    // Where no thread can be had, `spawn` drops the closure, and with it the descriptors, here: the last resort.
    let _ = std::thread::Builder::new()
        .name("ringway-close".into())
        .spawn(move || drop(descriptors));
}
