//! Every system call that Ringway makes, and nothing else.
//!
//! Absent on purpose: any knowledge of frames, lanes or the handshake; any pointer into shared memory (mappings are
//! handed out as addresses, and only `segment` touches the bytes); timers and threads, save those that close what may hang
//! ([`aside`]).

pub(crate) mod aio;
#[cfg(test)]
pub(crate) mod apart;
pub(crate) mod aside;
pub(crate) mod bell;
pub(crate) mod cgroup;
#[cfg(any(
    feature = "chaos",
    all(test, not(any(loom, ringway_shuttle, ringway_tsan)))
))]
#[cfg_attr(
    not(feature = "chaos"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "it is tested in the build that all tests share"
    )
)]
pub(crate) mod chaos;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod credentials;
pub(crate) mod directory;
pub(crate) mod door;
pub(crate) mod elder;
pub(crate) mod fork;
pub(crate) mod gate;
pub(crate) mod inherit;
pub(crate) mod limit;
pub(crate) mod line;
pub(crate) mod lobby;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod membarrier;
pub(crate) mod memfd;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod mode;
mod pages;
pub(crate) mod place;
pub(crate) mod poll;
pub(crate) mod prefetch;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod socket;
pub(crate) mod tower;
pub(crate) mod uring;

/// The error of the system call that just failed on this thread.
pub(crate) fn last_error() -> std::io::Error {
    std::io::Error::last_os_error()
}

/// Calls until no signal comes in between.
pub(crate) fn again<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Turns libc's "-1 and errno" into a `Result`.
pub(crate) fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result == -1 {
        Err(last_error())
    } else {
        Ok(result)
    }
}

/// The same of a call that answers with a length.
pub(crate) fn check_length(result: libc::ssize_t) -> std::io::Result<usize> {
    usize::try_from(result).map_err(|_| last_error())
}
